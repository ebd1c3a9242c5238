//! The right to abort a task.

use super::{Id, Task};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Can abort a task, from anywhere and more than once.
#[derive(Clone)]
pub struct AbortHandle {
    task: Task,
}

impl AbortHandle {
    pub(super) fn new(task: Task) -> Self {
        AbortHandle { task }
    }

    /// Asks for the task's cancellation, see [`JoinHandle::abort`](super::JoinHandle::abort).
    pub fn abort(&self) {
        self.task.cancel();
    }

    /// Whether the task is complete. May be `false` for a moment after an abort.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.header().state.is_complete()
    }

    /// The task's id.
    #[must_use]
    pub fn id(&self) -> Id {
        self.task.id()
    }
}

// As of a `JoinHandle`.
impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.describe(f, "AbortHandle")
    }
}
