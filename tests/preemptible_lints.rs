//! Generated code is clean under lints that the user turns on: `cargo clippy` on this file is the
//! test. The functions are what users write, in the styles that these lints allow.

#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(
    clippy::absolute_paths,
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::items_after_statements,
    clippy::panic,
    clippy::semicolon_outside_block,
    clippy::shadow_unrelated,
    clippy::unwrap_used,
    missing_docs,
    unreachable_code,
    unused_qualifications
)]
#![forbid(unsafe_code)]

use futures::executor::block_on;
use preempt::preemptible;
use std::future::ready;

#[preemptible]
fn sums(values: &[u64]) -> u64 {
    const fn double(n: u64) -> u64 {
        n * 2
    }
    let mut sum = 0;
    for value in values {
        sum += double(*value);
    }
    while sum > 100 {
        sum /= 2;
    }
    loop {
        sum += 1;
        if sum.is_multiple_of(3) {
            break sum;
        }
    }
}

#[preemptible]
async fn asynchronous(values: &[u64]) -> u64 {
    let mut sum = 0;
    for value in values {
        sum += ready(*value).await;
    }
    sum
}

#[preempt_macros::main(flavor = "current_thread", crate = stand_in)]
async fn on_a_runtime() -> u64 {
    ready(2).await
}

#[path = "entry_point/stand_in.rs"]
#[expect(clippy::pedantic, clippy::nursery, reason = "not the test")]
mod stand_in;

#[test]
fn lint_clean_code_runs() {
    assert_eq!(sums(&[1, 2]), 9);
    assert_eq!(block_on(asynchronous(&[1, 2])), 3);
    assert_eq!(on_a_runtime(), 2);
}
