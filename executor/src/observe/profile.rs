//! What a profile has found. `sampling.rs` makes it, `pprof.rs` makes a file of it.

use super::sampling;
use super::symbols::Frame;
use crate::scheduler::Scheduler;
use std::io;
use std::panic::Location;
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

/// What [`Handle::profile`](crate::runtime::Handle::profile) and
/// [`Handle::profile_delays`](crate::runtime::Handle::profile_delays) have found.
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
    /// How many were left out: there was no room for them, or the poll was over before its stack was
    /// looked at.
    pub lost: u64,
}

/// Samples of one stack.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProfileSample {
    /// What the task was called; `None`: it has no name, or no task was being polled.
    pub task: Option<String>,
    /// Where the task was spawned; `None`: no task was being polled.
    pub spawned_at: Option<&'static Location<'static>>,
    /// The stack, the innermost function first.
    pub frames: Vec<Frame>,
    /// How many there were.
    pub count: u64,
    /// CPU time, or time that others waited.
    pub time: Duration,
}

impl Profile {
    /// Of CPU time, for so long, or until `goes_on`, which is called in between, says no.
    ///
    /// # Errors
    /// When another one is being made, somebody else uses SIGPROF, the rate is out of range, or stacks
    /// cannot be sampled here.
    pub(crate) fn cpu(
        scheduler: &Scheduler,
        hz: u32,
        duration: Duration,
        goes_on: &dyn Fn() -> bool,
    ) -> io::Result<Profile> {
        sampling::cpu(scheduler, hz, duration, goes_on)
    }

    /// Of the time that others wait, likewise.
    ///
    /// # Errors
    /// When another one is being made, or stacks cannot be sampled here.
    pub(crate) fn delays(
        scheduler: &Scheduler,
        duration: Duration,
        goes_on: &dyn Fn() -> bool,
    ) -> io::Result<Profile> {
        sampling::delays(scheduler, duration, goes_on)
    }

    /// One line per stack, as flame-graph tools read them: the task and its functions from the outermost
    /// to the innermost, separated by semicolons, and the value: microseconds.
    #[must_use]
    pub fn folded(&self) -> String {
        let line = |sample: &ProfileSample| {
            let task = sample.title();
            let functions = sample.frames.iter().rev().map(|frame| match &frame.function {
                Some(function) => function.clone(),
                None => format!("{:#x}", frame.address),
            });
            let stack: Vec<_> =
                std::iter::once(task).chain(functions).map(|name| name.replace(';', ":")).collect();
            format!("{} {}\n", stack.join(";"), sample.time.as_micros())
        };
        self.samples.iter().map(line).collect()
    }
}

impl ProfileSample {
    /// What the task is shown as.
    fn title(&self) -> String {
        match (&self.task, self.spawned_at) {
            (Some(name), _) => name.clone(),
            (None, Some(spawned_at)) => format!("task spawned at {spawned_at}"),
            (None, None) => "no task".to_owned(),
        }
    }
}
