//! How long it takes to stop the world beside tight loops.
//!
//! Before Go 1.14 a loop without a function call could not be stopped, and a garbage collection that wanted
//! all goroutines to stand still for some microseconds waited until the loop was over: the loop froze the
//! whole program. Here each stop asks, then interrupts, and measures.
//!
//! ```text
//! cargo run --release --example stop_the_world -- --seconds 2
//! ```
//!
//! Two workers, beside 0, 1, 2 and 8 hogs: plain loops, which only a signal stops, and annotated ones, which
//! reach a checkpoint. The world is stopped each millisecond, from a thread that is no worker, for so many
//! seconds per row (2, if not told otherwise). Each stop looks at what the hogs count; it must not move.
//!
//! Expect seven rows. Where the machine has no core to spare for the thread that stops, and for the workers,
//! the times are those of the system's scheduler: a hog has to get a core before it can be stopped.

use preempt::runtime::{Builder, Handle, StopTheWorldError};
use std::hint::{black_box, spin_loop};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const WORKERS: usize = 2;
/// Between two stops.
const PAUSE: Duration = Duration::from_millis(1);
/// How long the world stands still while its counters are watched.
const LOOK: Duration = Duration::from_micros(20);
/// Longer than any stop should take: one that does is an error.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loop {
    Plain,
    Annotated,
}

/// What the hogs of a row share.
#[derive(Clone, Default)]
struct Shared {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
}

/// Neither an await nor a call that is not inlined: what used to freeze the program.
#[inline(never)]
fn plain(shared: &Shared) {
    while !shared.stop.load(Relaxed) {
        shared.count.fetch_add(black_box(1), Relaxed);
    }
}

#[inline(never)]
#[preempt::preemptible]
fn annotated(shared: &Shared) {
    while !shared.stop.load(Relaxed) {
        shared.count.fetch_add(black_box(1), Relaxed);
    }
}

fn main() -> ExitCode {
    let seconds = match seconds() {
        Ok(seconds) => seconds,
        Err(complaint) => {
            eprintln!("{complaint}");
            return ExitCode::FAILURE;
        }
    };
    println!("{WORKERS} workers; the world is stopped each millisecond for {seconds} s per row.");
    println!();
    println!(" hogs              | stops | us to stop: p50 |     p99 |     max | signals");
    println!("-------------------|-------|-----------------|---------|---------|--------");
    let duration = Duration::from_secs_f64(seconds);
    for hogs in [0, 1, 2, 8] {
        for kind in [Loop::Plain, Loop::Annotated] {
            if hogs == 0 && kind == Loop::Annotated {
                continue;
            }
            if let Err(error) = row(hogs, kind, duration) {
                eprintln!("beside {hogs} hogs ({kind:?}): {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn seconds() -> Result<f64, String> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let usage = "usage: stop_the_world [--seconds N], N more than 0";
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(2.0),
        ["--seconds", value] => match value.parse() {
            Ok(seconds) if seconds > 0.0 && seconds < 1e6 => Ok(seconds),
            _ => Err(format!("--seconds {value}: not a number of seconds; {usage}")),
        },
        [other, ..] => Err(format!("{other}: unknown, or without its value; {usage}")),
    }
}

/// Measures beside so many hogs and prints it.
fn row(hogs: usize, kind: Loop, duration: Duration) -> Result<(), StopTheWorldError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .build()
        .expect("the system has two threads left");
    let shared = Shared::default();
    let tasks: Vec<_> = (0..hogs)
        .map(|_| {
            let shared = shared.clone();
            runtime.spawn(async move {
                match kind {
                    Loop::Plain => plain(&shared),
                    Loop::Annotated => annotated(&shared),
                }
            })
        })
        .collect();
    while hogs > 0 && shared.count.load(Relaxed) == 0 {
        thread::yield_now();
    }
    let times = measure(runtime.handle(), &shared.count, duration);
    shared.stop.store(true, Relaxed);
    for task in tasks {
        runtime.block_on(task).expect("a hog ends in peace");
    }
    print_row(hogs, kind, times?, runtime.metrics().signals);
    Ok(())
}

/// The times until all stood still, in ascending order.
fn measure(
    world: &Handle,
    count: &AtomicU64,
    duration: Duration,
) -> Result<Vec<Duration>, StopTheWorldError> {
    let mut times = Vec::new();
    let until = Instant::now() + duration;
    while times.is_empty() || Instant::now() < until {
        let took = world.stop_the_world_within(LIMIT, |world| {
            let before = count.load(Relaxed);
            let end = Instant::now() + LOOK;
            while Instant::now() < end {
                spin_loop();
            }
            assert_eq!(count.load(Relaxed), before, "a hog has run while the world was stopped");
            world.stopped_in()
        })?;
        times.push(took);
        thread::sleep(PAUSE);
    }
    times.sort_unstable();
    Ok(times)
}

fn print_row(hogs: usize, kind: Loop, times: Vec<Duration>, signals: u64) {
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    let name = match (hogs, kind) {
        (0, _) => "none".to_owned(),
        (_, Loop::Plain) => format!("{hogs} plain"),
        (_, Loop::Annotated) => format!("{hogs} annotated"),
    };
    println!(
        " {name:<17} | {:>5} | {:>15.1} | {:>7.1} | {:>7.1} | {signals:>7}",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
