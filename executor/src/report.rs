//! What the runtime has to tell a person, on standard error.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Prints one line. If standard error is gone there is nobody left to tell.
///
/// Not through std's handle: a poll that was suspended while it printed holds that one's lock, and
/// the monitor must not wait for a poll.
pub(crate) fn warn(message: fmt::Arguments<'_>) {
    line(format_args!("preempt: {message}"));
}

/// As [`warn`], without saying who prints it.
pub(crate) fn line(message: fmt::Arguments<'_>) {
    let line = format!("{message}\n");
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

/// Ends the process: an invariant that everything rests on is broken.
#[cold]
pub(crate) fn abort(message: fmt::Arguments<'_>) -> ! {
    warn(format_args!("{message}; aborting"));
    std::process::abort()
}

/// Calls user code that nobody waits for, so that its panic has nobody to go to.
pub(crate) fn contain(what: &str, user_code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(user_code)) {
        lost_panic(what, payload);
    }
}

/// Tells of a panic that nobody can be given. The panic hook has printed the message; what is lost
/// is only that somebody could catch it.
pub(crate) fn lost_panic(what: &str, payload: Box<dyn Any + Send>) {
    warn(format_args!("{what} panicked while it was dropped or woken; going on"));
    // The drop of a payload is user code as well. Of a second panic not even that remains.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(payload);
    }
}
