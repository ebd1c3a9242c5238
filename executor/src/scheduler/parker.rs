//! Puts a thread to sleep until it is unparked.
//!
//! Not std's `thread::park`: its token belongs to the thread, and a task may call `park` and
//! `unpark` itself. Here the token belongs to whoever owns the parker.
//!
//! An `unpark` before the `park` is kept, so no wake-up is lost; several are one. What was written before an
//! `unpark` is seen after the park that it ends, also if it was one of several: so a park ends by a step
//! that reads the state as well.
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
            self.end_park();
            return;
        }
        loop {
            let in_time = self.condvar.wait_until(&mut guard, deadline);
            if self.take_notification() {
                return;
            }
            if !in_time {
                self.end_park();
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
        self.end_park();
    }

    /// A notification that arrives right here is taken: the caller wakes anyway.
    fn end_park(&self) {
        // Not a store: what was written before that notification is to be seen.
        self.state.swap(EMPTY, SeqCst);
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
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;
    use std::sync::atomic::Ordering::Relaxed;

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

    /// The second unpark ends the same park as the first, or the next one: what was written before it is
    /// seen, or the next park ends.
    #[test]
    fn loom_what_was_written_before_an_unpark_is_seen() {
        loom::model(|| {
            let world = Arc::new((Parker::new(), AtomicUsize::new(0)));
            let other = thread::spawn({
                let world = world.clone();
                move || {
                    let _done = world.0.unpark();
                    world.1.store(1, Relaxed);
                    let _done = world.0.unpark();
                }
            });
            world.0.park();
            while world.1.load(Relaxed) == 0 {
                world.0.park();
            }
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
