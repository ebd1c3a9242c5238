#![deny(unused_must_use)]

use preempt::preemptible;
use std::future::ready;

#[preemptible]
pub async fn in_a_for() {
    for _ in 0..3 {
        ready(Err::<u32, u32>(3)).await;
    }
}

#[preemptible]
pub async fn in_a_loop() {
    loop {
        ready(Err::<u32, u32>(3)).await;
    }
}

fn main() {}
