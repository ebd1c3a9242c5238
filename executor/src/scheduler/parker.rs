//! Puts a thread to sleep until it is unparked.
//!
//! Not std's `thread::park`: its token belongs to the thread, and a task may call `park` and
//! `unpark` itself. Here the token belongs to whoever owns the parker.
//!
//! An `unpark` before the `park` is kept, so no wake-up is lost; several are one.
//!
//! The owner may also sleep in a place of its own, see [`Parker::park_in`]: then whoever unparks it
//! is told to fetch it from there.
//!
//! ```text
//!   EMPTY ── park ──▶ PARKED ────┐
//!     │ └─── park_in ─▶ ELSEWHERE ├── unpark ──▶ NOTIFIED ── the park ends ──▶ EMPTY
//!     └─────────────────────────┘
//! ```

use crate::sync::{AtomicU32, Condvar, Mutex};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;
const ELSEWHERE: u32 = 3;

/// What an unpark leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Unparked {
    /// Nothing.
    Done,
    /// The owner sleeps in the place of its [`Parker::park_in`] and is to be fetched from there.
    Elsewhere,
}

#[derive(Debug)]
pub(crate) struct Parker {
    state: AtomicU32,
    lock: Mutex<()>,
    condvar: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Parker { state: AtomicU32::new(EMPTY), lock: Mutex::new(()), condvar: Condvar::new() }
    }

    /// Sleeps until `unpark`. One thread at a time.
    pub(crate) fn park(&self) {
        self.park_until(None);
    }

    /// Sleeps until `unpark` or until the deadline.
    pub(crate) fn park_until(&self, deadline: Option<Instant>) {
        if self.take_notification() {
            return;
        }
        let mut guard = self.lock.lock();
        // Under the lock, so that `unpark` finds the thread waiting once it has the lock.
        if self.state.compare_exchange(EMPTY, PARKED, SeqCst, SeqCst).is_err() {
            self.state.store(EMPTY, SeqCst);
            return;
        }
        loop {
            let in_time = self.condvar.wait_until(&mut guard, deadline);
            if self.take_notification() {
                return;
            }
            if !in_time {
                // A notification that arrives right here is taken: the caller wakes anyway.
                self.state.store(EMPTY, SeqCst);
                return;
            }
        }
    }

    /// Sleeps in `sleep`, unless there was an unpark already. Whoever unparks from now on makes
    /// `sleep` return; it may also return by itself.
    pub(crate) fn park_in(&self, sleep: impl FnOnce()) {
        if self.state.compare_exchange(EMPTY, ELSEWHERE, SeqCst, SeqCst).is_ok() {
            sleep();
        }
        // A notification that arrives right here is taken: the caller wakes anyway.
        self.state.store(EMPTY, SeqCst);
    }

    /// Wakes the thread that is parked, or the next one that parks.
    pub(crate) fn unpark(&self) -> Unparked {
        match self.state.swap(NOTIFIED, SeqCst) {
            PARKED => {
                // The parked thread holds the lock until it waits.
                drop(self.lock.lock());
                self.condvar.notify_one();
                Unparked::Done
            }
            ELSEWHERE => Unparked::Elsewhere,
            _ => Unparked::Done,
        }
    }

    /// Whether there was an unpark; it is used up.
    pub(crate) fn take_notification(&self) -> bool {
        self.state.compare_exchange(NOTIFIED, EMPTY, SeqCst, SeqCst).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_unpark_before_the_park_is_kept_once() {
        let parker = Parker::new();
        assert_eq!(parker.unpark(), Unparked::Done);
        assert_eq!(parker.unpark(), Unparked::Done);
        parker.park();
        let deadline = Instant::now() + Duration::from_millis(5);
        parker.park_until(Some(deadline));
        assert!(Instant::now() >= deadline, "one notification ended two parks");
    }

    #[test]
    fn who_sleeps_elsewhere_is_fetched_once_and_only_from_there() {
        let parker = Parker::new();
        parker.park_in(|| {
            assert_eq!(parker.unpark(), Unparked::Elsewhere);
            assert_eq!(parker.unpark(), Unparked::Done);
        });
        assert_eq!(parker.unpark(), Unparked::Done);
        parker.park_in(|| unreachable!("there was an unpark already"));
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn loom_no_unpark_is_lost() {
        loom::model(|| {
            let parker = Arc::new(Parker::new());
            let other = thread::spawn({
                let parker = parker.clone();
                move || assert_eq!(parker.unpark(), Unparked::Done)
            });
            parker.park();
            other.join().unwrap();
        });
    }

    /// The other place is a parker here. A lost wake-up shows as a deadlock of the model.
    #[test]
    fn loom_no_unpark_is_lost_elsewhere() {
        loom::model(|| {
            let parkers = Arc::new([Parker::new(), Parker::new()]);
            let other = thread::spawn({
                let parkers = parkers.clone();
                move || {
                    if parkers[0].unpark() == Unparked::Elsewhere {
                        assert_eq!(parkers[1].unpark(), Unparked::Done);
                    }
                }
            });
            parkers[0].park_in(|| parkers[1].park());
            other.join().unwrap();
        });
    }
}
