//! A program to look at from outside.
//!
//! On one worker three tasks compute without end, one ticks each millisecond, one waits for ever. It
//! says where its debug endpoint listens; look at it with a browser, with curl or with the command line
//! program of the crate `preempt-cli`.
//!
//! ```text
//! cargo run --release --example debug_endpoint [-- ADDR]     ADDR: 127.0.0.1:6060
//! cargo run --release -p preempt-cli -- top
//! ```
//!
//! Ctrl-c ends it.

use preempt::runtime::{Builder, DebugEndpoint};
use preempt::task;
use preempt::time::{Duration, interval};
use std::error::Error;
use std::hint::black_box;
use std::net::SocketAddr;

/// Without checkpoints: only a signal stops it.
#[inline(never)]
fn compute_plain() {
    loop {
        (0..1_000_000_u64).for_each(|number| _ = black_box(number));
    }
}

#[preempt::preemptible]
fn compute_annotated() {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

async fn tick() {
    let mut ticks = interval(Duration::from_millis(1));
    loop {
        ticks.tick().await;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6060".to_owned());
    let addr: SocketAddr = addr.parse()?;
    let mut builder = Builder::new_multi_thread();
    // The hogs are what the example is about, and need not be reported.
    builder.worker_threads(1).stall_report(false);
    let runtime = builder.debug_endpoint(DebugEndpoint::new(addr)).build()?;
    let _entered = runtime.enter();
    task::Builder::new().name("plain hog").spawn(async { compute_plain() })?;
    task::Builder::new().name("another plain hog").spawn(async { compute_plain() })?;
    task::Builder::new().name("annotated hog").spawn(async { compute_annotated() })?;
    task::Builder::new().name("ticker").spawn(tick())?;
    task::Builder::new().name("waits for ever").spawn(std::future::pending::<()>())?;
    println!("listening on {}", runtime.debug_addr().ok_or("no endpoint")?);
    runtime.block_on(std::future::pending::<()>());
    Ok(())
}
