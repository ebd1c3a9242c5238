//! Why a task has no output.

use super::Id;
use std::any::Any;
use std::fmt;
use std::sync::Mutex;

/// Why a task did not return its output: it panicked or was cancelled.
pub struct JoinError {
    id: Id,
    cause: Cause,
}

enum Cause {
    Cancelled,
    /// In a mutex only so that `JoinError` is `Sync` although a payload need not be; and in a box of its
    /// own, as every task has room for an error.
    Panicked(Box<Mutex<Box<dyn Any + Send>>>),
}

impl JoinError {
    pub(crate) fn cancelled(id: Id) -> Self {
        JoinError { id, cause: Cause::Cancelled }
    }

    pub(crate) fn panicked(id: Id, payload: Box<dyn Any + Send>) -> Self {
        JoinError { id, cause: Cause::Panicked(Box::new(Mutex::new(payload))) }
    }

    /// Whether the task was aborted, or its runtime shut down.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::Cancelled)
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        !self.is_cancelled()
    }

    /// The payload that the task panicked with, for `std::panic::resume_unwind`.
    ///
    /// # Panics
    /// If the task was cancelled; see [`try_into_panic`](Self::try_into_panic).
    #[track_caller]
    #[must_use]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("`JoinError::into_panic` on an error that is no panic: {error}"),
        }
    }

    /// The payload that the task panicked with, or the error itself if the task was cancelled.
    ///
    /// # Errors
    /// `self`, if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, JoinError> {
        match self.cause {
            Cause::Panicked(payload) => {
                Ok(payload.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
            }
            Cause::Cancelled => Err(self),
        }
    }

    /// The task that this is about.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The panic's message, if it is text, as it is for `panic!("..")`.
    fn with_message<R>(&self, read: impl FnOnce(Option<&str>) -> R) -> R {
        let Cause::Panicked(payload) = &self.cause else { return read(None) };
        let payload = payload.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let text = payload.downcast_ref::<String>().map(String::as_str);
        read(text.or_else(|| payload.downcast_ref::<&'static str>().copied()))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Cancelled => write!(f, "task {} was cancelled", self.id),
            Cause::Panicked(_) => self.with_message(|message| match message {
                Some(message) => write!(f, "task {} panicked with message {message:?}", self.id),
                None => write!(f, "task {} panicked", self.id),
            }),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Cancelled => write!(f, "JoinError::Cancelled({:?})", self.id),
            Cause::Panicked(_) => self.with_message(|message| match message {
                Some(message) => write!(f, "JoinError::Panic({:?}, {message:?}, ..)", self.id),
                None => write!(f, "JoinError::Panic({:?}, ..)", self.id),
            }),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        std::io::Error::other(error)
    }
}
