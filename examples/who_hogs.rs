//! Finding the line that keeps everybody waiting.
//!
//! Three tasks misbehave, each in its own way, and one computes but gives way, beside one that ticks
//! each millisecond. None of them stops the ticker; but the runtime tells on standard error of those that do not give way by
//! themselves: which task, at which line, and what to do about it.
//!
//! ```sh
//! cargo run --release --example who_hogs
//! ```

use preempt::runtime::Builder;
use preempt::task;
use preempt::time::{Duration, Instant, sleep};
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::thread;

const TIME: Duration = Duration::from_millis(1500);

/// Computes, and looks at nothing else.
#[inline(never)]
fn resize(until: Instant) -> u64 {
    let mut pixels = 0_u64;
    while Instant::now() < until {
        for pixel in 0..10_000_u64 {
            pixels = black_box(pixels.wrapping_mul(31) ^ pixel); // the line to be found
        }
    }
    pixels
}

/// Computes as much, and gives way when it is asked: no report.
#[preempt::preemptible]
fn resize_politely(until: Instant) -> u64 {
    let mut pixels = 0_u64;
    while Instant::now() < until {
        for pixel in 0..10_000_u64 {
            pixels = black_box(pixels.wrapping_mul(31) ^ pixel);
        }
    }
    pixels
}

async fn sleeper() {
    thread::sleep(TIME);
}

async fn wants(lock: Arc<Mutex<u64>>) {
    *lock.lock().unwrap() += 1;
}

fn main() -> std::io::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).build()?;
    let lock = Arc::new(Mutex::new(0));
    let held = lock.clone();
    runtime.block_on(async {
        let ticker = preempt::spawn(async {
            loop {
                sleep(Duration::from_millis(1)).await;
            }
        });
        let until = Instant::now() + TIME;
        let mut tasks = Vec::new();
        let name = |name| task::Builder::new().name(name);
        tasks.push(name("polite").spawn(async move { _ = resize_politely(until) })?);
        tasks.push(name("resize").spawn(async move { _ = resize(until) })?);
        tasks.push(name("sleeper").spawn(sleeper())?);
        // Somebody else has the lock.
        let holder = thread::spawn(move || {
            let _held = held.lock().unwrap();
            thread::sleep(TIME);
        });
        thread::sleep(Duration::from_millis(10));
        tasks.push(name("wants the lock").spawn(wants(lock))?);
        for task in tasks {
            task.await?;
        }
        ticker.abort();
        holder.join().expect("it does not panic");
        Ok(())
    })
}
