//! hyper's timers are those of the runtime.

use crate::time::{self, Instant};
use ::hyper::rt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Sleeps for hyper on the current runtime; without a timer hyper has no time limits.
///
/// It goes by the runtime's clock, also by one that is [stopped](crate::time::pause).
///
/// # Panics
/// When hyper sleeps outside a runtime.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct PreemptTimer;

impl PreemptTimer {
    /// The only one that there is.
    #[must_use]
    pub fn new() -> Self {
        PreemptTimer
    }
}

impl rt::Timer for PreemptTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(time::sleep_until(Instant::from_std(deadline))))
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    /// In place, unless the sleep is that of another timer.
    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: std::time::Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(ours) => ours.inner().reset(Instant::from_std(deadline)),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// A type of our own, as hyper's trait is not ours.
struct Sleep(time::Sleep);

impl Sleep {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut time::Sleep> {
        // SAFETY: the field is pinned whenever the whole is: nothing moves it out of a pinned
        // `Sleep`, which has no `Drop` and whose `Unpin` is the field's.
        unsafe { self.map_unchecked_mut(|sleep| &mut sleep.0) }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.inner().poll(cx)
    }
}

impl rt::Sleep for Sleep {}
