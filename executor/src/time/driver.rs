//! All timers of a runtime: a wheel for each processor, and who sleeps until the next one is due.
//!
//! A timer goes into the wheel of the processor that sets it. Any thread may fire any timer; what
//! wakes a sleeping task is whoever comes first of
//! 1. a machine between two polls, which looks at the clock if there are timers;
//! 2. the keeper of the netpoll, whose sleep the next timer ends (`netpoll/driver.rs`);
//! 3. the monitor, while all processors are in polls.
//!
//! # No timer is overslept
//! Who sets a timer writes the time before which nothing is due (`shards.rs`), then reads who the keeper
//! is and sets its alarm, or tells the monitor. The keeper, and the monitor with its `looks_at`, write
//! that they are about to sleep, and then read that time: see `netpoll/keeper.rs` and
//! `sysmon/src/rest.rs` for the proof sketches and their models.

use super::clock::Clock;
use super::shards::{NEVER, Shards, Timer};
use std::task::Waker;
use std::time::{Duration, Instant};

pub(crate) struct Timers {
    shards: Shards,
    epoch: Instant,
    pub(crate) clock: Clock,
}

/// A time at which some timer is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due(u64);

impl Timers {
    pub(crate) fn new(processors: usize) -> Self {
        Timers { shards: Shards::new(processors), epoch: Instant::now(), clock: Clock::default() }
    }

    /// Stops the clock at the beginning, so that each run of the same program sets the same timers.
    pub(crate) fn stop_at_the_start(&self) {
        self.clock.stop_at(self.epoch);
    }

    /// Sets a timer in a processor's shard. `true`: it may be the earliest there, and whoever sleeps
    /// has to know.
    pub(crate) fn set(&self, shard: usize, due: Instant, waker: Waker) -> (Timer, bool) {
        // Rounded up, so that no timer fires before its time.
        let due = nanos(due.saturating_duration_since(self.epoch));
        self.shards.set(shard, due, waker)
    }

    /// Whether the timer has fired: then it is gone. If not, `waker` will be woken.
    pub(crate) fn poll(&self, timer: Timer, waker: &Waker) -> bool {
        self.shards.poll(timer, waker)
    }

    /// Takes a timer back, fired or not. If not, whoever waited for it is returned.
    pub(crate) fn cancel(&self, timer: Timer) -> Option<Waker> {
        self.shards.cancel(timer)
    }

    /// The time, if a timer is due. Costs a load for each shard if there are none.
    pub(crate) fn due(&self) -> Option<Due> {
        let not_before = self.shards.not_before();
        if not_before == NEVER {
            return None;
        }
        let now = nanos(self.clock.now().saturating_duration_since(self.epoch));
        (not_before <= now).then_some(Due(now))
    }

    /// Collects who waits for a timer that is due.
    pub(crate) fn fire_due(&self, Due(now): Due, wakers: &mut Vec<Waker>) {
        self.shards.fire(now, wakers);
    }

    /// Collects who waits for any timer: the runtime shuts down, and nobody would wake them later.
    pub(crate) fn fire_all(&self, wakers: &mut Vec<Waker>) {
        self.shards.fire(NEVER, wakers);
    }

    /// How many timers wait, and how many have fired.
    pub(crate) fn numbers(&self) -> (usize, u64) {
        self.shards.numbers()
    }

    fn instant(&self, nanos: u64) -> Instant {
        self.epoch + Duration::from_nanos(nanos)
    }

    /// When to look at the timers next, by the system's clock: when the first one is due, or before.
    /// `None`: there is none, or the clock is stopped.
    pub(crate) fn next(&self) -> Option<Instant> {
        match self.shards.not_before() {
            NEVER => None,
            nanos => self.clock.to_system(self.instant(nanos)),
        }
    }

    /// Moves the stopped clock on to the next timer. `false`: there is none.
    pub(crate) fn advance_to_next(&self) -> bool {
        let earliest = self.shards.earliest();
        if let Some(due) = earliest {
            self.clock.advance_to(self.instant(due));
        }
        earliest.is_some()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER - 1)
}
