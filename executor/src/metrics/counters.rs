//! What is counted, and by whom.

use super::histogram::Buckets;
use crate::preempt::{REFUSALS, Refusal};
use crate::task::Priority;
use crate::trace::clock::{self, Scale};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Adds to a counter that only this thread writes.
#[inline]
pub(crate) fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// Rare events since the runtime was built, which any thread counts.
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
    pub(crate) world: WorldCounters,
    /// Of polls whose processor was taken away: it has another machine now, which counts there.
    pub(super) lost_poll_times: Buckets,
}

/// How often the world was stopped, and for how long.
#[derive(Debug, Default)]
pub(crate) struct WorldCounters {
    stops: AtomicU64,
    failures: AtomicU64,
    stopping_nanos: AtomicU64,
    longest_stopping_nanos: AtomicU64,
    stopped_nanos: AtomicU64,
}

/// A copy of the numbers.
pub(super) struct WorldNumbers {
    pub(super) stops: u64,
    pub(super) failures: u64,
    pub(super) stopping: Duration,
    pub(super) longest_stopping: Duration,
    pub(super) stopped: Duration,
}

impl WorldCounters {
    /// All stand still, so long after the request.
    pub(crate) fn stopped(&self, took: Duration) {
        self.stops.fetch_add(1, Relaxed);
        self.stopping_nanos.fetch_add(nanos(took), Relaxed);
        self.longest_stopping_nanos.fetch_max(nanos(took), Relaxed);
    }

    /// Some could not be stopped.
    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// All go on, after they stood still for so long.
    pub(crate) fn went_on(&self, after: Duration) {
        self.stopped_nanos.fetch_add(nanos(after), Relaxed);
    }

    pub(super) fn numbers(&self) -> WorldNumbers {
        let duration = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Relaxed));
        WorldNumbers {
            stops: self.stops.load(Relaxed),
            failures: self.failures.load(Relaxed),
            stopping: duration(&self.stopping_nanos),
            longest_stopping: duration(&self.longest_stopping_nanos),
            stopped: duration(&self.stopped_nanos),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Counters {
    /// Counts a signal that found no async-safe point. Signal-safe.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refusals[refusal as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn refusals(&self, refusal: Refusal) -> u64 {
        self.refusals[refusal as usize].load(Relaxed)
    }

    /// A poll has ended without the processor that it began on.
    pub(crate) fn lost_poll(&self, ticks: u64) {
        self.lost_poll_times.add_shared(Scale::fixed().nanos(ticks));
    }
}

/// What the machine counts that holds the processor, between polls. Whoever has the processor next
/// sees what this one wrote: the hand-over orders it.
#[derive(Debug, Default)]
pub(crate) struct ProcessorCounters(CachePadded<Words>);

#[derive(Debug, Default)]
struct Words {
    steals: AtomicU64,
    steal_operations: AtomicU64,
    parks: AtomicU64,
    unparks: AtomicU64,
    noops: AtomicU64,
    /// How many polls there had been at the last unpark.
    polls_at_unpark: AtomicU64,
    parked_ticks: AtomicU64,
    /// Since when the processor sleeps; zero: it does not.
    parked_since: AtomicU64,
    /// Polls of the latency class, and of the batch class.
    latency_polls: AtomicU64,
    batch_polls: AtomicU64,
    poll_times: Buckets,
    schedule_latency: Buckets,
}

/// A copy of the numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProcessorNumbers {
    pub(super) steals: u64,
    pub(super) steal_operations: u64,
    pub(super) parks: u64,
    pub(super) unparks: u64,
    pub(super) noops: u64,
    pub(super) parked_ticks: u64,
}

impl ProcessorCounters {
    pub(crate) fn stole(&self, count: usize) {
        bump(&self.0.steal_operations, 1);
        bump(&self.0.steals, count as u64);
    }

    /// A poll of a task of its own terms is about to begin.
    pub(crate) fn polls_by_class(&self, class: Priority) {
        match class {
            Priority::Latency => bump(&self.0.latency_polls, 1),
            Priority::Batch => bump(&self.0.batch_polls, 1),
            _ => {}
        }
    }

    /// Polls of the latency class, and of the batch class.
    pub(super) fn class_polls(&self) -> (u64, u64) {
        (self.0.latency_polls.load(Relaxed), self.0.batch_polls.load(Relaxed))
    }

    /// The processor goes to sleep, after so many polls in all.
    pub(crate) fn parks(&self, polls: u64) {
        let words = &*self.0;
        let parks = words.parks.load(Relaxed);
        words.parks.store(parks + 1, Relaxed);
        if parks > 0 && words.polls_at_unpark.load(Relaxed) == polls {
            bump(&words.noops, 1);
        }
        words.polls_at_unpark.store(polls, Relaxed);
        words.parked_since.store(clock::ticks(), Relaxed);
    }

    /// It is up again.
    pub(crate) fn unparks(&self) {
        let words = &*self.0;
        bump(&words.unparks, 1);
        let since = words.parked_since.load(Relaxed);
        words.parked_since.store(0, Relaxed);
        bump(&words.parked_ticks, clock::ticks().saturating_sub(since));
    }

    pub(crate) fn poll_took(&self, ticks: u64) {
        self.0.poll_times.add(Scale::fixed().nanos(ticks));
    }

    pub(crate) fn poll_waited(&self, ticks: u64) {
        self.0.schedule_latency.add(Scale::fixed().nanos(ticks));
    }

    pub(super) fn numbers(&self) -> ProcessorNumbers {
        let words = &*self.0;
        let since = words.parked_since.load(Relaxed);
        let sleeps = if since == 0 { 0 } else { clock::ticks().saturating_sub(since) };
        ProcessorNumbers {
            steals: words.steals.load(Relaxed),
            steal_operations: words.steal_operations.load(Relaxed),
            parks: words.parks.load(Relaxed),
            unparks: words.unparks.load(Relaxed),
            noops: words.noops.load(Relaxed),
            parked_ticks: words.parked_ticks.load(Relaxed).saturating_add(sleeps),
        }
    }

    pub(super) fn poll_times(&self) -> &Buckets {
        &self.0.poll_times
    }

    pub(super) fn schedule_latency(&self) -> &Buckets {
        &self.0.schedule_latency
    }
}
