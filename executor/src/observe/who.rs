//! Which task it was: a copy that outlives the task.

use crate::task::TaskHeader;
use std::panic::Location;

/// What is kept of a name: longer ones are cut off.
const MOST_NAME_BYTES: usize = 64;

/// A task, as far as a person wants to know it. Without memory of its own, so that a signal handler
/// can make one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub(crate) id: u64,
    pub(crate) spawned_at: &'static Location<'static>,
    name: [u8; MOST_NAME_BYTES],
    name_length: usize,
}

impl Who {
    /// Signal-safe.
    pub(crate) fn of(task: &TaskHeader) -> Self {
        let mut name = [0; MOST_NAME_BYTES];
        let given = task.name().unwrap_or_default().as_bytes();
        let name_length = given.len().min(MOST_NAME_BYTES);
        name[..name_length].copy_from_slice(&given[..name_length]);
        Who { id: task.id().as_u64(), spawned_at: task.spawned_at(), name, name_length }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> Option<String> {
        let name = &self.name[..self.name_length];
        (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
    }
}
