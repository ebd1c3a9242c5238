//! Three classes of tasks: who waits for whom, and who gets how much of the time.
//!
//! Hogs of the classes latency, normal and batch, plain loops that never give way, keep two workers
//! busy. Beside them runs a ticker of each class that is due every millisecond.
//!
//! * Once with normal and batch hogs only, as in a service that also computes: a latency ticker
//!   takes the processor of a hog when it is due.
//! * Once with hogs of all classes: the time is shared by weight, 16 : 4 : 1, with a floor of 5%.
//!
//! Run it with
//!
//! ```text
//! cargo run --release --example priorities
//! cargo run --release --example priorities -- --seconds 10
//! ```
//!
//! Expect about two seconds for each table. In the first the tickers are late in the order of their
//! classes, the one of the latency class by well under a millisecond at p50; the normal class has
//! about four fifths of the time. In the second the shares are near the weights, and the tickers of a
//! class wait when its hogs have used up its share: hogs belong into a lower class than whatever is
//! to be on time.

mod lateness;

use lateness::{Lateness, Ticks};
use preempt::runtime::{Builder, Runtime};
use preempt::task::{self, Priority};
use preempt::time::{Instant, sleep_until};
use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const CLASSES: [(Priority, &str); 3] =
    [(Priority::Latency, "latency"), (Priority::Normal, "normal"), (Priority::Batch, "batch")];

const WORKERS: usize = 2;

/// Of each class that has some.
const HOGS: usize = 3;

fn main() {
    let seconds = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => 2.0,
        [flag, value] if flag == "--seconds" => match value.parse() {
            Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => seconds,
            _ => fail(&format!("--seconds {value}: a number above 0, at most 3600")),
        },
        other => fail(&format!("unknown: {}; the only option is --seconds N", other.join(" "))),
    };
    let time = Duration::from_secs_f64(seconds);
    println!(
        "{WORKERS} workers, {HOGS} hogs of each class that has some, a 1 ms ticker of each class."
    );
    table("Hogs of the classes normal and batch", [0, 16, 4], time);
    table("Hogs of all classes", [76, 19, 5], time);
}

fn fail(message: &str) -> ! {
    eprintln!("priorities: {message}");
    std::process::exit(2);
}

/// Measures for a while and prints the table. `promised`: the shares of the classes that have hogs, as
/// parts of the whole.
fn table(title: &str, promised: [u32; 3], time: Duration) {
    let runtime =
        Builder::new_multi_thread().worker_threads(WORKERS).stall_report(false).build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let hogs = [0, 1, 2].map(|class| {
        let count = if promised[class] > 0 { HOGS } else { 0 };
        (0..count).map(|_| spawn_hog(&runtime, CLASSES[class].0, &stop)).collect::<Vec<_>>()
    });
    let tickers = CLASSES.map(|(class, _)| {
        let ticks = Ticks::start();
        let sleep = |due| sleep_until(Instant::from_std(due));
        let ticker = lateness::tick(ticks.clone(), sleep);
        drop(task::Builder::new().priority(class).spawn_on(ticker, runtime.handle()));
        ticks
    });
    thread::sleep(time);
    let late = tickers.map(|ticks| ticks.measure());
    let work = hogs.map(|hogs| hogs.iter().map(|hog| hog.load(Relaxed)).sum::<u64>());
    stop.store(true, Relaxed);
    println!();
    println!("{title}:");
    println!();
    println!("          | ticker: lateness in ms              | time of the hogs, in %");
    println!(" class    | {} |   had | promised", lateness::COLUMNS);
    println!("----------|-------------------------------------|------------------------");
    let all = (work.iter().sum::<u64>() as f64).max(1.0);
    let whole = f64::from(promised.iter().sum::<u32>());
    for class in 0..3 {
        let had = work[class] as f64 * 100.0 / all;
        print_row(CLASSES[class].1, &late[class], had, f64::from(promised[class]) * 100.0 / whole);
    }
    runtime.shutdown_timeout(Duration::from_secs(10));
}

fn print_row(class: &str, late: &Lateness, had: f64, promised: f64) {
    println!(" {class:<9}| {late} | {had:>5.1} | {promised:>8.1}");
}

/// Computes until it is told to stop, and counts how far it has come.
fn spawn_hog(runtime: &Runtime, class: Priority, stop: &Arc<AtomicBool>) -> Arc<AtomicU64> {
    let done = Arc::new(AtomicU64::new(0));
    let (count, stop) = (done.clone(), stop.clone());
    let hog = async move {
        while !stop.load(Relaxed) {
            (0..1_000_u64).for_each(|n| {
                black_box(n);
            });
            count.fetch_add(1, Relaxed);
        }
    };
    drop(task::Builder::new().priority(class).spawn_on(hog, runtime.handle()));
    done
}
