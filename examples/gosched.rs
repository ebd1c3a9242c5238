//! Giving way by hand: what `runtime.Gosched()` is in Go.
//!
//! A kernel that computes for a while shares one worker with a ticker that is due every
//! millisecond. It is written three times:
//!
//! * it never gives way, so the runtime has to find out, and stops it by a signal;
//! * sync code that calls `preempt::checkpoint()` now and then: a test of a flag, which does
//!   something only when the runtime has asked for it. This is what `#[preemptible]` writes;
//! * async code that awaits `task::yield_now()` now and then: always queues behind whatever is
//!   ready. This is `Gosched`.
//!
//! Run it with
//!
//! ```text
//! cargo run --release --example gosched
//! ```
//!
//! Expect three rows in about half a second, and a ticker that is late by well under a
//! millisecond at p50 beside all three. The difference is in what it takes: signals beside the first kernel,
//! none beside the second; the third gives way also when nobody waits. Code in libc and in
//! `no_preempt` sections cannot be stopped by a signal; it can give way by hand.

mod lateness;

use lateness::{Lateness, Ticks};
use preempt::runtime::{Handle, RuntimeMetrics};
use preempt::task::yield_now;
use preempt::time::{Instant, sleep_until};
use std::future::Future;
use std::ops::Range;
use std::time::Duration;

/// The kernel counts the primes below this.
const LIMIT: u64 = 1_000_000;

/// How many numbers are tested between two opportunities to give way: some microseconds.
const STRIDE: u64 = 100;

#[preempt::main(worker_threads = 1)]
async fn main() {
    println!("One worker; a kernel counts the primes below {LIMIT} beside a 1 ms ticker.");
    println!();
    println!("                  |         | ticker: lateness in ms              |");
    println!(" kernel           | took ms | {} | what happened", lateness::COLUMNS);
    println!(
        "------------------|---------|-------------------------------------|--------------------------"
    );
    row("never gives way", async { (count_primes(0..LIMIT), 0) }).await;
    row("checkpoint()", async { (count_with_checkpoints(), 0) }).await;
    row("yield_now().await", count_with_yields()).await;
}

fn is_prime(n: u64) -> bool {
    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

fn count_primes(range: Range<u64>) -> usize {
    range.filter(|&n| is_prime(n)).count()
}

/// The ranges that are counted in one go.
fn strides() -> impl Iterator<Item = Range<u64>> {
    (0..LIMIT / STRIDE).map(|index| index * STRIDE..(index + 1) * STRIDE)
}

fn count_with_checkpoints() -> usize {
    let mut primes = 0;
    for range in strides() {
        primes += count_primes(range);
        preempt::checkpoint();
    }
    primes
}

/// Returns the primes, and how many times it yielded.
async fn count_with_yields() -> (usize, u32) {
    let (mut primes, mut yields) = (0, 0);
    for range in strides() {
        primes += count_primes(range);
        yield_now().await;
        yields += 1;
    }
    (primes, yields)
}

/// Runs a kernel beside a ticker and prints what came of it.
async fn row(name: &str, kernel: impl Future<Output = (usize, u32)> + Send + 'static) {
    let before = Handle::current().metrics();
    let started = Instant::now();
    let ticks = Ticks::start();
    let sleep = |due| sleep_until(Instant::from_std(due));
    let ticker = preempt::spawn(lateness::tick(ticks.clone(), sleep));
    let (primes, yields) = preempt::spawn(kernel).await.expect("the kernel panicked");
    let (took, lateness) = (started.elapsed(), ticks.measure());
    ticker.abort();
    assert_eq!(primes, 78_498, "the number of primes below a million");
    print_row(name, took, &lateness, &what_happened(yields, &before));
}

fn what_happened(yields: u32, before: &RuntimeMetrics) -> String {
    let now = Handle::current().metrics();
    let all = [
        (u64::from(yields), "yields"),
        (now.detaches - before.detaches, "times detached"),
        (now.signals - before.signals, "signals"),
        (now.hand_offs - before.hand_offs, "hand-offs"),
    ];
    let some = all.iter().filter(|(count, _)| *count > 0);
    some.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

fn print_row(name: &str, took: Duration, lateness: &Lateness, happened: &str) {
    println!(" {name:<17}| {:>7} | {lateness} | {happened}", took.as_millis());
}
