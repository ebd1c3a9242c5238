//! Three kinds of tasks together on one worker, and what becomes of each.
//!
//! * `cooperative`: an `async fn` with `#[preemptible]`. Yields when it is asked to, so it takes
//!   many polls, on whatever thread has the worker's place at the time.
//! * `handed off`: ordinary code. Keeps computing when it is asked, so the monitor gives the
//!   worker's place to another thread. One poll, on one thread.
//! * `protected`: the annotated code begins inside `preempt::no_preempt`, where it is asked in
//!   vain. The request is honoured when the section ends: the hand-off happens there.
//!
//! Run it with
//!
//! ```text
//! cargo run --release --example mixed
//! ```
//!
//! Expect about a quarter of a second. The cooperative task has many polls, the others one each.
//! There is no hand-off while the protected section lasts and one as it ends, and one by the
//! monitor for the task that was handed off. On a loaded machine the monitor may hand off more: it
//! goes by the wall clock, and a thread that the system does not let run looks like a long poll.
//! Then the protected section may lose its place as well; it is not suspended even so.

use preempt::preemptible;
use preempt::runtime::Handle;
use std::collections::HashSet;
use std::fmt::Display;
use std::future::{Future, poll_fn, ready};
use std::hint::black_box;
use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

/// Turns of a loop, for a tenth of a second or so.
const WORK: u64 = 200_000_000;

/// Turns of a loop that awaits, for about as long.
const AWAITS: u64 = WORK / 5;

/// Turns of a loop, for a millisecond or two: longer than the 100 us after which a task that waits
/// has others asked to give way, shorter than a time slice.
const SHORT_WORK: u64 = 3_000_000;

#[preempt::main(worker_threads = 1)]
async fn main() {
    println!("Three tasks and a ticker on one worker:");
    println!();
    let ticker = preempt::spawn(tick());
    let cooperative = preempt::spawn(observed(cooperative()));
    let handed_off = preempt::spawn(observed(handed_off()));
    let protected = preempt::spawn(observed(async { protected() }));
    let tasks =
        [("cooperative", cooperative), ("handed off", handed_off), ("protected", protected)];
    for (name, task) in tasks {
        println!(" {name:<12} {}", task.await.expect("the task panicked"));
    }
    ticker.abort();
    print_totals();
}

#[preemptible]
async fn cooperative() -> &'static str {
    for turn in 0..AWAITS {
        black_box(ready(turn).await);
    }
    "yielded whenever it was asked to"
}

async fn handed_off() -> &'static str {
    for turn in 0..WORK {
        black_box(turn);
    }
    "was never asked in a way that it could notice"
}

#[preemptible]
fn annotated(turns: u64) {
    for turn in 0..turns {
        black_box(turn);
    }
}

/// Returns how many hand-offs at a checkpoint there were in the section, and at its end.
fn protected() -> String {
    let hand_offs = || Handle::current().metrics().hand_offs_at_checkpoint;
    let before = hand_offs();
    let at_end_of_section = preempt::no_preempt(|| {
        annotated(SHORT_WORK);
        hand_offs()
    });
    let after = hand_offs();
    annotated(WORK);
    format!(
        "hand-offs at a checkpoint: {} in the section, {} as it ended",
        at_end_of_section - before,
        after - at_end_of_section
    )
}

/// Somebody has to wait, or nobody is asked to give way.
async fn tick() {
    let mut ticks = preempt::time::interval(Duration::from_millis(1));
    loop {
        ticks.tick().await;
    }
}

/// Runs a task and tells what it looked like from outside.
async fn observed<T: Display>(task: impl Future<Output = T>) -> String {
    let started = Instant::now();
    let (mut polls, mut threads) = (0, HashSet::new());
    let mut task = pin!(task);
    let output = poll_fn(|cx| {
        polls += 1;
        threads.insert(thread::current().id());
        task.as_mut().poll(cx)
    })
    .await;
    let (took, threads) = (started.elapsed().as_millis(), threads.len());
    format!("{took:>4} ms {polls:>5} polls {threads:>3} threads  {output}")
}

fn print_totals() {
    let metrics = Handle::current().metrics();
    println!();
    println!("The runtime counted");
    println!(" {:>5} yields on request", metrics.yields_on_request);
    println!(" {:>5} hand-offs at a checkpoint", metrics.hand_offs_at_checkpoint);
    println!(" {:>5} hand-offs by the monitor", metrics.hand_offs_by_monitor);
    println!(" {:>5} threads for tasks", metrics.machine_threads);
}
