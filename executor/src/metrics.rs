//! What a runtime counts.

use crate::preempt::{self, REFUSALS, Refusal};
use crate::scheduler::Scheduler;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Events since the runtime was built.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) yields_on_request: AtomicU64,
    pub(crate) signals: AtomicU64,
    /// By the order of `REFUSALS`.
    refusals: [AtomicU64; REFUSALS.len()],
    pub(crate) detaches: AtomicU64,
    pub(crate) migrations: AtomicU64,
    pub(crate) hand_offs: AtomicU64,
    pub(crate) hand_offs_at_checkpoint: AtomicU64,
    pub(crate) hand_offs_by_monitor: AtomicU64,
}

impl Counters {
    /// Counts a signal that found no async-safe point. Signal-safe.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refusals[refusal as usize].fetch_add(1, Relaxed);
    }

    fn refusals(&self, refusal: Refusal) -> u64 {
        self.refusals[refusal as usize].load(Relaxed)
    }
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
    /// Rung 2: polls that were suspended in the middle, at a checkpoint in synchronous code or by a
    /// signal.
    pub detaches: u64,
    /// Polls that were suspended on one thread and resumed on another.
    pub migrations: u64,
    /// Polls that are suspended now.
    pub detached_polls: usize,
    /// Signals sent to polls that reached no checkpoint.
    pub signals: u64,
    /// Signals that found no async-safe point.
    pub refusals: Refusals,
    /// Stacks with thread-locals of their own: one for each thread that runs tasks, each detached
    /// poll, and spare ones.
    pub fibers: usize,
    /// Fibers that nothing runs on.
    pub spare_fibers: usize,
    /// Rung 3: processors that were taken from a poll and given to another thread, for whatever
    /// reason. Includes the next two, and `block_in_place`.
    pub hand_offs: u64,
    /// Hand-offs at a checkpoint in synchronous code.
    pub hand_offs_at_checkpoint: u64,
    /// Hand-offs by the monitor, from a poll that reached no checkpoint.
    pub hand_offs_by_monitor: u64,
}

/// Why signals found no async-safe point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// The poll that was meant was over.
    pub stale: u64,
    /// In a `no_preempt` section, or in the runtime's own code.
    pub no_preempt: u64,
    /// In libc (leaf functions called by ordinary code excepted), the dynamic linker, the unwinder, or
    /// code at an unknown address.
    pub text: u64,
    /// Too little stack was left, or it was another stack.
    pub stack: u64,
    /// The code had changed the signal mask.
    pub masked: u64,
    /// No fiber was there to go on with.
    pub no_spare: u64,
    /// In the middle of a switch between fibers, in any runtime of the process.
    pub switching: u64,
}

impl Refusals {
    fn of(counters: &Counters) -> Self {
        Refusals {
            stale: counters.refusals(Refusal::Stale),
            no_preempt: counters.refusals(Refusal::NoPreempt),
            text: counters.refusals(Refusal::Text),
            stack: counters.refusals(Refusal::Stack),
            masked: counters.refusals(Refusal::Masked),
            no_spare: counters.refusals(Refusal::NoSpare),
            switching: preempt::refused_while_switching(),
        }
    }
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
            detaches: counters.detaches.load(Relaxed),
            migrations: counters.migrations.load(Relaxed),
            detached_polls: scheduler.detached_polls(),
            signals: counters.signals.load(Relaxed),
            refusals: Refusals::of(counters),
            fibers: scheduler.fibers().map_or(0, |fibers| fibers.fibers()),
            spare_fibers: scheduler.fibers().map_or(0, |fibers| fibers.spares()),
            hand_offs: counters.hand_offs.load(Relaxed),
            hand_offs_at_checkpoint: counters.hand_offs_at_checkpoint.load(Relaxed),
            hand_offs_by_monitor: counters.hand_offs_by_monitor.load(Relaxed),
        }
    }
}
