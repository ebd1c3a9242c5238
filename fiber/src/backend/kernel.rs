//! The portable backend: every fiber runs on its own kernel thread, a switch hands over and sleeps.
//!
//! ```text
//!   thread of A (running)                       thread of B (asleep in `wait`)
//!   B.mailbox := handoff, open B's gate  ────>  takes the handoff, runs the post-switch action
//!   sleeps at A's gate                          (which may publish A: whoever continues A opens
//!                                                A's gate, be A already asleep or not yet)
//! ```
//!
//! Between opening B's gate and sleeping at its own, A's thread still runs, but only this file's code.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::os::gate::Gate;
use crate::switch::Handoff;

/// Written by whoever has the right to continue the context, read by its thread.
#[derive(Default)]
pub(crate) struct Context(Arc<Mailbox>);

#[derive(Default)]
struct Mailbox {
    gate: Gate,
    /// Ordered by the gate: stored before it opens, taken after.
    handoff: AtomicPtr<Handoff>,
}

impl Context {
    /// Wakes the context's thread with a handoff.
    pub(crate) fn continue_with(&self, handoff: *const Handoff) {
        // The thread may go on at once and drop the context while the gate is still being opened.
        let mailbox = Arc::clone(&self.0);
        mailbox.handoff.store(handoff.cast_mut(), Relaxed);
        mailbox.gate.open();
    }

    /// Sleeps until continued.
    pub(crate) fn wait(&self) -> *const Handoff {
        self.0.gate.wait();
        self.0.handoff.swap(null_mut(), Relaxed)
    }
}
