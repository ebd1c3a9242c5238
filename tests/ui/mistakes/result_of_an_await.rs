//! What is wrong with the value of an `.await` in a loop is said at that `.await`.

use preempt::preemptible;
use std::future::ready;

#[preemptible]
pub async fn another_type() {
    for _ in 0..3 {
        let _: String = ready(3u32).await;
    }
}

#[preemptible]
pub async fn not_convertible() -> Result<(), std::fmt::Error> {
    loop {
        ready("3".parse::<u32>()).await?;
    }
}

#[preemptible]
pub async fn not_a_bool() {
    while ready(3).await {}
}

#[preemptible]
pub async fn broken_off_with() -> u32 {
    loop {
        break ready("3").await;
    }
}

fn main() {}
