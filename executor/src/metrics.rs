//! What a runtime counts.

use crate::scheduler::Scheduler;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Events since the runtime was built.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) yields_on_request: AtomicU64,
    pub(crate) hand_offs: AtomicU64,
    pub(crate) hand_offs_at_checkpoint: AtomicU64,
    pub(crate) hand_offs_by_monitor: AtomicU64,
}

/// A snapshot of what a runtime does and has done.
///
/// The numbers are read one after the other while the runtime works, so they need not add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeMetrics {
    /// Processors: how many tasks can run at the same time.
    pub processors: usize,
    /// Threads that run tasks or are ready to: the processors' machines, those that go on with a
    /// poll whose processor was handed off, and spare ones.
    pub machine_threads: usize,
    /// Threads that run blocking work or are ready to.
    pub blocking_threads: usize,
    /// Tasks that were spawned and are not complete.
    pub live_tasks: usize,
    /// Tasks that wait in a queue.
    pub queued_tasks: usize,
    /// Requests to a poll to give way.
    pub requests: u64,
    /// Rung 1: tasks that yielded when they were asked to.
    pub yields_on_request: u64,
    /// Rung 3: processors that were taken from a poll and given to another thread, for whatever
    /// reason. Includes the next two, and `block_in_place`.
    pub hand_offs: u64,
    /// Hand-offs at a checkpoint in synchronous code.
    pub hand_offs_at_checkpoint: u64,
    /// Hand-offs by the monitor, from a poll that reached no checkpoint.
    pub hand_offs_by_monitor: u64,
}

impl RuntimeMetrics {
    pub(crate) fn of(scheduler: &Scheduler) -> Self {
        let counters = &scheduler.counters;
        RuntimeMetrics {
            processors: scheduler.processors.len(),
            machine_threads: scheduler.machines.alive(),
            blocking_threads: scheduler.blocking.threads(),
            live_tasks: scheduler.registry.len(),
            queued_tasks: scheduler.queued(),
            requests: counters.requests.load(Relaxed),
            yields_on_request: counters.yields_on_request.load(Relaxed),
            hand_offs: counters.hand_offs.load(Relaxed),
            hand_offs_at_checkpoint: counters.hand_offs_at_checkpoint.load(Relaxed),
            hand_offs_by_monitor: counters.hand_offs_by_monitor.load(Relaxed),
        }
    }
}
