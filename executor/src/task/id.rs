//! Task ids.

use crate::context;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Identifies a task. Unique in the process, never used again, in order of spawning.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Id(NonZeroU64);

impl Id {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Relaxed);
        // 2^64 tasks at one per nanosecond are 584 years.
        Id(NonZeroU64::new(id).unwrap_or(NonZeroU64::MAX))
    }

    pub(crate) fn as_u64(self) -> u64 {
        self.0.get()
    }
}

/// The id of the task that calls this.
///
/// # Panics
/// Outside a task, also inside `block_on`'s own future.
#[track_caller]
#[must_use]
pub fn id() -> Id {
    match try_id() {
        Some(id) => id,
        None => {
            panic!("`task::id` was called outside a task; use `task::try_id` where that may be")
        }
    }
}

/// The id of the task that calls this, if it is one.
#[must_use]
pub fn try_id() -> Option<Id> {
    context::task()
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
