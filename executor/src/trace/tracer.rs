//! What users see of the recorder.

use super::snapshot::Trace;
use crate::runtime::Handle;
use std::fmt;
use std::time::Duration;

/// Records what a runtime does: [`Handle::tracer`].
///
/// It is a flight recorder. While it records, each thread that runs tasks keeps its latest events,
/// and [`snapshot`](Self::snapshot) copies them at any time, also from a panic hook, or when
/// something is found to take too long: the events that led there are still known. It is off unless
/// [`Builder::trace`](crate::runtime::Builder::trace) or [`start`](Self::start) switches it on.
///
/// ```
/// use preempt_executor::runtime::Runtime;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = Runtime::new()?;
/// let tracer = runtime.handle().tracer();
/// tracer.start();
/// runtime.block_on(runtime.spawn(async {})).unwrap();
/// let trace = tracer.snapshot();
/// assert!(!trace.is_empty());
/// let bytes = trace.to_perfetto(); // To be opened with https://ui.perfetto.dev.
/// # assert!(!bytes.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tracer {
    handle: Handle,
}

impl Tracer {
    pub(crate) fn of(handle: &Handle) -> Self {
        Tracer { handle: handle.clone() }
    }

    /// Records from now on, in addition to what is recorded already.
    pub fn start(&self) {
        self.handle.scheduler().recorder.start();
    }

    /// Records no more. What was recorded is kept.
    pub fn stop(&self) {
        self.handle.scheduler().recorder.stop();
    }

    /// Whether it records.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.handle.scheduler().recorder.is_on()
    }

    /// A copy of what was recorded. The runtime goes on meanwhile. Not for signal handlers: it
    /// allocates.
    #[must_use]
    pub fn snapshot(&self) -> Trace {
        Trace::of(self.handle.scheduler(), None)
    }

    /// As [`snapshot`](Self::snapshot), of the last so long.
    #[must_use]
    pub fn snapshot_last(&self, last: Duration) -> Trace {
        Trace::of(self.handle.scheduler(), Some(last))
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}
