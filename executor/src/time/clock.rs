//! The clock that timers go by: the system's, unless a test has stopped it.
//!
//! A stopped clock moves when it is told to ([`advance`]), and by itself to the next timer when the
//! runtime has nothing else to do, so that a test of hours takes no time. Only a current-thread
//! runtime's clock can be stopped: with other threads at work "nothing else to do" is a matter of
//! luck. That of a seeded runtime, where one thread runs at a time, never goes by itself.
//!
//! ```text
//!            pause                          resume
//!   system ────────▶ stopped at `base` ─────────────▶ `base` plus what has passed since
//!                     ▲   │ advance
//!                     └───┘
//! ```

use crate::context;
use crate::runtime::{Flavor, Handle};
use crate::sync::Mutex;
use preempt_checkpoint::yield_now;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::time::{Duration, Instant as StdInstant};

/// Some clock of the process has been stopped at some time. Until then nobody looks for one.
static ANY_STOPPED: AtomicBool = AtomicBool::new(false);

#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// It is not the system's.
    is_own: AtomicBool,
    /// Its own time; valid if `is_own`.
    own: Mutex<Option<Own>>,
}

#[derive(Clone, Copy, Debug)]
struct Own {
    base: StdInstant,
    /// When it went on; `None` while it is stopped.
    since: Option<StdInstant>,
}

impl Own {
    fn now(self) -> StdInstant {
        self.base + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Clock {
    pub(crate) fn now(&self) -> StdInstant {
        match self.own() {
            Some(own) => own.now(),
            None => StdInstant::now(),
        }
    }

    fn own(&self) -> Option<Own> {
        if self.is_own.load(Relaxed) { *self.own.lock() } else { None }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.own().is_some_and(|own| own.since.is_none())
    }

    /// When the system's clock will show what this one shows at `then`; `None`: not by itself.
    pub(crate) fn to_system(&self, then: StdInstant) -> Option<StdInstant> {
        match self.own() {
            None => Some(then),
            Some(own) => own.since.map(|since| since + then.saturating_duration_since(own.base)),
        }
    }

    /// `false`: it is stopped already.
    pub(crate) fn stop(&self) -> bool {
        self.stop_at(self.now())
    }

    /// As [`stop`](Self::stop), at another time than now.
    pub(super) fn stop_at(&self, base: StdInstant) -> bool {
        let mut own = self.own.lock();
        if own.is_some_and(|own| own.since.is_none()) {
            return false;
        }
        *own = Some(Own { base, since: None });
        self.is_own.store(true, SeqCst);
        ANY_STOPPED.store(true, SeqCst);
        true
    }

    /// `false`: it is not stopped.
    fn go_on(&self) -> bool {
        self.change_stopped(|own| own.since = Some(StdInstant::now()))
    }

    /// Moves it on. `false`: it is not stopped.
    fn advance(&self, by: Duration) -> bool {
        self.change_stopped(|own| own.base += by)
    }

    /// Moves it on to `then`, if that is later.
    pub(super) fn advance_to(&self, then: StdInstant) {
        self.change_stopped(|own| own.base = own.base.max(then));
    }

    fn change_stopped(&self, change: impl FnOnce(&mut Own)) -> bool {
        match &mut *self.own.lock() {
            Some(own) if own.since.is_none() => {
                change(own);
                true
            }
            _ => false,
        }
    }
}

/// What the clock of this thread's runtime shows; outside a runtime the system's.
pub(super) fn now() -> StdInstant {
    if !ANY_STOPPED.load(Relaxed) {
        return StdInstant::now();
    }
    match context::handle() {
        Some(handle) => handle.scheduler().timers.clock.now(),
        None => StdInstant::now(),
    }
}

/// Stops the clock of this runtime, for tests: timers then fire only when [`advance`] says so, or when
/// the runtime has nothing else to do; it then goes straight to the next timer.
///
/// [`Instant::now`](super::Instant::now) stops with it; `std::time::Instant` does not. While a `spawn_blocking` closure is
/// running the clock does not move by itself.
///
/// # Panics
/// Outside a runtime, on a multi-threaded or seeded one, and if the clock is stopped already.
#[track_caller]
pub fn pause() {
    let handle = handle_for("pause");
    refuse_if_seeded(&handle, "pause");
    assert!(clock_of(&handle).stop(), "`pause`: the clock is stopped already");
}

/// Lets the clock of this runtime go on from where [`pause`] and [`advance`] have left it.
///
/// # Panics
/// Outside a runtime, on a multi-threaded or seeded one, and if the clock is not stopped.
#[track_caller]
pub fn resume() {
    let handle = handle_for("resume");
    refuse_if_seeded(&handle, "resume");
    assert!(clock_of(&handle).go_on(), "`resume`: the clock is not stopped");
}

/// Moves the stopped clock of this runtime on, and lets the tasks run whose timers are due.
///
/// Timers fire all at once and not in the order of their times.
///
/// # Panics
/// Outside a runtime, on a multi-threaded one, and if the clock is not stopped.
pub async fn advance(by: Duration) {
    let handle = handle_for("advance");
    assert!(
        clock_of(&handle).advance(by),
        "`advance`: the clock is not stopped; call `preempt::time::pause` first, or build the \
         runtime with `start_paused(true)`"
    );
    yield_now().await;
}

#[track_caller]
fn handle_for(what: &str) -> Handle {
    let handle = Handle::current();
    assert!(
        handle.scheduler().config.flavor == Flavor::CurrentThread
            || handle.scheduler().seeded.is_some(),
        "`{what}`: only the clock of a current-thread runtime can be stopped; use \
         `Builder::new_current_thread`, or `#[preempt::test]` without a flavor"
    );
    handle
}

#[track_caller]
fn refuse_if_seeded(handle: &Handle, what: &str) {
    assert!(
        handle.scheduler().seeded.is_none(),
        "`{what}`: the clock of a seeded runtime is stopped for good; remove the call"
    );
}

fn clock_of(handle: &Handle) -> &Clock {
    &handle.scheduler().timers.clock
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_stopped_clock_moves_only_when_it_is_told_to() {
        let clock = Clock::default();
        assert!(!clock.is_stopped());
        assert!(!clock.advance(HOUR), "it is not stopped");
        assert!(clock.stop());
        assert!(!clock.stop(), "it is stopped already");
        let stopped_at = clock.now();
        assert_eq!(clock.now(), stopped_at);
        assert!(clock.advance(HOUR));
        assert_eq!(clock.now(), stopped_at + HOUR);
        clock.advance_to(stopped_at);
        assert_eq!(clock.now(), stopped_at + HOUR, "it never goes back");
        assert_eq!(clock.to_system(stopped_at), None);
    }

    #[test]
    fn a_clock_that_goes_on_is_ahead_of_the_systems_by_what_it_was_advanced() {
        let clock = Clock::default();
        assert!(clock.stop());
        assert!(clock.advance(HOUR));
        let stopped_at = clock.now();
        assert!(clock.go_on());
        assert!(!clock.go_on(), "it is not stopped");
        assert!(clock.now() >= stopped_at);
        let system = clock.to_system(stopped_at + HOUR).expect("it goes");
        assert!(system <= StdInstant::now() + HOUR);
        assert!(system > StdInstant::now());
    }
}
