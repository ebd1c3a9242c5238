//! The settings of a runtime, checked.

use crate::cpus::Rounding;
use crate::endpoint::EndpointSetting;
use crate::observe::Stall;
use crate::scheduler::{Shares, TURNS_PER_SLICE};
use preempt_fiber::{Backend, Pool};
use preempt_sysmon::policy::Limits;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Who runs the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// Threads of the runtime.
    MultiThread,
    /// The thread that is in `block_on`.
    CurrentThread,
}

/// How many polls may go on without a processor at a time, each on its own thread.
const MOST_HAND_OFFS: usize = 256;

/// How long a poll keeps its processor after it was asked to give way: time to reach a checkpoint.
const PATIENCE: Duration = Duration::from_millis(1);

/// How long after it was asked a poll without checkpoints is interrupted, and how long one that was
/// at an unsafe point is left until the next try.
const INTERRUPT_INTERVAL: Duration = Duration::from_micros(20);

/// How many fibers are kept ready at most.
const MOST_SPARE_FIBERS: usize = 8;

/// How long a poll may run when a fresh task waits and every processor is busy.
const GRACE: Duration = Duration::from_micros(100);

pub(crate) type ThreadHook = Arc<dyn Fn() + Send + Sync>;

pub(crate) type StallHook = Arc<dyn Fn(&Stall) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) flavor: Flavor,
    /// How many processors there are at first, and how many there can be.
    pub(crate) processors: usize,
    pub(crate) most_processors: usize,
    /// Whether their number follows what the process may use.
    pub(crate) follow_cpu_limits: bool,
    pub(crate) quota_rounding: Rounding,
    /// Where `proc` and `sys` are.
    pub(crate) system_root: PathBuf,
    pub(crate) time_slice: Duration,
    /// How the classes of tasks share the time.
    pub(crate) shares: Shares,
    /// Whether the monitor may hand processors off. Checkpoints and `block_in_place` always do.
    pub(crate) hand_off: bool,
    pub(crate) forced_preemption: bool,
    pub(crate) preemption_signal: i32,
    pub(crate) max_detached: usize,
    pub(crate) backend: Option<Backend>,
    pub(crate) preempt_on_wake: bool,
    pub(crate) max_blocking_threads: usize,
    pub(crate) blocking_keep_alive: Duration,
    pub(crate) thread_name: String,
    pub(crate) thread_stack_size: Option<usize>,
    pub(crate) on_thread_start: Option<ThreadHook>,
    pub(crate) on_thread_stop: Option<ThreadHook>,
    /// How long a poll may keep others waiting before it is reported; `None`: none is.
    pub(crate) stall_threshold: Option<Duration>,
    pub(crate) on_stall: Option<StallHook>,
    pub(crate) dump_on_quit: bool,
    /// Whether the times of polls are counted, and how long tasks wait for them.
    pub(crate) poll_time_histogram: bool,
    pub(crate) schedule_latency_histogram: bool,
    /// Whether events are recorded from the start.
    pub(crate) trace: bool,
    /// The bytes of events that are kept for each thread.
    pub(crate) trace_bytes: usize,
    /// The file that the trace of the first panic goes to.
    pub(crate) trace_on_panic: Option<PathBuf>,
    /// And that of the first stall.
    pub(crate) trace_on_stall: Option<PathBuf>,
    pub(crate) debug_endpoint: Option<EndpointSetting>,
    /// The clock is stopped from the start.
    pub(crate) start_paused: bool,
    /// What decides the order of everything, on a runtime for tests.
    pub(crate) seeded: Option<SeedSettings>,
}

/// The settings of a seeded runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeedSettings {
    pub(crate) seed: u64,
    /// How likely a poll is preempted at a checkpoint, 0 to 1.
    pub(crate) preempt_probability: f64,
}

impl Config {
    /// The times that the monitor decides by.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            time_slice: self.time_slice,
            grace: self.grace(),
            turn: self.time_slice / TURNS_PER_SLICE,
            interrupt_interval: self.sends_signals().then_some(INTERRUPT_INTERVAL),
            patience: self.hand_off.then_some(PATIENCE),
        }
    }

    /// How long a poll may run when a fresh task waits and every processor is busy, if that is less
    /// than a time slice.
    pub(crate) fn grace(&self) -> Option<Duration> {
        self.preempt_on_wake.then_some(GRACE)
    }

    /// Whether polls are suspended by signals, where the platform can.
    pub(crate) fn sends_signals(&self) -> bool {
        self.flavor == Flavor::MultiThread && self.forced_preemption && self.max_detached > 0
    }

    /// How many fibers are kept ready for the next polls that are detached.
    pub(crate) fn spare_fibers(&self) -> usize {
        (self.processors + 1).min(MOST_SPARE_FIBERS).min(self.max_detached)
    }

    /// One for each machine, also for those that are blocked in a poll, each detached poll, and
    /// spare ones.
    pub(crate) fn most_fibers(&self) -> usize {
        self.most_machines() + self.max_detached + MOST_SPARE_FIBERS
    }

    /// A pool without fibers; `None`: nothing is to be detached, or nothing can be on this platform.
    ///
    /// # Errors
    /// When the environment variable that chooses the backend names none.
    pub(crate) fn fiber_pool(&self) -> io::Result<Option<Pool>> {
        if self.max_detached == 0 {
            return Ok(None);
        }
        let builder = preempt_fiber::Builder::new()
            .max_fibers(self.most_fibers())
            .thread_name(self.thread_name.clone());
        let builder = match self.backend {
            Some(backend) => builder.backend(backend),
            None => builder,
        };
        let builder = match self.thread_stack_size {
            Some(bytes) => builder.stack_bytes(bytes),
            None => builder,
        };
        match builder.build() {
            Ok(pool) => Ok(Some(pool)),
            Err(preempt_fiber::Error::Unsupported(None)) => Ok(None),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
        }
    }

    pub(crate) fn most_machines(&self) -> usize {
        self.most_processors + MOST_HAND_OFFS
    }

    pub(crate) fn thread_builder(&self) -> thread::Builder {
        let builder = thread::Builder::new().name(self.thread_name.clone());
        match self.thread_stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }

    pub(crate) fn has_thread_hooks(&self) -> bool {
        self.on_thread_start.is_some() || self.on_thread_stop.is_some()
    }

    pub(crate) fn on_thread_start(&self) {
        if let Some(hook) = &self.on_thread_start {
            hook();
        }
    }

    pub(crate) fn on_thread_stop(&self) {
        if let Some(hook) = &self.on_thread_stop {
            hook();
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("flavor", &self.flavor)
            .field("processors", &self.processors)
            .field("time_slice", &self.time_slice)
            .field("shares", &self.shares)
            .field("hand_off", &self.hand_off)
            .field("forced_preemption", &self.forced_preemption)
            .field("max_detached", &self.max_detached)
            .field("backend", &self.backend)
            .field("preempt_on_wake", &self.preempt_on_wake)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("thread_name", &self.thread_name)
            .finish_non_exhaustive()
    }
}
