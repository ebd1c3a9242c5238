//! Waking whoever waits for a timer or for I/O, from the scheduler's own code.
//!
//! A waker may be anybody's: a combinator's, say, that keeps a lock while it is polled and takes the
//! same lock when it is woken (`futures::future::Shared` does). A poll that was suspended in between
//! holds that lock until it is resumed, which takes a machine or the monitor; so these two must not
//! wait for it. Only wakers that are known to wait for nothing are called here. All others are called
//! by a task, whose poll loses its processor like any other when it blocks.

use super::Scheduler;
use crate::report;
use crate::runtime::{Flavor, is_block_on_waker};
use crate::task::{self, Named, Preemption, Priority, wakes_at_once};
use std::panic::Location;
use std::task::Waker;

/// Whether calling the waker waits for nobody: it is one of the runtime's own.
pub(crate) fn waits_for_nobody(waker: &Waker) -> bool {
    wakes_at_once(waker) || is_block_on_waker(waker)
}

impl Scheduler {
    /// Wakes all, and leaves the list empty.
    pub(crate) fn wake_all(&self, wakers: &mut Vec<Waker>) {
        // On a current-thread runtime nothing is ever suspended.
        let may_call =
            |waker: &Waker| self.config.flavor == Flavor::CurrentThread || waits_for_nobody(waker);
        let mut foreign = Foreign(Vec::new());
        for waker in wakers.drain(..) {
            if may_call(&waker) {
                report::contain("a waker", || waker.wake());
            } else {
                foreign.0.push(waker);
            }
        }
        if !foreign.0.is_empty() {
            self.wake_by_a_task(foreign);
        }
    }

    fn wake_by_a_task(&self, foreign: Foreign) {
        let Some(this) = self.this.upgrade().filter(|_| !self.is_closed()) else {
            // Shutdown, on a thread that is the application's.
            return drop(foreign);
        };
        let wake = async move { drop(foreign) };
        // Not in the registry: it is to wake them also when the runtime shuts down.
        let (allowed, here) = (Preemption::Forced, Location::caller());
        let runnable = if self.classes.are_known() {
            // The task behind one of the wakers may be of the highest class.
            let schedule = Named::of_class(this, Priority::Latency);
            let (task, runnable, handle) = task::new(wake, schedule, allowed, here);
            drop((task, handle));
            runnable
        } else {
            let (task, runnable, handle) = task::new(wake, this, allowed, here);
            drop((task, handle));
            runnable
        };
        self.push_woken(runnable);
    }
}

/// Wakers that are woken when this goes, in whatever way.
struct Foreign(Vec<Waker>);

impl Drop for Foreign {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|waker| report::contain("a waker", || waker.wake()));
    }
}
