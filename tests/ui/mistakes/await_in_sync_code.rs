use preempt::preemptible;
use std::future::ready;

#[preemptible]
fn in_each_place() {
    for x in ready(0..3).await {
        ready(x).await;
    }
    while ready(true).await {}
}

#[preemptible]
async fn in_a_closure() {
    for _ in 0..3 {
        let wait = || ready(1).await;
        wait();
    }
}

fn main() {}
