//! Where no call can be injected: no signal is sent, long polls are handed off.

use crate::scheduler::{Machine, Scheduler};
use preempt_sysmon::Interrupted;
use std::io;

/// # Errors
/// Always.
pub(crate) fn install(_signal: i32) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Calls `f` with the preemption signal: there is none.
#[cfg(unix)]
pub(crate) fn with_installed_signal<R>(f: impl FnOnce(Option<i32>) -> R) -> R {
    f(None)
}

pub(crate) fn prepare() {}

pub(crate) fn refused_while_switching() -> u64 {
    0
}

pub(crate) fn prepare_signal_mask() -> u64 {
    0
}

pub(crate) fn interrupt(_scheduler: &Scheduler, _machine: &Machine) -> Interrupted {
    Interrupted::Done
}
