//! The wheels of all processors, and for each a time before which nothing in it is due, to be read
//! without its lock.
//!
//! Times are nanoseconds after an epoch that is the caller's.

use super::wheel::{Key, Wheel};
use crate::sync::{AtomicU64, AtomicUsize, Mutex};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{Ordering::Relaxed, Ordering::SeqCst};
use std::task::Waker;

/// No timer.
pub(crate) const NEVER: u64 = u64::MAX;

pub(crate) struct Shards {
    all: Box<[CachePadded<Shard>]>,
    /// There was never a timer in those from here on.
    used: AtomicUsize,
}

struct Shard {
    wheel: Mutex<Wheel>,
    /// `wheel.not_before()`. Sequentially consistent, see the proof sketch in `netpoll/keeper.rs`.
    not_before: AtomicU64,
}

/// A timer that was set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    shard: usize,
    key: Key,
}

impl Shards {
    pub(crate) fn new(count: usize) -> Self {
        let shard = || Shard { wheel: Mutex::default(), not_before: AtomicU64::new(NEVER) };
        let all = (0..count).map(|_| CachePadded::new(shard())).collect();
        Shards { all, used: AtomicUsize::new(1) }
    }

    fn used(&self) -> &[CachePadded<Shard>] {
        &self.all[..self.used.load(SeqCst)]
    }

    /// Sets a timer. `true`: it may be the earliest of its shard, and whoever sleeps has to know.
    pub(crate) fn set(&self, shard: usize, due: u64, waker: Waker) -> (Timer, bool) {
        // Before `not_before` is written, as it is read after this.
        if shard >= self.used.load(Relaxed) {
            self.used.fetch_max(shard + 1, SeqCst);
        }
        let mut wheel = self.all[shard].wheel.lock();
        let key = wheel.insert(due, waker);
        // Written under the lock only.
        let is_earliest = due < self.all[shard].not_before.load(Relaxed);
        if is_earliest {
            self.all[shard].publish(&wheel);
        }
        (Timer { shard, key }, is_earliest)
    }

    /// Whether the timer has fired: then it is gone. If not, `waker` will be woken.
    pub(crate) fn poll(&self, timer: Timer, waker: &Waker) -> bool {
        let (fired, replaced) = self.all[timer.shard].wheel.lock().poll(timer.key, waker);
        drop(replaced);
        fired
    }

    /// Takes a timer back, fired or not. If not, whoever waited for it is returned.
    pub(crate) fn cancel(&self, timer: Timer) -> Option<Waker> {
        // Whoever looked at what was published looks in vain at the worst.
        self.all[timer.shard].wheel.lock().remove(timer.key)
    }

    /// Collects who waits for a timer that is due at `now` or before.
    pub(crate) fn fire(&self, now: u64, wakers: &mut Vec<Waker>) {
        self.used().iter().for_each(|shard| shard.fire(now, wakers));
    }

    /// How many timers wait, and how many have fired.
    pub(crate) fn numbers(&self) -> (usize, u64) {
        let add = |(live, fired): (usize, u64), shard: &CachePadded<Shard>| {
            let wheel = shard.wheel.lock();
            (live + wheel.len(), fired + wheel.fired())
        };
        self.used().iter().fold((0, 0), add)
    }

    /// A time before which nothing is due; [`NEVER`]: there is no timer.
    pub(crate) fn not_before(&self) -> u64 {
        self.used().iter().map(|shard| shard.not_before.load(SeqCst)).min().unwrap_or(NEVER)
    }

    /// When the first timer is due.
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.used().iter().filter_map(|shard| shard.wheel.lock().earliest()).min()
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
        wheel.fire(now, wakers);
        self.publish(&wheel);
    }
}
