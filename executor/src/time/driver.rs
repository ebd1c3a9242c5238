//! All timers of a runtime: a heap for each processor, and who sleeps until the next one is due.
//!
//! A timer goes into the heap of the processor that sets it. Any thread may fire any timer; what
//! wakes a sleeping task is whoever comes first of
//! 1. a machine between two polls, which looks at the clock if there are timers;
//! 2. the keeper of the netpoll, whose sleep the next timer ends (`netpoll/driver.rs`);
//! 3. the monitor, while all processors are in polls.
//!
//! # No timer is overslept (proof sketch)
//! The keeper writes that it is the keeper, then reads `earliest`; who sets a timer writes `earliest`,
//! then reads who the keeper is and sets its alarm. All four are sequentially consistent, so one sees
//! the other. The same holds for the monitor and its `looks_at`.

use super::clock::Clock;
use super::heap::{Heap, Key};
use crate::metrics::bump;
use crate::sync::Mutex;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::task::Waker;
use std::time::{Duration, Instant};

/// No timer.
const NEVER: u64 = u64::MAX;

pub(crate) struct Timers {
    shards: Box<[CachePadded<Shard>]>,
    epoch: Instant,
    pub(crate) clock: Clock,
}

struct Shard {
    heap: Mutex<Heap>,
    /// `heap.earliest()`, to be read without the lock.
    earliest: AtomicU64,
    /// How many timers have fired. Written under the lock.
    fired: AtomicU64,
}

/// A timer that was set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    shard: usize,
    key: Key,
}

/// A time at which some timer is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due(u64);

impl Timers {
    pub(crate) fn new(processors: usize) -> Self {
        let shard = || Shard {
            heap: Mutex::default(),
            earliest: AtomicU64::new(NEVER),
            fired: AtomicU64::new(0),
        };
        Timers {
            shards: (0..processors).map(|_| CachePadded::new(shard())).collect(),
            epoch: Instant::now(),
            clock: Clock::default(),
        }
    }

    /// Sets a timer in a processor's shard. `true`: it is the earliest there, and whoever sleeps
    /// has to know.
    pub(crate) fn set(&self, shard: usize, due: Instant, waker: Waker) -> (Timer, bool) {
        // Rounded up, so that no timer fires before its time.
        let due = nanos(due.saturating_duration_since(self.epoch));
        let mut heap = self.shards[shard].heap.lock();
        let before = heap.earliest().unwrap_or(NEVER);
        let key = heap.insert(due, waker);
        self.shards[shard].publish(&heap);
        (Timer { shard, key }, due < before)
    }

    /// Whether the timer has fired; if not, `waker` will be woken.
    pub(crate) fn poll(&self, timer: Timer, waker: &Waker) -> bool {
        let (fired, replaced) = self.shards[timer.shard].heap.lock().poll(timer.key, waker);
        drop(replaced);
        fired
    }

    /// Takes a timer back, fired or not. If not, whoever waited for it is returned.
    pub(crate) fn cancel(&self, timer: Timer) -> Option<Waker> {
        let shard = &self.shards[timer.shard];
        let mut heap = shard.heap.lock();
        let waker = heap.remove(timer.key);
        shard.publish(&heap);
        waker
    }

    /// The time, if a timer is due. Costs a load for each shard if there are none.
    pub(crate) fn due(&self) -> Option<Due> {
        let earliest = self.earliest();
        if earliest == NEVER {
            return None;
        }
        let now = nanos(self.clock.now().saturating_duration_since(self.epoch));
        (earliest <= now).then_some(Due(now))
    }

    /// Collects who waits for a timer that is due.
    pub(crate) fn fire_due(&self, Due(now): Due, wakers: &mut Vec<Waker>) {
        self.fire(now, wakers);
    }

    /// Collects who waits for any timer: the runtime shuts down, and nobody would wake them later.
    pub(crate) fn fire_all(&self, wakers: &mut Vec<Waker>) {
        self.fire(NEVER, wakers);
    }

    fn fire(&self, now: u64, wakers: &mut Vec<Waker>) {
        self.shards.iter().for_each(|shard| shard.fire(now, wakers));
    }

    /// How many timers wait, and how many have fired.
    pub(crate) fn numbers(&self) -> (usize, u64) {
        let live = self.shards.iter().map(|shard| shard.heap.lock().len()).sum();
        let fired = self.shards.iter().map(|shard| shard.fired.load(Relaxed)).sum();
        (live, fired)
    }

    fn earliest(&self) -> u64 {
        self.shards.iter().map(|shard| shard.earliest.load(SeqCst)).min().unwrap_or(NEVER)
    }

    /// When the next timer is due.
    fn next_due(&self) -> Option<Instant> {
        match self.earliest() {
            NEVER => None,
            due => Some(self.epoch + Duration::from_nanos(due)),
        }
    }

    /// When the next timer is due by the system's clock; `None`: there is none, or the clock is
    /// stopped.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next_due().and_then(|due| self.clock.to_system(due))
    }

    /// Moves the stopped clock on to the next timer. `false`: there is none.
    pub(crate) fn advance_to_next(&self) -> bool {
        let next = self.next_due();
        if let Some(due) = next {
            self.clock.advance_to(due);
        }
        next.is_some()
    }
}

impl Shard {
    fn publish(&self, heap: &Heap) {
        self.earliest.store(heap.earliest().unwrap_or(NEVER), SeqCst);
    }

    fn fire(&self, now: u64, wakers: &mut Vec<Waker>) {
        if self.earliest.load(SeqCst) > now {
            return;
        }
        let mut heap = self.heap.lock();
        while let Some(waker) = heap.pop_due(now) {
            bump(&self.fired, 1);
            wakers.push(waker);
        }
        self.publish(&heap);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER - 1)
}
