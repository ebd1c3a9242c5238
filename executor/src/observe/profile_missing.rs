//! Where stacks cannot be sampled: no profile is made.

use super::symbols::Frame;
use crate::scheduler::{Machine, Scheduler};
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// What the values of a profile are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileKind {
    /// CPU time.
    Cpu,
    /// Time that others waited for a worker.
    Delay,
}

/// What a profile has found. There is none on this platform.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// What the values are.
    pub kind: ProfileKind,
    /// How long it took.
    pub duration: Duration,
    /// CPU time between two samples.
    pub period: Duration,
    /// The samples, those of the same stack and origin together.
    pub samples: Vec<ProfileSample>,
    /// How many were left out for want of room.
    pub lost: u64,
}

/// Samples of one stack.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProfileSample {
    /// What the task was called.
    pub task: Option<String>,
    /// Where the task was spawned.
    pub spawned_at: Option<&'static Location<'static>>,
    /// The stack, the innermost function first.
    pub frames: Vec<Frame>,
    /// How many there were.
    pub count: u64,
    /// CPU time, or time that others waited.
    pub time: Duration,
}

impl Profile {
    pub(crate) fn cpu(_: &Scheduler, _: Duration, _: u32) -> io::Result<Profile> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn delays(_: &Scheduler, _: Duration) -> io::Result<Profile> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// One line per stack, as flame-graph tools read them.
    #[must_use]
    pub fn folded(&self) -> String {
        String::new()
    }
}

pub(super) fn note_delay(_: &Scheduler, _waited: impl FnOnce() -> u64) {}

pub(super) fn note_hand_off(_: &Scheduler, _: &Arc<Machine>, _waited: impl FnOnce() -> u64) {}
