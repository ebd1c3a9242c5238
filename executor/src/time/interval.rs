//! Ticks at a fixed period.

use super::{Instant, Sleep, sleep_until};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Ticks at once and then every `period`.
///
/// # Panics
/// If the period is zero, or outside a runtime.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start` and then every `period`.
///
/// # Panics
/// If the period is zero, or outside a runtime.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an `interval` must be longer than zero");
    Interval {
        delay: Box::pin(sleep_until(start)),
        period,
        missed_tick_behavior: MissedTickBehavior::default(),
    }
}

/// What an [`Interval`] does after a tick that came late by a period or more.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum MissedTickBehavior {
    /// The missed ticks come at once, until the schedule is caught up with.
    #[default]
    Burst,
    /// The next tick comes a period after the late one.
    Delay,
    /// The missed ticks are left out; the next comes at the next multiple of the period.
    Skip,
}

impl MissedTickBehavior {
    fn next(self, due: Instant, now: Instant, period: Duration) -> Instant {
        let later =
            |from: Instant, by: Duration| from.checked_add(by).unwrap_or_else(Instant::far_future);
        let on_schedule = later(due, period);
        if now < on_schedule {
            return on_schedule;
        }
        match self {
            Self::Burst => on_schedule,
            Self::Delay => later(now, period),
            Self::Skip => {
                let into_period = (now - due).as_nanos() % period.as_nanos();
                let left = period.as_nanos() - into_period;
                later(now, Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)))
            }
        }
    }
}

/// A stream of ticks, made by [`interval`].
pub struct Interval {
    delay: Pin<Box<Sleep>>,
    period: Duration,
    missed_tick_behavior: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick and returns when it was due.
    ///
    /// # Cancellation
    /// Safe: if this future is dropped, no tick is lost.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.delay.as_mut().poll(cx));
        let due = self.delay.deadline();
        let next = self.missed_tick_behavior.next(due, Instant::now(), self.period);
        self.delay.as_mut().reset(next);
        Poll::Ready(due)
    }

    /// Lets the next tick come a period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Lets the next tick come at once.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// Lets the next tick come after a duration.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now().checked_add(after).unwrap_or_else(Instant::far_future));
    }

    /// Lets the next tick come at an instant.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.delay.as_mut().reset(deadline);
    }

    /// What happens after a late tick.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_tick_behavior
    }

    /// Sets what happens after a late tick.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_tick_behavior = behavior;
    }

    /// The time between ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .field("next", &self.delay.deadline())
            .field("missed_tick_behavior", &self.missed_tick_behavior)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_late_tick() {
        let due = Instant::now();
        let ms = |ms: u64| Duration::from_millis(ms);
        #[rustfmt::skip]
        let table = [
            // late by, behaviour,                next tick after the due one
            (0,         MissedTickBehavior::Burst, 10),
            (9,         MissedTickBehavior::Delay, 10),
            (25,        MissedTickBehavior::Burst, 10),
            (25,        MissedTickBehavior::Delay, 35),
            (25,        MissedTickBehavior::Skip,  30),
            (30,        MissedTickBehavior::Skip,  40),
        ];
        for (late, behavior, next) in table {
            let found = behavior.next(due, due + ms(late), ms(10));
            assert_eq!(found, due + ms(next), "{behavior:?}, late by {late} ms");
        }
    }
}
