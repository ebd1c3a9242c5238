//! Signals on Unix.
//!
//! `delivery.rs` brings them from the handler to the listeners.

mod delivery;

pub(crate) use delivery::{call_on_each, has_listeners};

use delivery::Listener;
use std::ffi::c_int;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Which signal: one of the named ones, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalKind(c_int);

impl SignalKind {
    /// The signal of this number. Whether there is such a one [`signal`] will tell.
    #[must_use]
    pub const fn from_raw(signal: c_int) -> Self {
        SignalKind(signal)
    }

    /// The number.
    #[must_use]
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }

    /// `SIGALRM`: a timer of the process has run out.
    #[must_use]
    pub const fn alarm() -> Self {
        SignalKind(libc::SIGALRM)
    }

    /// `SIGCHLD`: a child process has ended or stopped.
    #[must_use]
    pub const fn child() -> Self {
        SignalKind(libc::SIGCHLD)
    }

    /// `SIGHUP`: the terminal is gone.
    #[must_use]
    pub const fn hangup() -> Self {
        SignalKind(libc::SIGHUP)
    }

    /// `SIGINFO`: somebody asks for the status.
    #[cfg(any(
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "macos",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "illumos"
    ))]
    #[must_use]
    pub const fn info() -> Self {
        SignalKind(libc::SIGINFO)
    }

    /// `SIGINT`: ctrl-c.
    #[must_use]
    pub const fn interrupt() -> Self {
        SignalKind(libc::SIGINT)
    }

    /// `SIGIO`: a descriptor is ready.
    #[must_use]
    pub const fn io() -> Self {
        SignalKind(libc::SIGIO)
    }

    /// `SIGPIPE`: a write to a pipe that nobody reads.
    #[must_use]
    pub const fn pipe() -> Self {
        SignalKind(libc::SIGPIPE)
    }

    /// `SIGQUIT`: end, with a core dump.
    #[must_use]
    pub const fn quit() -> Self {
        SignalKind(libc::SIGQUIT)
    }

    /// `SIGTERM`: end.
    #[must_use]
    pub const fn terminate() -> Self {
        SignalKind(libc::SIGTERM)
    }

    /// `SIGUSR1`.
    #[must_use]
    pub const fn user_defined1() -> Self {
        SignalKind(libc::SIGUSR1)
    }

    /// `SIGUSR2`.
    #[must_use]
    pub const fn user_defined2() -> Self {
        SignalKind(libc::SIGUSR2)
    }

    /// `SIGWINCH`: the terminal's window has another size.
    #[must_use]
    pub const fn window_change() -> Self {
        SignalKind(libc::SIGWINCH)
    }
}

impl From<c_int> for SignalKind {
    fn from(signal: c_int) -> Self {
        Self::from_raw(signal)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> Self {
        kind.as_raw_value()
    }
}

/// Listens to a signal from now on.
///
/// Each listener of a signal gets it. Signals that arrive before a listener has looked are one to
/// it. No runtime is needed: a listener may outlive the one that it was made on.
///
/// The first listener takes away what the signal did otherwise, such as ending the process, and that
/// does not come back when the last listener is dropped. A handler that was installed before is
/// called all the same.
///
/// The signal need not be unblocked on any thread: one of the library's own sees to that.
///
/// # Errors
/// If the system allows no handler for the signal (`SIGKILL`, `SIGSTOP`), if it tells of a fault of
/// the program (`SIGSEGV`, `SIGILL`, `SIGFPE`), or if there is no such signal: of the kind
/// [`InvalidInput`](io::ErrorKind::InvalidInput). The first time also if the system gives no thread
/// or no pipe.
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    Ok(Signal { listener: delivery::listen(kind.0)?, kind })
}

/// A listener, see [`signal`].
#[derive(Debug)]
#[must_use = "the signal does nothing else any more"]
pub struct Signal {
    listener: Arc<Listener>,
    kind: SignalKind,
}

impl Signal {
    /// Waits for the signal. Always `Some`.
    ///
    /// # Cancellation
    /// No signal is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the signal, see [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.listener.poll_arrived(cx).map(Some)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        delivery::forget(self.kind.0, &self.listener);
    }
}
