//! What says that a file descriptor is ready, and takes that back.

use super::async_fd::AsyncFd;
use crate::io::Ready;
use crate::netpoll::scheduled_io::ReadyEvent;
use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;

/// A descriptor is ready, until this says otherwise: by [`try_io`](Self::try_io) or
/// [`clear_ready`](Self::clear_ready). Dropping it changes nothing.
///
/// An event that arrives after the guard was made is never taken back.
#[must_use = "readiness is kept until `try_io` or `clear_ready` takes it back"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd> {
    pub(super) async_fd: &'a AsyncFd<T>,
    pub(super) event: Option<ReadyEvent>,
}

/// As [`AsyncFdReadyGuard`], with mutable access.
#[must_use = "readiness is kept until `try_io` or `clear_ready` takes it back"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd> {
    pub(super) async_fd: &'a mut AsyncFd<T>,
    pub(super) event: Option<ReadyEvent>,
}

/// The operation would block; the readiness was taken back.
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation would block")
    }
}

impl Error for TryIoError {}

/// What both guards do with the readiness.
macro_rules! readiness_methods {
    () => {
        /// Takes back all that the guard says. To be called only after an operation has returned
        /// `WouldBlock`. That the peer has closed its end stays known.
        pub fn clear_ready(&mut self) {
            if let Some(event) = self.event.take() {
                self.async_fd.registration.clear_readiness(event);
            }
        }

        /// As [`clear_ready`](Self::clear_ready), for a part of it.
        pub fn clear_ready_matching(&mut self, ready: Ready) {
            let Some(event) = self.event.take() else { return };
            self.async_fd.registration.clear_readiness(event.with_ready(event.ready & ready));
            let left = event.ready - ready;
            self.event = (!left.is_empty()).then(|| event.with_ready(left));
        }

        /// Does nothing, and says that this is meant: the readiness is kept.
        pub fn retain_ready(&mut self) {}

        /// What the descriptor is ready for.
        #[must_use]
        pub fn ready(&self) -> Ready {
            self.event.map_or(Ready::EMPTY, |event| event.ready)
        }

        /// The result of an operation that was tried, unless it would block.
        fn done<R>(&mut self, result: io::Result<R>) -> Result<io::Result<R>, TryIoError> {
            let Some(event) = self.event else { return Ok(result) };
            match self.async_fd.registration.done(event, result) {
                Some(result) => Ok(result),
                None => {
                    self.event = None;
                    Err(TryIoError(()))
                }
            }
        }
    };
}

impl<'a, T: AsRawFd> AsyncFdReadyGuard<'a, T> {
    readiness_methods!();

    /// Calls `f`, and takes the readiness back if that returns `WouldBlock`. `f` must return it
    /// only if an operation on this descriptor did, and only one in the direction that was waited
    /// for.
    ///
    /// # Errors
    /// If `f` returns `WouldBlock`. Other errors are inside of `Ok`.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        let result = f(self.async_fd);
        self.done(result)
    }

    /// What is ready.
    #[must_use]
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.async_fd
    }

    /// What the `AsyncFd` was made of.
    #[must_use]
    pub fn get_inner(&self) -> &'a T {
        self.async_fd.get_ref()
    }
}

impl<T: AsRawFd> AsyncFdReadyMutGuard<'_, T> {
    readiness_methods!();

    /// See [`AsyncFdReadyGuard::try_io`].
    ///
    /// # Errors
    /// If `f` returns `WouldBlock`. Other errors are inside of `Ok`.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&mut AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        let result = f(self.async_fd);
        self.done(result)
    }

    /// What is ready.
    #[must_use]
    pub fn get_ref(&self) -> &AsyncFd<T> {
        self.async_fd
    }

    /// What is ready.
    pub fn get_mut(&mut self) -> &mut AsyncFd<T> {
        self.async_fd
    }

    /// What the `AsyncFd` was made of.
    #[must_use]
    pub fn get_inner(&self) -> &T {
        self.async_fd.get_ref()
    }

    /// What the `AsyncFd` was made of.
    pub fn get_inner_mut(&mut self) -> &mut T {
        self.async_fd.get_mut()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFdReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyGuard")
            .field("async_fd", &self.async_fd)
            .field("ready", &self.ready())
            .finish()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFdReadyMutGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFdReadyMutGuard")
            .field("async_fd", &self.async_fd)
            .field("ready", &self.ready())
            .finish()
    }
}
