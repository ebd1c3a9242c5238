//! The yield of async code, independent of any runtime.

use core::future::Future;
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
