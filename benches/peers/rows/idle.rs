//! Tasks and workers that wait.

use crate::child::{self, Job};
use crate::peers::Peer;
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

/// How much larger the process gets for each task that does nothing but wait; in a process of its own,
/// as this one has had many tasks before.
pub(crate) struct Memory;

impl Work for Memory {
    const NAME: &'static str = "memory of an idle task";
    const UNITS: &'static [&'static str] = &["bytes"];
    const TURNS: usize = 3;

    fn turn<P: Peer>(_peer: &P) -> Vec<f64> {
        child::run::<P>(Job::Memory)
    }
}
