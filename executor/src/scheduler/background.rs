//! The queue of tasks that had to be preempted.
//!
//! They run when nothing else is ready, so that a task that was just woken never queues behind
//! hogs; and once in ten time slices (divided by the processors) they run before everything else,
//! for a whole slice that no fresh task cuts short. That guarantees the hogs together a tenth of the
//! time, also if they wait for each other and none of them fills the slice alone: a turn is a time,
//! see [`Turn`], in which one machine prefers whatever is in the background.

use super::queue::Injector;
use crate::task::Runnable;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How many time slices the others get for one of the background.
const SLICES_PER_TURN: u32 = 10;

pub(crate) struct Background {
    list: Injector,
    /// When a background task last had its turn, in nanoseconds after `epoch`.
    last_turn: AtomicU64,
    turn_interval: u64,
    turn_length: u64,
    epoch: Instant,
}

/// A machine's latest turn for the background.
#[derive(Default)]
pub(crate) struct Turn {
    /// In nanoseconds after the `epoch`.
    ends: Cell<u64>,
}

impl Background {
    pub(crate) fn new(time_slice: Duration, processors: usize) -> Self {
        let interval = time_slice * SLICES_PER_TURN / u32::try_from(processors).unwrap_or(u32::MAX);
        Background {
            list: Injector::default(),
            last_turn: AtomicU64::new(0),
            turn_interval: nanos(interval),
            turn_length: nanos(time_slice),
            epoch: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }

    pub(crate) fn push(&self, runnable: Runnable) {
        if self.list.is_empty() {
            // The wait for a turn begins now.
            self.last_turn.store(self.now(), Relaxed);
        }
        self.list.push(runnable);
    }

    /// The first, if this machine is in its turn for the background, or begins one because there
    /// was none for too long.
    pub(crate) fn pop_in_turn(&self, turn: &Turn) -> Option<Runnable> {
        if self.list.is_empty() {
            return None;
        }
        let now = self.now();
        if now >= turn.ends.get() {
            let last = self.last_turn.load(Relaxed);
            if now.saturating_sub(last) < self.turn_interval {
                return None;
            }
            // One machine takes the turn.
            self.last_turn.compare_exchange(last, now, Relaxed, Relaxed).ok()?;
            turn.ends.set(now.saturating_add(self.turn_length));
        }
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

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
