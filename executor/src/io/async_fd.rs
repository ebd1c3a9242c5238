//! Waiting for any file descriptor.

use super::async_fd_guard::{AsyncFdReadyGuard, AsyncFdReadyMutGuard};
use crate::io::Interest;
use crate::netpoll::registration::Registration;
use crate::netpoll::scheduled_io::ReadyEvent;
use mio::unix::SourceFd;
use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

/// Waits for the readiness of any file descriptor that the system's poller takes: a pipe, a
/// socket, an eventfd, a timerfd, an inotify instance, a device. Regular files are none.
///
/// The descriptor has to be in non-blocking mode; reading and writing it is up to the caller. As
/// the poller reports only changes, readiness is kept until it is taken back: by a guard's
/// [`try_io`](AsyncFdReadyGuard::try_io), [`async_io`](Self::async_io) or
/// [`try_io`](Self::try_io) when an operation returns `WouldBlock`, or by
/// [`clear_ready`](AsyncFdReadyGuard::clear_ready). Who forgets that is told again and again that it
/// is ready.
///
/// ```
/// # extern crate preempt_executor as preempt;
/// use preempt::io::unix::AsyncFd;
/// use std::io::{Read, Write};
///
/// # let runtime = preempt::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// let (mut writer, reader) = std::os::unix::net::UnixStream::pair()?;
/// reader.set_nonblocking(true)?;
/// let reader = AsyncFd::new(reader)?;
/// writer.write_all(b"hello")?;
///
/// let mut buf = [0; 8];
/// let n = loop {
///     let mut guard = reader.readable().await?;
///     match guard.try_io(|fd| fd.get_ref().read(&mut buf)) {
///         Ok(result) => break result?,
///         // It was not ready after all, and that is noted.
///         Err(_would_block) => continue,
///     }
/// };
/// assert_eq!(&buf[..n], b"hello");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct AsyncFd<T: AsRawFd> {
    pub(super) registration: Registration,
    /// `None` only after `take_inner`.
    inner: Option<T>,
}

const OWNED: &str = "the descriptor is only away when this is taken apart";

impl<T: AsRawFd> AsyncFd<T> {
    /// Registers a descriptor for reading and writing with the current runtime.
    ///
    /// # Errors
    /// Those of the system: `EPERM` for what cannot be polled, `EEXIST` for what is registered
    /// with this runtime already. If the runtime has shut down. `inner` is dropped; see
    /// [`try_new`](Self::try_new).
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn new(inner: T) -> io::Result<Self> {
        Ok(Self::try_new(inner)?)
    }

