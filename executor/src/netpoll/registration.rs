//! A resource's place in the runtime's poller, and the loops of "try, and wait if it would block".
//!
//! Owned by the one object that owns the resource. The kernel's side (which events are delivered) is
//! the poller's business; here is what a task does with readiness.

use super::interest::Interest;
use super::ready::Ready;
use super::scheduled_io::{Direction, ReadyEvent, ScheduledIo};
use crate::coop;
use crate::runtime::Handle;
use mio::event::Source;
use std::future::poll_fn;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What operations fail with when there is no runtime any more that would wake them.
pub(crate) fn runtime_is_gone() -> io::Error {
    io::Error::other(
        "the preempt runtime that this socket or file descriptor belongs to has shut down, so \
         nobody would wake who waits for it; keep the `Runtime` until whatever uses its I/O is \
         done, or move the resource to another runtime with `into_std` and `from_std`",
    )
}

#[derive(Debug)]
pub(crate) struct Registration {
    handle: Handle,
    io: Arc<ScheduledIo>,
}

// What the runtime holds is not half-changed when somebody else's code unwinds; so that sockets are
// unwind safe as std's and tokio's are.
impl UnwindSafe for Registration {}
impl RefUnwindSafe for Registration {}

impl Registration {
    /// Registers with the current runtime.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub(crate) fn new(source: &mut impl Source, interest: Interest) -> io::Result<Self> {
        let handle = Handle::current();
        let io = handle.scheduler().netpoll.register(source, interest.to_mio())?;
        Ok(Registration { handle, io })
    }

    /// To be called before the resource is closed or goes elsewhere. No event arrives afterwards.
    pub(crate) fn deregister(&self, source: &mut impl Source) -> io::Result<()> {
        self.handle.scheduler().netpoll.deregister(&self.io, source)
    }

    /// See [`ScheduledIo::assume_ready`].
    pub(crate) fn assume_ready(&self, ready: Ready) {
        self.io.assume_ready(ready);
    }

    /// What it is ready for right now.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn ready_now(&self) -> Ready {
        self.io.event(Ready::ALL).ready
    }

    /// See [`ScheduledIo::clear`].
    pub(crate) fn clear_readiness(&self, event: ReadyEvent) {
        self.io.clear(event);
    }

    /// Waits for readability. Only the task that called last is woken.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Read, Direction::Read.ready())
    }

    /// Waits for writability. Only the task that called last is woken.
    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Write, Direction::Write.ready())
    }

    fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        wanted: Ready,
    ) -> Poll<io::Result<ReadyEvent>> {
        let budget = ready!(coop::poll_proceed(cx));
        let event = ready!(self.io.poll_ready(cx, direction, wanted));
        budget.made_progress();
        Poll::Ready(check(event))
    }

    /// Tries `attempt` whenever it is worth it in that direction, until it does not return
    /// `WouldBlock`. Only the task that called last for the direction is woken.
    ///
    /// The attempt is told what it was tried for, and may take it back.
    pub(crate) fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut attempt: impl FnMut(ReadyEvent) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let event = ready!(self.poll_ready(cx, direction, direction.attemptable()))?;
            if let Some(result) = self.done(event, attempt(event)) {
                return Poll::Ready(result);
            }
        }
    }

    /// The result of an attempt; `None`: it would have blocked, and the readiness is taken back.
    pub(crate) fn done<R>(
        &self,
        event: ReadyEvent,
        result: io::Result<R>,
    ) -> Option<io::Result<R>> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.io.clear_blocked(event);
                None
            }
            result => Some(result),
        }
    }

    /// Tries once, without waiting, and not at all if the resource is known not to be ready.
    pub(crate) fn try_io<R>(
        &self,
        interest: Interest,
        attempt: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        let event = check(self.io.event(Ready::wanted_by(interest)))?;
        if event.ready.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.done(event, attempt()).unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Waits until the resource is ready for a part of `interest`. Any number may wait.
    pub(crate) async fn readiness(&self, interest: Interest) -> io::Result<ReadyEvent> {
        check(self.io.readiness(interest).await)
    }

    /// Tries `attempt` whenever the resource is ready, until it does not return `WouldBlock`. Any
    /// number of tasks may wait. Nothing happens after the attempt that succeeds, so dropping the
    /// future loses nothing.
    pub(crate) async fn async_io<R>(
        &self,
        interest: Interest,
        mut attempt: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let event = self.readiness(interest).await?;
            let budget = poll_fn(coop::poll_proceed).await;
            if let Some(result) = self.done(event, attempt()) {
                budget.made_progress();
                return result;
            }
        }
    }
}

fn check(event: ReadyEvent) -> io::Result<ReadyEvent> {
    if event.is_shutdown { Err(runtime_is_gone()) } else { Ok(event) }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A waker may hold the task that holds this.
        self.io.forget_wakers();
    }
}
