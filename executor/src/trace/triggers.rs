//! Writing the trace when something happens: the first panic, the first stall.

use super::snapshot::Trace;
use crate::context;
use crate::report;
use crate::scheduler::Scheduler;
use std::panic;
use std::path::PathBuf;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A file for the trace of the first time that something happens: what led to that is not to be
/// replaced by what led to its consequences.
#[derive(Debug)]
pub(crate) struct TraceOnce {
    path: Option<PathBuf>,
    was_written: AtomicBool,
}

impl TraceOnce {
    /// `None`: nothing is ever written.
    pub(crate) fn new(path: Option<PathBuf>) -> Self {
        TraceOnce { path, was_written: AtomicBool::new(false) }
    }

    /// It has happened.
    fn write(&self, scheduler: &Scheduler, what: &str) {
        let Some(path) = &self.path else { return };
        if self.was_written.swap(true, Relaxed) {
            return;
        }
        let path_shown = path.display();
        match Trace::of(scheduler, None).write_to(path) {
            Ok(()) => report::warn(format_args!(
                "the execution trace of this {what} is in {path_shown}; open it with \
                 https://ui.perfetto.dev"
            )),
            Err(error) => report::warn(format_args!(
                "the execution trace of this {what} cannot be written to {path_shown}: {error}"
            )),
        }
    }
}

/// Installs, once per process, a panic hook that calls the one before it and then writes the trace of
/// the runtime that the thread is in, if that is to be.
pub(crate) fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |information| {
            previous(information);
            if let Some(handle) = context::handle() {
                let scheduler = handle.scheduler();
                scheduler.trace_of_panic.write(scheduler, "panic");
            }
        }));
    });
}

/// A stall was reported.
pub(crate) fn note_stall(scheduler: &Scheduler) {
    scheduler.trace_of_stall.write(scheduler, "stall");
}
