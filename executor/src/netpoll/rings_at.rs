//! When an alarm rings that anybody may bring forward.

use crate::sync::Mutex;

/// A time, or `None`: it is not set, as far as is known. The time may lie in the past: then the alarm
/// rings, or has rung, and the poll that it ends says so.
pub(super) struct RingsAt<T>(Mutex<Option<T>>);

impl<T> Default for RingsAt<T> {
    fn default() -> Self {
        RingsAt(Mutex::new(None))
    }
}

impl<T: Copy + PartialOrd> RingsAt<T> {
    /// Sees to it that it rings at `due` at the latest, by `set` if it would not.
    pub(super) fn bring_forward(&self, due: T, set: impl FnOnce()) {
        let mut at = self.0.lock();
        if at.is_some_and(|earlier| earlier <= due) {
            return;
        }
        *at = Some(due);
        set();
    }

    /// A poll has seen it ring. What was to be set meanwhile and seemed to be covered is set again
    /// by whoever polls next, or the monitor is told.
    pub(super) fn rang(&self) {
        *self.0.lock() = None;
    }
}
