use preempt::preemptible;

#[preemptible]
fn in_a_function() {
    for _ in 0..3 {}
    break;
}

#[preemptible]
fn in_a_closure() {
    for _ in 0..3 {
        let stop = || continue;
        stop();
    }
}

#[preemptible]
async fn in_an_async_block() {
    for _ in 0..3 {
        async { break }.await;
    }
}

fn main() {}
