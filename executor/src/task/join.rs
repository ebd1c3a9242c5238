//! The right to a task's output.

use super::cell::Header;
use super::{AbortHandle, Id, JoinError, Task, coop};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, ready};

/// An owned permission to wait for a task and to get its output.
///
/// A future. Dropping the handle detaches the task: it goes on, and its output is dropped.
///
/// # Cancellation
/// Dropping the future between polls loses nothing but the handle. The task itself is only
/// cancelled by [`abort`](Self::abort).
pub struct JoinHandle<T> {
    task: Task,
    _output: PhantomData<fn() -> T>,
}

// SAFETY: the handle moves a `T` between threads, nothing else; `PhantomData<fn() -> T>` alone
// would allow it for every `T`.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: nothing is done with a `T` through a shared handle.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}

// What a panic leaves half-done is the task's, whose output then tells of the panic.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// The task's output is `T`, JOINED is set, and the caller hands one reference over.
    pub(super) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        // SAFETY: the caller hands one reference over.
        JoinHandle { task: unsafe { Task::from_raw(header) }, _output: PhantomData }
    }

    /// Asks for the task's cancellation: its future is dropped instead of being polled again. A poll that
    /// is under way ends at its next check in a function with `#[preemptible(cancel)]`, by unwinding, or
    /// at its next check in async code.
    ///
    /// Awaiting the handle then returns a cancelled [`JoinError`], or the output if the task had
    /// completed before. A task started by `spawn_blocking` can only be aborted before it runs.
    pub fn abort(&self) {
        self.task.cancel();
    }

    /// Whether the task is complete. May be `false` for a moment after an abort.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.header().state.is_complete()
    }

    /// A handle that can abort the task but not wait for it.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.task.clone())
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.task.id()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let header = self.task.header();
        if !header.state.is_complete() {
            header.join_waker.register(cx.waker());
            // Completion sets COMPLETE before it takes the waker: one of the two sees the other.
            if !header.state.is_complete() {
                return Poll::Pending;
            }
        }
        unit.made_progress();
        let mut output: Option<Result<T, JoinError>> = None;
        // SAFETY: COMPLETE is set, this handle owns the output, and the type is the task's.
        unsafe { (header.vtable.take_output)(self.task.0, (&raw mut output).cast()) };
        match output {
            Some(output) => Poll::Ready(output),
            None => unreachable!("a complete task has an output"),
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let header = self.task.header();
        if header.state.drop_join_handle() {
            // SAFETY: the task is complete and the output was this handle's.
            unsafe { (header.vtable.drop_output)(self.task.0) };
        }
        // The waker may keep the task alive that waited here.
        drop(header.join_waker.take());
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.describe(f, "JoinHandle")
    }
}
