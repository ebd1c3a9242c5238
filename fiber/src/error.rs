//! What can go wrong when fibers are made or entered.

use std::error;
use std::fmt;
use std::io;

use crate::Backend;

/// Making a pool, a fiber or a machine failed.
#[non_exhaustive]
#[derive(Debug)]
pub enum Error {
    /// The backend does not work on this platform; `None`: no backend does.
    Unsupported(Option<Backend>),
    /// The environment variable `PREEMPT_FIBER_BACKEND` names no backend.
    Environment {
        /// What it holds.
        value: String,
    },
    /// Starting a fiber's thread failed: `pthread_create`, usually EAGAIN.
    Spawn(io::Error),
    /// Mapping memory failed: `mmap` or `mprotect` of a small stack, or `sigaltstack`.
    Map(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unsupported(Some(backend)) => {
                write!(f, "the {backend} backend for fibers does not work on this platform")
            }
            Error::Unsupported(None) => f.write_str("no backend for fibers works on this platform"),
            Error::Environment { value } => {
                write!(f, "PREEMPT_FIBER_BACKEND is {value:?}, not \"user\" or \"kernel\"")
            }
            Error::Spawn(error) => write!(f, "starting the thread of a fiber failed: {error}"),
            Error::Map(error) => write!(f, "mapping the stack of a fiber's donor failed: {error}"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Error::Spawn(error) | Error::Map(error) => Some(error),
            Error::Unsupported(_) | Error::Environment { .. } => None,
        }
    }
}
