//! `PREEMPT_DEBUG=schedtrace=1000`: a line about the scheduler each second, as Go prints them.
//!
//! By a thread of its own: standard error may be a pipe that nobody reads, and the monitor must not
//! wait for that.

use super::snapshot::RuntimeMetrics;
use crate::report;
use crate::scheduler::Scheduler;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Ends the lines when it goes.
#[derive(Debug)]
pub(crate) struct SchedTrace {
    _stop: Sender<()>,
}

impl SchedTrace {
    /// Prints a line in each period from now on, if there is a thread to be had.
    pub(crate) fn start(scheduler: &Arc<Scheduler>, period: Duration) -> Option<Self> {
        let (stop, stopped) = channel();
        let scheduler = Arc::downgrade(scheduler);
        let builder = thread::Builder::new().name("preempt-trace".to_owned());
        // Nobody waits for its end: it may be waiting for standard error.
        let started = builder.spawn(move || {
            let began = Instant::now();
            let mut next = began + period;
            let until = |next: Instant| next.saturating_duration_since(Instant::now());
            while stopped.recv_timeout(until(next)) == Err(RecvTimeoutError::Timeout) {
                if !print(&scheduler, began.elapsed()) {
                    break;
                }
                // One that is late is not made up for.
                let now = Instant::now();
                next = if next + period > now { next + period } else { now + period };
            }
        });
        match started {
            Ok(_) => Some(SchedTrace { _stop: stop }),
            Err(error) => {
                report::warn(format_args!("there is no thread for `schedtrace`: {error}"));
                None
            }
        }
    }
}

/// `false`: the runtime is gone.
fn print(scheduler: &Weak<Scheduler>, elapsed: Duration) -> bool {
    let Some(scheduler) = scheduler.upgrade() else { return false };
    let (idle, searching) = scheduler.idle.numbers();
    let metrics = RuntimeMetrics::of(&scheduler);
    let line = Line { elapsed, idle, searching, runtime: scheduler.id, metrics: &metrics };
    report::line(format_args!("{line}"));
    true
}

struct Line<'a> {
    elapsed: Duration,
    idle: usize,
    searching: usize,
    runtime: crate::runtime::Id,
    metrics: &'a RuntimeMetrics,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = self.metrics;
        let numbers = [
            ("procs", metrics.processors),
            ("idle", self.idle),
            ("searching", self.searching),
            ("threads", metrics.machine_threads),
            ("spare", metrics.spare_machine_threads),
            ("blocking", metrics.blocking_threads),
            ("tasks", metrics.live_tasks),
            ("detached", metrics.detached_polls),
            ("timers", metrics.live_timers),
            ("queued", metrics.queued_tasks),
            ("injector", metrics.injection_queue_depth),
            ("background", metrics.background_queue_depth),
        ];
        write!(f, "SCHED {}ms:", self.elapsed.as_millis())?;
        numbers.iter().try_for_each(|(name, number)| write!(f, " {name}={number}"))?;
        for (index, worker) in metrics.workers.iter().enumerate() {
            let before = if index == 0 { " [" } else { " " };
            write!(f, "{before}{}", worker.local_queue_depth)?;
        }
        write!(f, "] runtime={}", self.runtime)
    }
}
