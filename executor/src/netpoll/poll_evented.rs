//! A resource of mio's together with its registration.

use super::interest::Interest;
use super::registration::Registration;
use mio::event::Source;
use std::fmt;
use std::io;
use std::ops::Deref;

/// Owns the resource and its registration, and ends both in the right order: an event for a
/// descriptor that the system has given to somebody else must not be taken for ours.
pub(crate) struct PollEvented<E: Source> {
    /// `None` only after `into_inner`.
    io: Option<E>,
    registration: Registration,
}

const OWNED: &str = "the resource is only away when this is taken apart";

impl<E: Source> PollEvented<E> {
    /// Registers for reading and writing with the current runtime.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub(crate) fn new(io: E) -> io::Result<Self> {
        Self::with_interest(io, Interest::READABLE | Interest::WRITABLE)
    }

    /// As [`new`](Self::new), for what `interest` names.
    #[track_caller]
    pub(crate) fn with_interest(mut io: E, interest: Interest) -> io::Result<Self> {
        let registration = Registration::new(&mut io, interest)?;
        Ok(PollEvented { io: Some(io), registration })
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Deregisters the resource and returns it.
    pub(crate) fn into_inner(mut self) -> io::Result<E> {
        let mut io = self.io.take().expect(OWNED);
        self.registration.deregister(&mut io)?;
        Ok(io)
    }
}

impl<E: Source> Deref for PollEvented<E> {
    type Target = E;

    fn deref(&self) -> &E {
        self.io.as_ref().expect(OWNED)
    }
}

impl<E: Source> Drop for PollEvented<E> {
    fn drop(&mut self) {
        if let Some(mut io) = self.io.take() {
            // There is nobody to tell, and closing the descriptor deregisters it as well.
            drop(self.registration.deregister(&mut io));
        }
    }
}

impl<E: Source + fmt::Debug> fmt::Debug for PollEvented<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
