//! The yields of async code, independent of any runtime.
//!
//! [`yield_now`] adds a suspension point to the code that awaits it. [`give_way`] moves the yield
//! into an await that is there already, so that the caller's future keeps its suspension points:
//! what is live across them, whether it is `Send`, and where it can be cancelled stay the same.

use crate::preempt_requested;
use core::future::{Future, IntoFuture};
use core::pin::Pin;
use core::task::{Context, Poll};

/// Gives the poll up once: wakes the task and returns `Pending`, then is ready.
///
/// Works on every executor. What else is ready runs first if the executor queues woken tasks
/// behind others, as preempt and tokio do.
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// `awaited`, except that the first poll gives way if the runtime has asked for that.
///
/// Only the first: an executor inside the poll, such as `block_on` in sync code, polls again
/// without taking the request back, and must find the future moving on.
///
/// The bound is that of [`Awaited`], once more, so that an operand that cannot be awaited is an
/// error at the operand.
#[inline]
pub fn give_way<A: IntoFuture>(awaited: A) -> Awaited<A> {
    Awaited(awaited)
}

/// What [`give_way`] makes of the operand of an `.await`.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Awaited<A>(A);

impl<A: IntoFuture> IntoFuture for Awaited<A> {
    type Output = A::Output;
    type IntoFuture = GiveWay<A::IntoFuture>;

    #[inline]
    fn into_future(self) -> Self::IntoFuture {
        GiveWay { future: self.0.into_future(), checked: false }
    }
}

/// The future of [`give_way`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct GiveWay<F> {
    /// Structurally pinned: never moved once `self` is pinned, and there is no `Drop` impl.
    future: F,
    checked: bool,
}

#[allow(unsafe_code, reason = "a pin projection; the crate has no dependencies to write it")]
impl<F: Future> Future for GiveWay<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned again below and not moved; `checked` is a plain flag.
        let this = unsafe { self.get_unchecked_mut() };
        if !this.checked {
            this.checked = true;
            if preempt_requested() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        // SAFETY: `future` is pinned because `self` is, see the field.
        unsafe { Pin::new_unchecked(&mut this.future) }.poll(cx)
    }
}
