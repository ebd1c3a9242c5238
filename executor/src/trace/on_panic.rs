//! Writing the trace when something panics.

use super::snapshot::Trace;
use crate::context;
use crate::report;
use std::panic;
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::Ordering::Relaxed;

/// Installs, once per process, a panic hook that calls the one before it and then writes the trace of
/// the runtime that the thread is in, if that is to be.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |information| {
            previous(information);
            write_trace();
        }));
    });
}

fn write_trace() {
    let Some(handle) = context::handle() else { return };
    let scheduler = handle.scheduler();
    let Some(path) = &scheduler.config.trace_on_panic else { return };
    // What led to the first panic is not to be replaced by what led to its consequences.
    if scheduler.trace_written.swap(true, Relaxed) {
        return;
    }
    tell(path, Trace::of(scheduler, None).write_to(path));
}

fn tell(path: &Path, result: std::io::Result<()>) {
    match result {
        Ok(()) => report::warn(format_args!(
            "the execution trace of this panic is in {}; open it with https://ui.perfetto.dev",
            path.display()
        )),
        Err(error) => report::warn(format_args!(
            "the execution trace cannot be written to {}: {error}",
            path.display()
        )),
    }
}
