//! A limit on the time of a future.

use super::{Instant, Sleep, sleep, sleep_until};
use crate::cancel::{self, Expired};
use crate::coop;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Waits for a future for at most `limit`, then drops it.
///
/// A future that is ready when the time is over wins. The limit is looked at when the future returns from
/// a poll; and, while it computes in tasks, at the checks of functions with `#[preemptible(cancel)]`, which
/// end it by unwinding from there: destructors run, and a lock that is held is poisoned as by a panic.
/// Other code that does not yield is not ended by a timeout; nor is the future of `block_on` on a
/// multi-thread runtime, and so the body of `main`: spawn a task for that.
///
/// # Panics
/// Outside a runtime.
#[track_caller]
pub fn timeout<F: IntoFuture>(limit: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), delay: sleep(limit) }
}

/// Waits for a future until `deadline` at most, see [`timeout`].
///
/// # Panics
/// Outside a runtime.
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), delay: sleep_until(deadline) }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        #[pin]
        delay: Sleep,
    }
}

impl<F> Timeout<F> {
    /// The future, without its limit.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = coop::has_budget_remaining();
        match cancel::until(&this.delay, || this.future.poll(cx)) {
            Ok(Poll::Ready(output)) => return Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => {}
            Err(Expired) => return Poll::Ready(Err(Elapsed(()))),
        }
        // A future that spends the whole budget in each of its polls has its limit too.
        let is_spent = had_budget && !coop::has_budget_remaining();
        let mut delay = this.delay;
        let polled = if is_spent {
            coop::with_unlimited(|| delay.as_mut().poll(cx))
        } else {
            delay.poll(cx)
        };
        polled.map(|()| Err(Elapsed(())))
    }
}

/// The time of a [`timeout`] was over before its future was ready.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}
