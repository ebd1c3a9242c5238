//! The queue of what had to be preempted: tasks that yielded when they were asked to, and polls
//! that were detached.
//!
//! They run when nothing else is ready, so that a task that was just woken never queues behind
//! hogs; and once in ten time slices (divided by the processors) they run before everything else,
//! which guarantees the hogs together a tenth of the time.

use super::detach::Detached;
use super::queue::Injector;
use super::worker::Work;
use crate::task::Runnable;
use crossbeam_queue::ArrayQueue;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How many time slices the others get for one of the background.
const SLICES_PER_TURN: u32 = 10;

pub(super) struct Background {
    yielded: Injector,
    detached: ArrayQueue<Detached>,
    /// How many of each kind are still to be served in this round.
    round: [AtomicUsize; 2],
    /// When the background last had its turn, in nanoseconds after `epoch`.
    last_turn: AtomicU64,
    turn_interval: u64,
    epoch: Instant,
}

impl Background {
    /// `most_detached`: how many polls can be detached at the same time.
    pub(super) fn new(time_slice: Duration, processors: usize, most_detached: usize) -> Self {
        let interval = time_slice * SLICES_PER_TURN / u32::try_from(processors).unwrap_or(u32::MAX);
        Background {
            yielded: Injector::default(),
            detached: ArrayQueue::new(most_detached),
            round: Default::default(),
            last_turn: AtomicU64::new(0),
            turn_interval: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
            epoch: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The wait for a turn begins when the first one comes.
    fn before_push(&self) {
        if self.is_empty() {
            self.last_turn.store(self.now(), Relaxed);
        }
    }

    pub(super) fn push_yielded(&self, runnable: Runnable) {
        self.before_push();
        self.yielded.push(runnable);
    }

    /// Allocates nothing.
    pub(super) fn push_detached(&self, detached: Detached) {
        self.before_push();
        if self.detached.push(detached).is_err() {
            unreachable!("there are no more detached polls than fibers");
        }
    }

    /// Whether it has had no turn for too long. Says so to one machine only.
    pub(super) fn take_overdue_turn(&self) -> bool {
        if self.is_empty() {
            return false;
        }
        let now = self.now();
        let last = self.last_turn.load(Relaxed);
        now.saturating_sub(last) >= self.turn_interval
            && self.last_turn.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    /// The next one. A round serves as many of each kind as there are when it begins, so that
    /// every hog has the same share, whichever way it gives way.
    pub(super) fn pop(&self) -> Option<Work> {
        if self.is_empty() {
            return None;
        }
        let [detached_left, yielded_left] = &self.round;
        let detached = || self.detached.pop().map(Work::Resume);
        let yielded = || self.yielded.pop().map(Work::Run);
        if detached_left.load(Relaxed) + yielded_left.load(Relaxed) == 0 {
            detached_left.store(self.detached.len(), Relaxed);
            yielded_left.store(self.yielded.len(), Relaxed);
        }
        let next = if take_one(detached_left) {
            detached().or_else(yielded)
        } else {
            take_one(yielded_left);
            yielded().or_else(detached)
        }?;
        self.last_turn.store(self.now(), Relaxed);
        Some(next)
    }

    /// The first that was detached.
    pub(super) fn pop_detached(&self) -> Option<Detached> {
        self.detached.pop()
    }

    /// The first that yielded.
    pub(super) fn pop_yielded(&self) -> Option<Runnable> {
        self.yielded.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.yielded.is_empty() && self.detached.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.yielded.len() + self.detached.len()
    }

    pub(super) fn detached(&self) -> usize {
        self.detached.len()
    }
}

/// Lowers a count, unless it is zero. Machines that do so at the same time may miss a step; a round
/// is a matter of fairness only.
fn take_one(count: &AtomicUsize) -> bool {
    let left = count.load(Relaxed);
    count.store(left.saturating_sub(1), Relaxed);
    left > 0
}
