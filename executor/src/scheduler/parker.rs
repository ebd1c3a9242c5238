//! Puts a thread to sleep until it is unparked.
//!
//! Not std's `thread::park`: its token belongs to the thread, and a task may call `park` and
//! `unpark` itself. Here the token belongs to whoever owns the parker.
//!
//! An `unpark` before the `park` is kept, so no wake-up is lost; several are one.

use crate::sync::{AtomicU32, Condvar, Mutex};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;

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

    /// Wakes the thread that is parked, or the next one that parks.
    pub(crate) fn unpark(&self) {
        if self.state.swap(NOTIFIED, SeqCst) == PARKED {
            // The parked thread holds the lock until it waits.
            drop(self.lock.lock());
            self.condvar.notify_one();
        }
    }

    fn take_notification(&self) -> bool {
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
        parker.unpark();
        parker.unpark();
        parker.park();
        let deadline = Instant::now() + Duration::from_millis(5);
        parker.park_until(Some(deadline));
        assert!(Instant::now() >= deadline, "one notification ended two parks");
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
                move || parker.unpark()
            });
            parker.park();
            other.join().unwrap();
        });
    }
}
