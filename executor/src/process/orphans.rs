//! Processes that nobody waits for any more, and that have to be reaped all the same: until then
//! they are zombies, which count against the user's limit.
//!
//! The thread that passes signals on reaps them. It outlives every runtime.

use crate::signal::unix::{SignalKind, call_on_each};
use crate::sync::Mutex;
use std::process::Child;

static ORPHANS: Mutex<Vec<Child>> = Mutex::const_new(Vec::new());

/// Takes over a process that has not been reaped, as far as its owner knows.
pub(super) fn adopt(mut child: Child) {
    if !is_running(&mut child) {
        return;
    }
    ORPHANS.lock().push(child);
    // An error: no thread or no pipe is to be had. The next orphan tries again.
    drop(call_on_each(SignalKind::child(), reap));
    // It may have ended before there was a handler.
    reap();
}

/// Reaps those that have ended.
fn reap() {
    // Dropped outside the lock: that closes descriptors.
    let _ended: Vec<Child> = ORPHANS.lock().extract_if(.., |child| !is_running(child)).collect();
}

/// An error means that somebody else has reaped it.
fn is_running(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(None))
}
