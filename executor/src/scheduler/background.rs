//! The queue of tasks that had to be preempted.
//!
//! They run when nothing else is ready, so that a task that was just woken never queues behind
//! hogs; and once in ten time slices (divided by the processors) they run before everything else,
//! which guarantees the hogs together a tenth of the time.

use super::queue::Injector;
use crate::task::Runnable;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How many time slices the others get for one of the background.
const SLICES_PER_TURN: u32 = 10;

pub(crate) struct Background {
    list: Injector,
    /// When a background task last had its turn, in nanoseconds after `epoch`.
    last_turn: AtomicU64,
    turn_interval: u64,
    epoch: Instant,
}

impl Background {
    pub(crate) fn new(time_slice: Duration, processors: usize) -> Self {
        let interval = time_slice * SLICES_PER_TURN / u32::try_from(processors).unwrap_or(u32::MAX);
        Background {
            list: Injector::default(),
            last_turn: AtomicU64::new(0),
            turn_interval: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
            epoch: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn push(&self, runnable: Runnable) {
        if self.list.is_empty() {
            // The wait for a turn begins now.
            self.last_turn.store(self.now(), Relaxed);
        }
        self.list.push(runnable);
    }

    /// The first, if the background has had no turn for too long.
    pub(crate) fn pop_overdue(&self) -> Option<Runnable> {
        if self.list.is_empty() {
            return None;
        }
        let now = self.now();
        let last = self.last_turn.load(Relaxed);
        if now.saturating_sub(last) < self.turn_interval {
            return None;
        }
        // One machine takes the turn.
        self.last_turn.compare_exchange(last, now, Relaxed, Relaxed).ok()?;
        self.list.pop()
    }

    /// The first.
    pub(crate) fn pop(&self) -> Option<Runnable> {
        let first = self.list.pop()?;
        self.last_turn.store(self.now(), Relaxed);
        Some(first)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }
}
