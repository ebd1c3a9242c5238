//! Where stacks cannot be unwound: a report then names the task, and has no frames.

use super::who::Who;
use crate::context;
use crate::scheduler::{Machine, Scheduler};
use crate::task::Task;
use std::time::Instant;

/// Whose stack it would be.
pub(crate) struct Capture {
    pub(crate) who: Option<Who>,
    pub(crate) activity: Activity,
}

/// What a thread was found at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "nobody can tell here")]
pub(crate) enum Activity {
    Runs,
    Sleeps(Option<i64>),
}

impl Capture {
    pub(crate) fn new() -> Self {
        Capture { who: None, activity: Activity::Runs }
    }

    pub(crate) fn fill_here(&mut self) {
        self.who = context::current_task().map(Who::of);
    }

    pub(crate) fn addresses(&self) -> Vec<usize> {
        Vec::new()
    }
}

/// Where a suspended poll is, noted by itself.
pub(crate) struct Paused {
    who: Option<Who>,
    pub(crate) since: Instant,
}

impl Paused {
    /// The calling function is about to be left.
    pub(crate) fn here() -> Self {
        Paused { who: context::current_task().map(Who::of), since: Instant::now() }
    }

    /// # Safety
    /// None is needed here.
    pub(crate) unsafe fn look(&self, into: &mut Capture) {
        into.who = self.who;
    }
}

pub(crate) fn look_at(_scheduler: &Scheduler, _machine: &Machine) -> Option<Capture> {
    None
}

pub(crate) fn is_asleep(_machine: &Machine) -> bool {
    false
}

pub(crate) fn is_in_section(_machine: &Machine) -> bool {
    true
}

pub(crate) fn task_on(_scheduler: &Scheduler, _machine: &Machine) -> Option<Task> {
    None
}

pub(crate) fn system_call_name(_system_call: i64) -> Option<&'static str> {
    None
}
