//! All timers of a runtime: a wheel for each processor, and who sleeps until the next one is due.
//!
//! A timer goes into the wheel of the processor that sets it. Any thread may fire any timer; what
//! wakes a sleeping task is whoever comes first of
//! 1. a machine between two polls, which looks at the clock if there are timers;
//! 2. the keeper of the netpoll, whose sleep the next timer ends (`netpoll/driver.rs`);
//! 3. the monitor, while all processors are in polls.
//!
//! # No timer is overslept (proof sketch)
//! The keeper writes that it is the keeper, then reads `not_before`; who sets a timer writes that,
//! then reads who the keeper is and sets its alarm. All four are sequentially consistent, so one sees
//! the other. The same holds for the monitor and its `looks_at`.

use super::clock::Clock;
use super::wheel::{Key, Wheel};
use crate::metrics::bump;
use crate::sync::Mutex;
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::task::Waker;
use std::time::{Duration, Instant};

/// No timer.
const NEVER: u64 = u64::MAX;

pub(crate) struct Timers {
    shards: Box<[CachePadded<Shard>]>,
    /// There was never a timer in the shards from here on.
    used: AtomicUsize,
    epoch: Instant,
    pub(crate) clock: Clock,
}

struct Shard {
    wheel: Mutex<Wheel>,
    /// `wheel.not_before()`, to be read without the lock.
    not_before: AtomicU64,
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
            wheel: Mutex::default(),
            not_before: AtomicU64::new(NEVER),
            fired: AtomicU64::new(0),
        };
        Timers {
            shards: (0..processors).map(|_| CachePadded::new(shard())).collect(),
            used: AtomicUsize::new(1),
            epoch: Instant::now(),
            clock: Clock::default(),
        }
    }

    /// Sets a timer in a processor's shard. `true`: it may be the earliest there, and whoever sleeps
    /// has to know.
    pub(crate) fn set(&self, shard: usize, due: Instant, waker: Waker) -> (Timer, bool) {
        // Rounded up, so that no timer fires before its time.
        let due = nanos(due.saturating_duration_since(self.epoch));
        if shard >= self.used.load(Relaxed) {
            self.used.fetch_max(shard + 1, SeqCst);
        }
        let mut wheel = self.shards[shard].wheel.lock();
        let key = wheel.insert(due, waker);
        // Written under the lock only.
        let is_earliest = due < self.shards[shard].not_before.load(Relaxed);
        if is_earliest {
            self.shards[shard].publish(&wheel);
        }
        (Timer { shard, key }, is_earliest)
    }

    /// Whether the timer has fired: then it is gone. If not, `waker` will be woken.
    pub(crate) fn poll(&self, timer: Timer, waker: &Waker) -> bool {
        let (fired, replaced) = self.shards[timer.shard].wheel.lock().poll(timer.key, waker);
        drop(replaced);
        fired
    }

    /// Takes a timer back, fired or not. If not, whoever waited for it is returned.
    pub(crate) fn cancel(&self, timer: Timer) -> Option<Waker> {
        // Whoever looked at what was published looks in vain at the worst.
        self.shards[timer.shard].wheel.lock().remove(timer.key)
    }

    /// The time, if a timer is due. Costs a load for each shard if there are none.
    pub(crate) fn due(&self) -> Option<Due> {
        let not_before = self.not_before();
        if not_before == NEVER {
            return None;
        }
        let now = nanos(self.clock.now().saturating_duration_since(self.epoch));
        (not_before <= now).then_some(Due(now))
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
        self.used().iter().for_each(|shard| shard.fire(now, wakers));
    }

    /// How many timers wait, and how many have fired.
    pub(crate) fn numbers(&self) -> (usize, u64) {
        let live = self.used().iter().map(|shard| shard.wheel.lock().len()).sum();
        let fired = self.used().iter().map(|shard| shard.fired.load(Relaxed)).sum();
        (live, fired)
    }

    fn used(&self) -> &[CachePadded<Shard>] {
        &self.shards[..self.used.load(SeqCst)]
    }

    fn not_before(&self) -> u64 {
        self.used().iter().map(|shard| shard.not_before.load(SeqCst)).min().unwrap_or(NEVER)
    }

    fn instant(&self, nanos: u64) -> Instant {
        self.epoch + Duration::from_nanos(nanos)
    }

    /// When to look at the timers next, by the system's clock: when the first one is due, or before.
    /// `None`: there is none, or the clock is stopped.
    pub(crate) fn next(&self) -> Option<Instant> {
        match self.not_before() {
            NEVER => None,
            nanos => self.clock.to_system(self.instant(nanos)),
        }
    }

    /// Moves the stopped clock on to the next timer. `false`: there is none.
    pub(crate) fn advance_to_next(&self) -> bool {
        let earliest = self.used().iter().filter_map(|shard| shard.wheel.lock().earliest()).min();
        if let Some(due) = earliest {
            self.clock.advance_to(self.instant(due));
        }
        earliest.is_some()
    }
}

impl Shard {
    fn publish(&self, wheel: &Wheel) {
        self.not_before.store(wheel.not_before().unwrap_or(NEVER), SeqCst);
    }

    fn fire(&self, now: u64, wakers: &mut Vec<Waker>) {
        if self.not_before.load(SeqCst) > now {
            return;
        }
        let mut wheel = self.wheel.lock();
        let fired = wheel.fire(now, wakers);
        bump(&self.fired, fired as u64);
        self.publish(&wheel);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER - 1)
}
