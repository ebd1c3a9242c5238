//! The problem that preempt solves: tasks that never await, on a single worker.
//!
//! Hogs, which are endless loops without a call and without an await, share one worker with a
//! ticker that is due every millisecond. On a cooperative runtime the ticker would never run again
//! (see the example `vs_tokio`). Here it goes on in every case:
//!
//! * `plain`: ordinary code. It cannot be asked, so the monitor sends a signal, and the poll is set
//!   aside (*detached*) in the middle; it goes on when its turn comes. Where the platform has no
//!   fibers, and at instructions where a poll must not be left, the worker's place goes to another
//!   thread instead.
//! * `sync fn`: a function with `#[preemptible]`. It finds the request in the next turn of its
//!   loop, and is detached there, without a signal.
//! * `async fn`: an `async fn` with `#[preemptible]` whose loop awaits what is always ready. It
//!   yields when it is asked to. (A loop of an `async fn` that has no `.await` is sync code.)
//!
//! Run it with
//!
//! ```text
//! cargo run --release --example tight_loop
//! ```
//!
//! or, with another number of workers than one, with `-- 2` behind it.
//!
//! Expect ten rows within about eleven seconds. In each the ticker has come (nearly) as often as
//! it was due, and at p50 it is late by less than a tenth of a time slice (10 ms). What else the
//! machine does shows at p99, also in the row without hogs. The exit status is 1 if the
//! ticker did not advance in some case.

mod lateness;

use lateness::{Lateness, Ticks};
use preempt::preemptible;
use preempt::runtime::{Builder, Handle, Runtime, RuntimeMetrics};
use preempt::task::JoinHandle;
use preempt::time::{Instant, sleep_until};
use std::future::ready;
use std::hint::black_box;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How long each case is measured.
const CASE: Duration = Duration::from_secs(1);

/// No call, no await, and no end until another thread says so.
fn plain(stop: &AtomicBool) {
    let mut turns = 0_u64;
    while !stop.load(Relaxed) {
        turns = turns.wrapping_add(1);
    }
    black_box(turns);
}

/// The same loop. The attribute adds a checkpoint to each turn.
#[preemptible]
fn annotated(stop: &AtomicBool) {
    let mut turns = 0_u64;
    while !stop.load(Relaxed) {
        turns = turns.wrapping_add(1);
    }
    black_box(turns);
}

/// An await of what is always ready never gives way by itself. With the attribute it does when it
/// is asked to.
#[preemptible]
async fn annotated_async(stop: &AtomicBool) {
    let mut turns = 0_u64;
    while !stop.load(Relaxed) {
        turns = ready(turns.wrapping_add(1)).await;
    }
    black_box(turns);
}

/// How the hogs are written.
#[derive(Clone, Copy)]
enum Code {
    Plain,
    SyncFn,
    AsyncFn,
}

impl Code {
    const ALL: [Code; 3] = [Code::Plain, Code::SyncFn, Code::AsyncFn];

    fn name(self) -> &'static str {
        match self {
            Code::Plain => "plain",
            Code::SyncFn => "sync fn",
            Code::AsyncFn => "async fn",
        }
    }

    fn spawn_hog(self, runtime: &Handle, stop: Arc<AtomicBool>) {
        match self {
            Code::Plain => runtime.spawn(async move { plain(&stop) }),
            Code::SyncFn => runtime.spawn(async move { annotated(&stop) }),
            Code::AsyncFn => runtime.spawn(async move { annotated_async(&stop).await }),
        };
    }
}

fn main() -> io::Result<ExitCode> {
    let workers =
        workers().map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
    print_heading(workers);
    let mut all_advanced = true;
    for (code, hogs) in cases() {
        let (lateness, metrics) = measure(workers, code, hogs)?;
        print_row(code, hogs, &lateness, &metrics);
        all_advanced &= lateness.advanced();
    }
    print_legend();
    if all_advanced {
        println!("The ticker advanced in every case.");
        return Ok(ExitCode::SUCCESS);
    }
    println!("The ticker did NOT advance in some case.");
    Ok(ExitCode::FAILURE)
}

/// The only argument.
fn workers() -> Result<usize, String> {
    match std::env::args().nth(1) {
        None => Ok(1),
        Some(text) => match text.parse() {
            Ok(workers @ 1..=64) => Ok(workers),
            _ => Err(format!("the number of workers must be 1 to 64, not {text:?}")),
        },
    }
}

/// Without hogs it makes no difference how they are written.
fn cases() -> impl Iterator<Item = (Code, usize)> {
    let with_hogs = Code::ALL.into_iter().flat_map(|code| [1, 2, 8].map(|hogs| (code, hogs)));
    std::iter::once((Code::Plain, 0)).chain(with_hogs)
}

/// Runs one case on a runtime of its own and watches it from this thread, which is none of its
/// workers.
fn measure(workers: usize, code: Code, hogs: usize) -> io::Result<(Lateness, RuntimeMetrics)> {
    let runtime = Builder::new_multi_thread().worker_threads(workers).build()?;
    let (ticks, stop) = (Ticks::start(), Arc::new(AtomicBool::new(false)));
    let sleep = |due| sleep_until(Instant::from_std(due));
    let ticker = runtime.spawn(lateness::tick(ticks.clone(), sleep));
    for _ in 0..hogs {
        code.spawn_hog(runtime.handle(), stop.clone());
    }
    thread::sleep(CASE);
    let measured = (ticks.measure(), runtime.metrics());
    stop.store(true, Relaxed);
    shut_down(runtime, ticker);
    Ok(measured)
}

/// The hogs see the flag and end; the next case is not to share the machine with them.
fn shut_down(runtime: Runtime, ticker: JoinHandle<()>) {
    ticker.abort();
    let ended = runtime.block_on(ticker);
    assert!(ended.is_err_and(|error| error.is_cancelled()), "the ticker never ends by itself");
    runtime.shutdown_timeout(Duration::from_secs(5));
}

fn print_heading(workers: usize) {
    println!(
        "Workers: {workers}. A ticker that is due every millisecond, and hogs that never wait."
    );
    println!("Each case runs for {} s on a runtime of its own.", CASE.as_secs());
    println!();
    println!("                | ticker: lateness in ms              | hogs");
    println!(
        " hogs  code     | {} | yields detached signals hand-offs | threads",
        lateness::COLUMNS
    );
    println!(
        "----------------|-------------------------------------|-----------------------------------|--------"
    );
}

fn print_row(code: Code, hogs: usize, lateness: &Lateness, metrics: &RuntimeMetrics) {
    let name = if hogs == 0 { "-" } else { code.name() };
    println!(
        " {hogs:>4}  {name:<8} | {lateness} | {yields:>6} {detached:>8} {signals:>7} {hand_offs:>9} | {threads:>7}",
        yields = metrics.yields_on_request,
        detached = metrics.detaches,
        signals = metrics.signals,
        hand_offs = metrics.hand_offs,
        threads = metrics.machine_threads,
    );
}

fn print_legend() {
    println!();
    println!("code       plain: no attribute; sync fn, async fn: with #[preemptible]");
    println!("ticks      how many came / how many were due");
    println!("yields     a hog was asked to give way, and yielded at an await");
    println!(
        "detached   a hog was set aside in the middle of a poll: at a checkpoint, or by a signal"
    );
    println!("signals    sent to hogs that reached no checkpoint");
    println!(
        "hand-offs  the worker's place went to another thread; the hog went on alone on its own"
    );
    println!("threads    for tasks, at the end");
    println!();
}
