//! What the runtime has to tell a person, on standard error.

use std::fmt;
use std::io::Write;

/// Prints one line. If standard error is gone there is nobody left to tell.
pub(crate) fn warn(message: fmt::Arguments<'_>) {
    drop(writeln!(std::io::stderr(), "preempt: {message}"));
}
