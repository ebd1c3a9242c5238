use preempt::preemptible;

#[preemptible]
fn a_loop_is_last(n: u32) -> u32 {
    for i in 0..n {
        if i > 3 {
            return i;
        }
    }
}

#[preemptible]
fn another_type() -> u32 {
    for _ in 0..3 {}
    "text"
}

#[preemptible]
fn return_in_a_loop() -> u32 {
    while true {
        return "text";
    }
    3
}

#[preemptible]
async fn in_an_async_fn() -> u32 {
    loop {
        if std::future::ready(true).await {
            break;
        }
    }
}

#[preemptible]
fn question_mark(texts: &[&str]) -> u32 {
    let mut sum = 0;
    for text in texts {
        sum += text.parse::<u32>()?;
    }
    sum
}

fn main() {}
