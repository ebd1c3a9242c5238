//! The same tasks on tokio and on preempt, side by side.
//!
//! Each runtime has one worker, which a ticker (due every millisecond) shares with hogs: loops
//! without a call and without an await. The code of the ticker and of the hogs is the same for
//! both; nothing is annotated.
//!
//! Run it with
//!
//! ```text
//! cargo run --release --example vs_tokio
//! ```
//!
//! Expect three rows within about seven seconds. Without hogs both tick. With one or more, tokio's
//! ticker does not tick until the hogs are stopped from outside; preempt's goes on. The exit status
//! is 1 if it does not.
//!
//! This is no flaw of tokio's: it is a cooperative runtime and documents that a task must not run
//! for long without an await. The remedy there is `spawn_blocking`, for each such piece of code.

mod lateness;

use lateness::{Lateness, Ticks};
use std::hint::black_box;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How long each runtime is measured.
const CASE: Duration = Duration::from_secs(1);

/// No call, no await, and no end until another thread says so.
async fn hog(stop: Arc<AtomicBool>) {
    let mut turns = 0_u64;
    while !stop.load(Relaxed) {
        turns = turns.wrapping_add(1);
    }
    black_box(turns);
}

fn main() -> io::Result<ExitCode> {
    println!(
        "A ticker that is due every millisecond, on one worker, beside hogs that never await."
    );
    println!();
    println!("      | tokio: lateness in ms               | preempt: lateness in ms");
    println!(" hogs | {} | {}", lateness::COLUMNS, lateness::COLUMNS);
    println!("------|-------------------------------------|------------------------------------");
    let mut advanced = true;
    for hogs in [0, 1, 2] {
        let (tokio, preempt) = (on_tokio(hogs)?, on_preempt(hogs)?);
        println!(" {hogs:>4} | {tokio} | {preempt}");
        advanced &= preempt.advanced();
    }
    println!();
    println!("ticks: how many came / how many were due. A tick that did not come counts as late");
    println!("from when it was due until the hogs were stopped, after {} s.", CASE.as_secs());
    Ok(if advanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn on_tokio(hogs: usize) -> io::Result<Lateness> {
    use tokio::runtime::Builder;
    use tokio::time::{Instant, sleep_until};

    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let (ticks, stop) = (Ticks::start(), Arc::new(AtomicBool::new(false)));
    let sleep = |due| sleep_until(Instant::from_std(due));
    let ticker = runtime.spawn(lateness::tick(ticks.clone(), sleep));
    for _ in 0..hogs {
        runtime.spawn(hog(stop.clone()));
    }
    let lateness = measure(&ticks, &stop);
    ticker.abort();
    runtime.block_on(ticker).expect_err("the ticker never ends by itself");
    Ok(lateness)
}

fn on_preempt(hogs: usize) -> io::Result<Lateness> {
    use preempt::runtime::Builder;
    use preempt::time::{Instant, sleep_until};

    let runtime = Builder::new_multi_thread().worker_threads(1).build()?;
    let (ticks, stop) = (Ticks::start(), Arc::new(AtomicBool::new(false)));
    let sleep = |due| sleep_until(Instant::from_std(due));
    let ticker = runtime.spawn(lateness::tick(ticks.clone(), sleep));
    for _ in 0..hogs {
        runtime.spawn(hog(stop.clone()));
    }
    let lateness = measure(&ticks, &stop);
    ticker.abort();
    runtime.block_on(ticker).expect_err("the ticker never ends by itself");
    Ok(lateness)
}

/// Runs on the main thread, which no task runs on, so that it can end what the runtime cannot.
fn measure(ticks: &Ticks, stop: &AtomicBool) -> Lateness {
    thread::sleep(CASE);
    let lateness = ticks.measure();
    stop.store(true, Relaxed);
    lateness
}
