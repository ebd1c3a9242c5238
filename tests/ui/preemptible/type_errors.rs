//! Errors of the user's own point at the user's tokens.

use preempt::preemptible;

#[preemptible]
fn not_an_iterator() {
    for x in 5u32 {
        drop(x);
    }
}

#[preemptible]
fn refutable() {
    for Some(x) in [Some(1), None] {
        let _: i32 = x;
    }
}

#[preemptible]
fn wrong_value() -> u32 {
    loop {
        break "text";
    }
}

#[preemptible]
async fn not_a_future() {
    loop {
        5u32.await;
    }
}

#[preemptible]
fn moved_in_a_loop(text: String) {
    while true {
        drop(text);
    }
}

#[preemptible]
fn await_in_sync_code() {
    for _ in 0..3 {
        std::future::ready(1).await;
    }
}

fn main() {}
