//! Signals of the operating system, as something to wait for.
//!
//! Only on Unix so far. On other platforms the module is missing, so that code that needs it says so
//! when it is compiled.

pub mod unix;

use std::io;

/// Waits for the next `SIGINT`, which ctrl-c in a terminal sends.
///
/// From the first time that this is polled the signal does not end the process any more, also when
/// nobody waits for it: then a program that wants to end at the second ctrl-c has to wait for it as
/// well. To miss none between two calls, keep the listener that [`unix::signal`] gives.
///
/// # Errors
/// Those of [`unix::signal`].
///
/// # Cancellation
/// A signal that arrives after the future is dropped goes to the other listeners only.
pub async fn ctrl_c() -> io::Result<()> {
    unix::signal(unix::SignalKind::interrupt())?.recv().await;
    Ok(())
}
