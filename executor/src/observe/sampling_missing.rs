//! Where stacks cannot be sampled: no profile is made.

use super::profile::Profile;
use crate::scheduler::{Machine, Scheduler};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// # Errors
/// Always.
pub(super) fn cpu(
    _: &Scheduler,
    _: u32,
    _: Duration,
    _goes_on: &dyn Fn() -> bool,
) -> io::Result<Profile> {
    Err(io::ErrorKind::Unsupported.into())
}

/// # Errors
/// Always.
pub(super) fn delays(
    _: &Scheduler,
    _: Duration,
    _goes_on: &dyn Fn() -> bool,
) -> io::Result<Profile> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn note_delay(_: &Scheduler, _waited: impl FnOnce() -> u64) {}

pub(super) fn note_hand_off(_: &Scheduler, _: &Arc<Machine>, _waited: impl FnOnce() -> u64) {}
