//! Three kinds of tasks together on one worker, and what becomes of each.
//!
//! * `cooperative`: an `async fn` with `#[preemptible]`. Yields when it is asked to, so it takes
//!   many polls.
//! * `plain`: ordinary code. Cannot be asked, so a signal sets its poll aside in the middle
//!   (detaches it); to the task it is one poll. Where the platform has no fibers it is handed off.
//! * `protected`: works inside `preempt::no_preempt`, where it is asked in vain. It is not set
//!   aside, and the others wait; if it takes longer than a time slice (10 ms), the worker's place is
//!   handed to another thread for them, and the section goes on undisturbed.
//!
//! Run it with
//!
//! ```text
//! cargo run --release --example mixed
//! ```
//!
//! Expect about half a second. The cooperative task has many polls, the others one each. The
//! protected section runs on one kernel thread from end to end, which it says; what was detached is
//! the rest, and there is at least one hand-off, which is the section's.

use preempt::preemptible;
use preempt::runtime::Handle;
use std::fs;
use std::future::{Future, poll_fn, ready};
use std::hint::black_box;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

/// Turns of a loop, for a tenth of a second or so.
const WORK: u64 = 200_000_000;

/// Turns of a loop that awaits, for about as long.
const AWAITS: u64 = WORK / 5;

#[preempt::main(worker_threads = 1)]
async fn main() {
    println!("Three tasks and a ticker on one worker:");
    println!();
    let ticker = preempt::spawn(tick());
    let cooperative = preempt::spawn(observed(cooperative()));
    let plain = preempt::spawn(observed(plain()));
    let protected = preempt::spawn(observed(protected()));
    let tasks = [("cooperative", cooperative), ("plain", plain), ("protected", protected)];
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

async fn plain() -> &'static str {
    for turn in 0..WORK {
        black_box(turn);
    }
    "was set aside in the middle, and did not notice"
}

/// Depends on the kernel thread that it runs on, as code does that uses `unshare` or a thread's
/// signal mask.
async fn protected() -> &'static str {
    let stayed = preempt::no_preempt(|| {
        let begin = kernel_thread();
        annotated(WORK);
        begin == kernel_thread()
    });
    if stayed { "stayed on its kernel thread" } else { "CHANGED its kernel thread" }
}

/// Its checkpoints do nothing in a `no_preempt` section.
#[preemptible]
fn annotated(turns: u64) {
    for turn in 0..turns {
        black_box(turn);
    }
}

/// Somebody has to wait, or nobody is asked to give way.
async fn tick() {
    let mut ticks = preempt::time::interval(Duration::from_millis(1));
    loop {
        ticks.tick().await;
    }
}

/// Runs a task and tells what it looked like from outside.
async fn observed(task: impl Future<Output = &'static str>) -> String {
    let started = Instant::now();
    let mut polls = 0;
    let mut task = pin!(task);
    let output = poll_fn(|cx| {
        polls += 1;
        task.as_mut().poll(cx)
    })
    .await;
    let (took, plural) = (started.elapsed().as_millis(), if polls == 1 { " " } else { "s" });
    format!("{took:>5} ms {polls:>5} poll{plural}  {output}")
}

/// Names the kernel thread that runs this code, on Linux.
fn kernel_thread() -> Option<PathBuf> {
    fs::read_link("/proc/thread-self").ok()
}

fn print_totals() {
    let metrics = Handle::current().metrics();
    println!();
    println!("The runtime counted");
    println!(" {:>5} yields on request", metrics.yields_on_request);
    println!(" {:>5} polls detached", metrics.detaches);
    println!(" {:>5} signals", metrics.signals);
    println!(" {:>5} hand-offs", metrics.hand_offs);
    println!(" {:>5} threads for tasks", metrics.machine_threads);
}
