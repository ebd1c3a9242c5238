//! Do the signals that are sent still reach our handler?
//!
//! The application may have put another action in its place. The action alone does not tell: a
//! handler that was installed after ours may call it, and is then as good as ours. So signals go on
//! being sent for a while, and those are counted that are not pending any more, but did not come to
//! our handler either:
//!
//! | the signal's action | of the signals that were sent | send more? |
//! |---|---|---|
//! | our handler | - | yes |
//! | another function | fewer than [`ENOUGH`] were lost since the last that came | yes |
//! | another function | as many were lost | no |
//! | the default, or to ignore it | - | no: the default of most signals ends the process |
//!
//! While the answer is no, polls are handed off, and a person is told once. It becomes yes again
//! when our handler is back, or when a signal comes after all.
//!
//! # Signal safety
//! [`arrived`] is one addition to an atomic. The rest is the monitor's.
//!
//! # Rejected
//! * Taking the signal back: the application wants its handler, and ours would have to guess whether
//!   to call it.
//! * To count signals that are only late: on a busy machine a thread may have no processor for longer
//!   than any limit that is still of use (found by `a_handler_that_calls_the_runtimes_changes_nothing`).
//! * To look only after a signal was lost: the default action would have ended the process.

use super::thread_status::is_pending;
use crate::report;
use crate::sync::Mutex;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Of a thread that has taken the signal, but was stopped by the system before it called our
/// handler, one seems to be lost; the next one is pending then.
const ENOUGH: u32 = 5;

/// Our handler, as it was installed.
static HANDLER: AtomicUsize = AtomicUsize::new(0);
/// How many of our signals have come to our handler.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

static LOST: Mutex<Lost> = Mutex::const_new(Lost { arrived: 0, signals: 0 });

/// Signals that were taken by somebody else.
struct Lost {
    /// `ARRIVED` when they were counted. If it has changed since, they are out of date.
    arrived: u64,
    signals: u32,
}

/// The handler was installed.
pub(super) fn installed(handler: usize) {
    HANDLER.store(handler, Relaxed);
}

/// One of our signals has come to our handler.
pub(super) fn arrived() {
    ARRIVED.fetch_add(1, Relaxed);
}

/// The last signal to the thread has not come for so long that it is sent again.
pub(super) fn missed(signal: i32, thread: usize) {
    let arrived = ARRIVED.load(Relaxed);
    let is_ours = action(signal) == Some(HANDLER.load(Relaxed));
    if is_ours || is_pending(thread, signal) != Some(false) {
        return;
    }
    let mut lost = LOST.lock();
    if lost.arrived != arrived {
        *lost = Lost { arrived, signals: 0 };
    }
    lost.signals = lost.signals.saturating_add(1);
}

/// Whether to send the signal.
pub(super) fn is_worth_sending(signal: i32) -> bool {
    let is_replaced = match action(signal) {
        Some(libc::SIG_DFL | libc::SIG_IGN) => true,
        Some(handler) if handler != HANDLER.load(Relaxed) => enough_were_lost(),
        _ => {
            LOST.lock().signals = 0;
            false
        }
    };
    if is_replaced {
        warn_once(signal);
    }
    !is_replaced
}

fn enough_were_lost() -> bool {
    let lost = LOST.lock();
    lost.arrived == ARRIVED.load(Relaxed) && lost.signals >= ENOUGH
}

/// The address of the signal's handler, or one of the two numbers that stand for other actions.
fn action(signal: i32) -> Option<usize> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the place is valid, and nothing is changed.
    let result = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zeros are valid, and else `sigaction` has filled it in.
    let action = unsafe { action.assume_init() };
    (result == 0).then_some(action.sa_sigaction)
}

fn warn_once(signal: i32) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Relaxed) {
        report::warn(format_args!(
            "signal {signal} does not reach the runtime any more: after the runtime was built, its \
             handler was replaced by an action that does not call it. Tasks without checkpoints are \
             handed off to other threads instead of being suspended. Install the other handler \
             before the runtime is built, which then calls it for all signals but its own, or \
             choose another signal with `Builder::preemption_signal`"
        ));
    }
}
