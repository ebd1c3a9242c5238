//! The queue of what had to be preempted: tasks that yielded when they were asked to, and polls
//! that were detached.
//!
//! They run when nothing else is ready, so that a task that was just woken never queues behind
//! hogs; and once in a time slice (divided by the processors) they run before everything else, for
//! a tenth of it that no fresh task cuts short. That guarantees the hogs together a tenth of the
//! time, also if they wait for each other and none of them fills the turn alone: a turn is a time,
//! see [`Turn`], in which one machine prefers whatever is in the background.

use super::detach::Detached;
use super::places::Places;
use super::queue::Injector;
use super::worker::Work;
use crate::runtime::Config;
use crate::sync::Mutex;
use crate::task::Runnable;
use crossbeam_queue::ArrayQueue;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The part of a time slice that is a turn of the background.
pub(crate) const TURNS_PER_SLICE: u32 = 10;

pub(super) struct Background {
    yielded: Injector,
    detached: ArrayQueue<Detached>,
    /// Whoever looks at detached polls has it, and with it one of them at a time.
    inspection: Mutex<()>,
    /// A fresh task was taken since the last turn began.
    fresh_ran: AtomicBool,
    /// Of the polls in `detached`, and of those that are on their way into it; all classes share them.
    places: Arc<Places>,
    /// How many of each kind are still to be served in this round.
    round: [AtomicUsize; 2],
    /// When the background last had its turn, in nanoseconds after `epoch`.
    last_turn: AtomicU64,
    time_slice: Duration,
    /// In nanoseconds, as the length.
    turn_interval: AtomicU64,
    turn_length: u64,
    epoch: Instant,
}

/// A machine's latest turn for the background.
#[derive(Default)]
pub(super) struct Turn {
    /// In nanoseconds after the `epoch`.
    ends: Cell<u64>,
}

impl Background {
    pub(super) fn new(config: &Config, processors: usize, places: &Arc<Places>) -> Self {
        let time_slice = config.time_slice;
        let background = Background {
            time_slice,
            yielded: Injector::default(),
            // With `max_detached(0)` nothing ever is, but a queue has at least one place.
            detached: ArrayQueue::new(places.most().max(1)),
            inspection: Mutex::default(),
            fresh_ran: AtomicBool::new(true),
            places: places.clone(),
            round: Default::default(),
            last_turn: AtomicU64::new(0),
            turn_interval: AtomicU64::new(0),
            turn_length: nanos(time_slice / TURNS_PER_SLICE),
            epoch: Instant::now(),
        };
        background.share_turns(processors);
        background
    }

    /// So many processors have a turn each in a time slice.
    pub(super) fn share_turns(&self, processors: usize) {
        let interval = self.time_slice / u32::try_from(processors).unwrap_or(u32::MAX);
        self.turn_interval.store(nanos(interval), Relaxed);
    }

    fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
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

    pub(super) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Whether one more poll may be detached. Signal-safe.
    pub(super) fn has_place(&self) -> bool {
        self.places.has_one()
    }

    /// Takes a place for a poll that is about to be detached. `false`: there is none.
    #[must_use]
    pub(super) fn take_place(&self) -> bool {
        self.places.take()
    }

    /// The poll was not detached after all.
    pub(super) fn give_place_back(&self) {
        self.places.give_back();
    }

    /// Into the place that was taken. Allocates nothing.
    pub(super) fn push_detached(&self, detached: Detached) {
        self.before_push();
        if self.detached.push(detached).is_err() {
            unreachable!("each detached poll has taken a place");
        }
    }

    /// A fresh task is about to run.
    pub(super) fn note_fresh(&self) {
        if !self.fresh_ran.load(Relaxed) {
            self.fresh_ran.store(true, Relaxed);
        }
    }

    /// The next one, if this machine is in its turn for the background, or begins one because there
    /// was none for too long.
    pub(super) fn pop_in_turn(&self, turn: &Turn) -> Option<Work> {
        if self.is_empty() {
            return None;
        }
        let now = self.now();
        if now >= turn.ends.get() {
            let last = self.last_turn.load(Relaxed);
            if now.saturating_sub(last) < self.turn_interval.load(Relaxed) {
                return None;
            }
            // A poll that cannot be suspended may last for many intervals: then the next turn is
            // overdue at once, and the fresh tasks would never run.
            if !self.fresh_ran.load(Relaxed) {
                return None;
            }
            // One machine takes the turn.
            self.last_turn.compare_exchange(last, now, Relaxed, Relaxed).ok()?;
            self.fresh_ran.store(false, Relaxed);
            turn.ends.set(now.saturating_add(self.turn_length));
        }
        self.pop()
    }

    /// The next one. A round serves as many of each kind as there are when it begins, so that
    /// every hog has the same share, whichever way it gives way.
    pub(super) fn pop(&self) -> Option<Work> {
        if self.is_empty() {
            return None;
        }
        let [detached_left, yielded_left] = &self.round;
        let detached = || self.pop_detached().map(Work::Resume);
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
    ///
    /// Only a fiber can be left for another. A machine has one, unless there was no memory for its
    /// signal stack; then it leaves these to others.
    pub(super) fn pop_detached(&self) -> Option<Detached> {
        preempt_fiber::current()?;
        let detached = self.detached.pop()?;
        self.give_place_back();
        Some(detached)
    }

    /// As [`pop_detached`](Self::pop_detached), for a machine that leaves if there is none: none may be
    /// missing for a moment.
    pub(super) fn pop_last_detached(&self) -> Option<Detached> {
        let _nobody_inspects = self.inspection.lock();
        self.pop_detached()
    }

    /// How many are detached, also those that somebody looks at just now. For a machine that is between
    /// polls and the only one: none is on its way.
    pub(super) fn all_detached(&self) -> usize {
        self.places.taken()
    }

    /// The one before which `place` others were detached, among those that are.
    pub(super) fn pop_nth_detached(&self, place: usize) -> Option<Detached> {
        preempt_fiber::current()?;
        let _nobody_inspects = self.inspection.lock();
        let mut found = None;
        for now in 0..self.detached.len() {
            let detached = self.detached.pop()?;
            if now == place {
                found = Some(detached);
            } else if self.detached.push(detached).is_err() {
                unreachable!("each detached poll has taken a place");
            }
        }
        if found.is_some() {
            self.give_place_back();
        }
        found
    }

    /// Looks at all that are detached, one after the other; each is missing from the queue while it is
    /// looked at. For a thread that is not a machine; `look` waits for nobody.
    pub(super) fn inspect_detached(&self, mut look: impl FnMut(&Detached)) {
        let _inspection = self.inspection.lock();
        for _ in 0..self.detached.len() {
            let Some(detached) = self.detached.pop() else { return };
            look(&detached);
            // Its place was not given back.
            if self.detached.push(detached).is_err() {
                unreachable!("each detached poll has taken a place");
            }
        }
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

    /// As [`detached`](Self::detached), with those that are on their way into the queue.
    pub(super) fn suspended(&self) -> usize {
        self.places.taken().min(self.places.most())
    }

    pub(super) fn yielded(&self) -> usize {
        self.yielded.len()
    }
}

/// Lowers a count, unless it is zero. Machines that do so at the same time may miss a step; a round
/// is a matter of fairness only.
fn take_one(count: &AtomicUsize) -> bool {
    let left = count.load(Relaxed);
    count.store(left.saturating_sub(1), Relaxed);
    left > 0
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