    /// As [`new`](Self::new), for what `interest` names.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        Ok(Self::try_with_interest(inner, interest)?)
    }

    /// As [`new`](Self::new), and returns `inner` with the error.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn try_new(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// As [`try_new`](Self::try_new), for what `interest` names.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn try_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<Self, AsyncFdRegisterError<T>> {
        match Registration::new(&mut SourceFd(&inner.as_raw_fd()), interest) {
            Ok(registration) => Ok(AsyncFd { registration, inner: Some(inner) }),
            Err(cause) => Err(AsyncFdRegisterError { inner, cause }),
        }
    }

    /// The same as [`try_new`](Self::try_new), under tokio's name.
    ///
    /// # Safety
    /// Nothing is asked for here. tokio's asks for a descriptor that stays open, because its
    /// `AsyncFd` lends it out as a [`BorrowedFd`] on the word of [`AsRawFd`] alone.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub unsafe fn register(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_new(inner)
    }

    /// The same as [`try_with_interest`](Self::try_with_interest), under tokio's name.
    ///
    /// # Safety
    /// As for [`register`](Self::register).
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub unsafe fn register_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, interest)
    }

    /// What it was made of.
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect(OWNED)
    }

    /// What it was made of. The descriptor in it must stay the same, else nothing is reported any
    /// more.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect(OWNED)
    }

    /// Deregisters the descriptor, and returns what it was made of.
    pub fn into_inner(mut self) -> T {
        self.take_inner().expect(OWNED)
    }

    fn take_inner(&mut self) -> Option<T> {
        let inner = self.inner.take()?;
        // There is nobody to tell. It fails if the descriptor was closed, which deregisters it.
        drop(self.registration.deregister(&mut SourceFd(&inner.as_raw_fd())));
        Some(inner)
    }

    fn guard(&self, event: ReadyEvent) -> AsyncFdReadyGuard<'_, T> {
        AsyncFdReadyGuard { async_fd: self, event: Some(event) }
    }

    fn guard_mut(&mut self, event: ReadyEvent) -> AsyncFdReadyMutGuard<'_, T> {
        AsyncFdReadyMutGuard { async_fd: self, event: Some(event) }
    }

    /// Waits until the descriptor is readable. Only the task that called this last is woken.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub fn poll_read_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let event = ready!(self.registration.poll_read_ready(cx))?;
        Poll::Ready(Ok(self.guard(event)))
    }

    /// As [`poll_read_ready`](Self::poll_read_ready), with mutable access.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub fn poll_read_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let event = ready!(self.registration.poll_read_ready(cx))?;
        Poll::Ready(Ok(self.guard_mut(event)))
    }

    /// Waits until the descriptor is writable. Only the task that called this last is woken.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub fn poll_write_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let event = ready!(self.registration.poll_write_ready(cx))?;
        Poll::Ready(Ok(self.guard(event)))
    }

    /// As [`poll_write_ready`](Self::poll_write_ready), with mutable access.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub fn poll_write_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let event = ready!(self.registration.poll_write_ready(cx))?;
        Poll::Ready(Ok(self.guard_mut(event)))
    }

    /// Waits until the descriptor is ready for a part of `interest`. Any number of tasks may wait
    /// at the same time.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub async fn ready(&self, interest: Interest) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        Ok(self.guard(self.registration.readiness(interest).await?))
    }

    /// As [`ready`](Self::ready), with mutable access.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub async fn ready_mut(
        &mut self,
        interest: Interest,
    ) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        let event = self.registration.readiness(interest).await?;
        Ok(self.guard_mut(event))
    }

    /// Waits until the descriptor is readable. Any number of tasks may wait at the same time.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::READABLE).await
    }

    /// As [`readable`](Self::readable), with mutable access.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub async fn readable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::READABLE).await
    }

    /// Waits until the descriptor is writable. Any number of tasks may wait at the same time.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub async fn writable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::WRITABLE).await
    }

    /// As [`writable`](Self::writable), with mutable access.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub async fn writable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::WRITABLE).await
    }

    /// Calls `f` whenever the descriptor is ready for a part of `interest`, until it does not
    /// return `WouldBlock`. `f` must return that only if an operation on this descriptor did, and
    /// only one that `interest` is about.
    ///
    /// # Errors
    /// Those of `f`, and if the runtime has shut down.
    ///
    /// # Cancellation
    /// It waits only before it calls `f`.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration.async_io(interest, || f(self.get_ref())).await
    }

    /// As [`async_io`](Self::async_io), with mutable access.
    ///
    /// # Errors
    /// As for [`async_io`](Self::async_io).
    pub async fn async_io_mut<R>(
        &mut self,
        interest: Interest,
        mut f: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let inner = self.inner.as_mut().expect(OWNED);
        self.registration.async_io(interest, || f(inner)).await
    }

    /// Calls `f` once if the descriptor is known to be ready for a part of `interest`; see
    /// [`async_io`](Self::async_io) for what `WouldBlock` has to mean.
    ///
    /// # Errors
    /// Those of `f`; `WouldBlock` if the descriptor is not ready; and if the runtime has shut
    /// down.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration.try_io(interest, || f(self.get_ref()))
    }

    /// As [`try_io`](Self::try_io), with mutable access.
    ///
    /// # Errors
    /// As for [`try_io`](Self::try_io).
    pub fn try_io_mut<R>(
        &mut self,
        interest: Interest,
        f: impl FnOnce(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let inner = self.inner.as_mut().expect(OWNED);
        self.registration.try_io(interest, || f(inner))
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

/// Only for what vouches for its descriptor. tokio asks for [`AsRawFd`] alone, which anybody can
/// implement with any number.
impl<T: AsRawFd + AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsRawFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        drop(self.take_inner());
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// A descriptor could not be registered; it is in here.
pub struct AsyncFdRegisterError<T> {
    inner: T,
    cause: io::Error,
}

impl<T> AsyncFdRegisterError<T> {
    /// What was to be registered, and why it was not.
    pub fn into_parts(self) -> (T, io::Error) {
        (self.inner, self.cause)
    }
}

impl<T> fmt::Display for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, f)
    }
}

impl<T> fmt::Debug for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cause, f)
    }
}

impl<T> Error for AsyncFdRegisterError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl<T> From<AsyncFdRegisterError<T>> for io::Error {
    fn from(error: AsyncFdRegisterError<T>) -> Self {
        error.cause
    }
}
