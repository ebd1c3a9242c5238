//! Waiting until a time.

use super::Instant;
use super::shards::Timer;
use crate::context;
use crate::coop;
use crate::runtime::Handle;
use crate::scheduler::Scheduler;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// Waits for a duration. Fires at that time or a little later, never earlier.
///
/// # Panics
/// Outside a runtime.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(Instant::now().checked_add(duration).unwrap_or_else(Instant::far_future))
}

/// Waits until an instant.
///
/// # Panics
/// Outside a runtime.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(deadline)
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// # Panics
/// When it is polled after its runtime has shut down and the time has not come.
///
/// # Cancellation
/// Dropping it takes the timer back.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    deadline: Instant,
    handle: Handle,
    /// Set at the first poll that finds the time not yet come.
    timer: Option<Timer>,
    /// As in tokio; leaves room for a timer that is linked in place.
    _pinned: PhantomPinned,
}

impl Sleep {
    #[track_caller]
    pub(super) fn new(deadline: Instant) -> Self {
        Sleep { deadline, handle: Handle::current(), timer: None, _pinned: PhantomPinned }
    }

    /// When it is over.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the time has come.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.has_come()
    }

    /// Whether the time has come by the clock of its own runtime.
    pub(crate) fn has_come(&self) -> bool {
        self.handle.scheduler().timers.clock.now() >= self.deadline.into_std()
    }

    /// When its time comes by the system's clock; `None`: not by itself.
    pub(crate) fn comes_at(&self) -> Option<std::time::Instant> {
        self.handle.scheduler().timers.clock.to_system(self.deadline.into_std())
    }

    /// Starts over with another deadline, also after it was over.
    ///
    /// Whoever waits for it is woken at the new deadline; it need not be polled in between.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.unpinned();
        let waiting = this.take_timer_back();
        this.deadline = deadline;
        if let Some(waker) = waiting {
            this.set_timer(waker);
        }
    }

    fn unpinned(self: Pin<&mut Self>) -> &mut Self {
        // SAFETY: nothing in it is pinned by address; `PhantomPinned` only reserves that.
        unsafe { self.get_unchecked_mut() }
    }

    /// Returns whoever waits for it.
    fn take_timer_back(&mut self) -> Option<Waker> {
        let timer = self.timer.take()?;
        self.handle.scheduler().timers.cancel(timer)
    }

    fn set_timer(&mut self, waker: Waker) {
        let scheduler = self.handle.scheduler();
        let shard = context::with_held(scheduler, |held| held.map_or(0, |(_, it)| it.index));
        let due = self.deadline.into_std();
        let (timer, is_earliest) = scheduler.timers.set(shard, due, waker);
        if is_earliest {
            scheduler.timer_set();
        }
        self.timer = Some(timer);
        // After the timer is set: either this sees that the runtime closes, or the runtime fires
        // it when it closes.
        if scheduler.is_closed() {
            runtime_is_gone(scheduler);
        }
    }
}

/// The time has not come and nobody will say so when it does. A task of that runtime is about to be
/// cancelled and may just wait for that; anybody else would wait for ever.
fn runtime_is_gone(scheduler: &Scheduler) {
    let is_own_task = context::is_in_task_of(scheduler);
    assert!(
        is_own_task,
        "a timer was waited for whose runtime has shut down, so it would never fire; keep the \
         `Runtime` until whatever uses its timers is done"
    )
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        let this = self.unpinned();
        let Some(timer) = this.timer else {
            if this.has_come() {
                unit.made_progress();
                return Poll::Ready(());
            }
            this.set_timer(cx.waker().clone());
            return Poll::Pending;
        };
        let scheduler = this.handle.scheduler();
        if !scheduler.timers.poll(timer, cx.waker()) {
            return Poll::Pending;
        }
        this.timer = None;
        // Only shutdown fires timers early. It says so before it does.
        if scheduler.is_closed() && !this.has_come() {
            runtime_is_gone(scheduler);
            return Poll::Pending;
        }
        unit.made_progress();
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        drop(self.take_timer_back());
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
