//! Where no call can be injected: no signal is sent, long polls are handed off.

use crate::scheduler::{Machine, Scheduler};
use preempt_sysmon::Interrupted;
use std::io;
use std::time::Duration;

/// # Errors
/// Always.
pub(crate) fn install(_signal: i32) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Calls `install`: no runtime has a handler.
///
/// # Errors
/// Those of `install`.
#[cfg(unix)]
pub(crate) fn share_signal(
    _signal: i32,
    _others: fn(i32),
    install: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    install()
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

pub(crate) fn cpu_time(_machine: &Machine) -> Option<Duration> {
    None
}

pub(crate) fn is_asleep(_machine: &Machine) -> bool {
    false
}

pub(crate) fn is_uninterruptible(_machine: &Machine) -> bool {
    false
}

/// Nothing is told apart here.
pub(crate) fn is_ordinary_code(_address: usize) -> bool {
    true
}
