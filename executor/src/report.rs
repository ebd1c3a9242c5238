//! What the runtime has to tell a person, on standard error.

use std::fmt;

/// Prints one line. If standard error is gone there is nobody left to tell.
///
/// Not through std's handle: a poll that was suspended while it printed holds that one's lock, and
/// the monitor must not wait for a poll.
pub(crate) fn warn(message: fmt::Arguments<'_>) {
    let line = format!("preempt: {message}\n");
    #[cfg(unix)]
    {
        // SAFETY: the buffer is valid for its length.
        unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
    }
    #[cfg(not(unix))]
    {
        use std::io::Write;
        drop(std::io::stderr().write_all(line.as_bytes()));
    }
}
