use preempt::preemptible;

#[preemptible]
fn in_a_for(text: String) {
    for _ in 0..3 {
        drop(text);
    }
}

#[preemptible]
fn in_a_loop(text: String) {
    loop {
        drop(text);
    }
}

#[preemptible]
async fn in_an_async_fn(text: String) {
    for _ in 0..3 {
        std::future::ready(text).await;
    }
}

#[preemptible]
fn out_of_a_reference(texts: &[Option<String>]) {
    for text in texts {
        drop(text.unwrap());
    }
}

fn main() {}
