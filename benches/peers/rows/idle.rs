//! Tasks and workers that wait.

use crate::peers::{Peer, idle};
use crate::turns::Work;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long it takes until a task runs that a thread outside has woken, when everything sleeps.
pub(crate) struct WakeUp;

impl Work for WakeUp {
    const NAME: &'static str = "wake-up of an idle runtime";
    const UNITS: &'static [&'static str] = &["us, p50", "us, p99"];
    const TURNS: usize = 15;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: usize = 200;
        const PAUSE: Duration = Duration::from_micros(300);
        let (sender, mut receiver) = mpsc::unbounded_channel::<Instant>();
        let task = peer.spawn_from_outside(async move {
            let mut latencies = Vec::with_capacity(COUNT);
            while let Some(sent) = receiver.recv().await {
                latencies.push(sent.elapsed().as_secs_f64() * 1e6);
            }
            latencies
        });
        for _ in 0..COUNT {
            thread::sleep(PAUSE);
            sender.send(Instant::now()).expect("somebody receives");
        }
        drop(sender);
        let mut latencies = peer.block_on(task);
        latencies.sort_by(f64::total_cmp);
        vec![latencies[COUNT / 2], latencies[COUNT * 99 / 100]]
    }
}

/// What the allocator has given out for each task that does nothing but wait.
pub(crate) struct Memory;

impl Work for Memory {
    const NAME: &'static str = "memory of an idle task";
    const UNITS: &'static [&'static str] = &["bytes"];
    const TURNS: usize = 5;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const COUNT: usize = 50_000;
        let mut tasks = Vec::with_capacity(COUNT);
        let before = allocated();
        tasks.extend((0..COUNT).map(|_| peer.spawn_from_outside(idle())));
        // Each has been polled when a task behind them is.
        peer.run(async {});
        let bytes = (allocated() - before) as f64 / COUNT as f64;
        tasks.into_iter().for_each(P::abort);
        peer.run(async {});
        vec![bytes]
    }
}

/// Bytes in use, in all of the allocator's arenas.
fn allocated() -> i64 {
    // SAFETY: it has no obligations.
    let numbers = unsafe { libc::mallinfo2() };
    (numbers.uordblks + numbers.hblkhd) as i64
}
