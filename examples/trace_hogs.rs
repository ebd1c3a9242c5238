//! An execution trace of a few hogs, to look at.
//!
//! Two workers run a ticker, four hogs of different kinds, a task that blocks, and a chain of tasks that
//! wake each other. What the runtime did is written to two files that show the same: a Perfetto trace
//! and JSON in Chrome's format. Open one of them with <https://ui.perfetto.dev>.
//!
//! ```text
//! cargo run --release --example trace_hogs [-- DIRECTORY]
//! ```
//!
//! What to look for, on the tracks of the processors:
//!
//! * the polls of `hog, plain` end with "detached by a signal", and go on later, maybe elsewhere;
//! * those of `hog, annotated` end with "detached at a checkpoint", those of `hog, async` with "yields
//!   when asked";
//! * the processor of `blocks` is handed off in the middle of its poll, which goes on on its thread's
//!   track;
//! * arrows lead from whatever wakes a task to the poll that follows.

use preempt::runtime::{Builder, Handle};
use preempt::task::{self, JoinHandle, spawn_blocking};
use preempt::time::{Duration, interval, sleep};
use std::hint::black_box;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

const TICKS: u32 = 100;

/// Without checkpoints: only a signal stops it.
fn compute_plain(stop: &AtomicBool) -> u64 {
    let mut sum = 0_u64;
    while !stop.load(Relaxed) {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(1));
    }
    sum
}

#[preempt::preemptible]
fn compute_annotated(stop: &AtomicBool) -> u64 {
    let mut sum = 0_u64;
    while !stop.load(Relaxed) {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(1));
    }
    sum
}

#[preempt::preemptible]
async fn compute_async(stop: &AtomicBool) -> u64 {
    let mut sum = 0_u64;
    while !stop.load(Relaxed) {
        sum = black_box(sum.wrapping_add(step(sum).await));
    }
    sum
}

#[preempt::preemptible]
async fn step(sum: u64) -> u64 {
    (0..1_000).fold(sum, |sum, number| black_box(sum.wrapping_mul(31).wrapping_add(number)))
}

/// Each of the chain spawns the next and waits for it.
fn chain(length: u32) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if length > 0 {
            sleep(Duration::from_millis(5)).await;
            named("chain", chain(length - 1)).await.expect("no panic");
        }
    })
}

fn named<F>(name: &str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let task = task::Builder::new().name(name).spawn_on(future, &Handle::current());
    task.expect("spawning a future does not fail")
}

async fn work() {
    let stop = Arc::new(AtomicBool::new(false));
    let stops = || stop.clone();
    let (first, second, third, fourth) = (stops(), stops(), stops(), stops());
    let hogs = [
        named("hog, plain", async move { compute_plain(&first) }),
        named("hog, plain", async move { compute_plain(&second) }),
        named("hog, annotated", async move { compute_annotated(&third) }),
        named("hog, async", async move { compute_async(&fourth).await }),
    ];
    let ticker = named("ticker", async {
        let mut ticks = interval(Duration::from_millis(1));
        for _ in 0..TICKS {
            ticks.tick().await;
        }
    });
    let blocks = named("blocks", async { thread::sleep(Duration::from_millis(30)) });
    let chain = named("chain", chain(5));
    let closure = spawn_blocking(|| thread::sleep(Duration::from_millis(10)));
    for task in [ticker, blocks, chain, closure] {
        task.await.expect("no panic");
    }
    stop.store(true, Relaxed);
    for hog in hogs {
        hog.await.expect("no panic");
    }
}

fn main() -> io::Result<()> {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).trace(true).build()?;
    runtime.block_on(async { named("main", work()).await.expect("no panic") });
    let trace = runtime.handle().tracer().snapshot();
    println!("{} events, {} older ones were overwritten", trace.len(), trace.overwritten());
    for file in ["trace_hogs.pftrace", "trace_hogs.json"] {
        let path = directory.join(file);
        trace.write_to(&path)?;
        println!("{}", path.display());
    }
    println!("Open one of them with https://ui.perfetto.dev");
    Ok(())
}
