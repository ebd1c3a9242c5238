//! Runtimes: building them, running futures on them, shutting them down.

mod block_on;
mod builder;
mod config;
mod current_thread;
mod handle;
mod id;
#[doc(hidden)]
pub mod seeds;
mod shortage;
mod world;

pub use crate::cpus::{CpuLimits, CpuQuota, CpuThrottling, Rounding};
pub use crate::endpoint::{DebugEndpoint, DebugServer};
#[cfg(feature = "metrics")]
pub use crate::metrics::MetricsPublisher;
pub use crate::metrics::{
    Histogram, PriorityMetrics, Refusals, RuntimeMetrics, TaskStates, WorkerMetrics,
};
pub use crate::observe::{
    DumpedTask, Frame, Origin, Outcome, Profile, ProfileKind, ProfileSample, Stall, TaskDump,
    TaskState,
};
pub(crate) use block_on::{Sleeper, block_on, is_block_on_waker, waker};
pub use builder::Builder;
pub(crate) use builder::check_time_slice;
#[cfg(any(fuzzing, test))]
pub(crate) use builder::fuzz;
pub(crate) use config::{Config, Flavor, SeedSettings};
pub use handle::{EnterGuard, Handle, RuntimeFlavor, TryCurrentError};
pub use id::Id;
pub use preempt_fiber::Backend;
pub use world::{Obstacle, StopTheWorldError, UnstoppedTask, World};

use crate::blocking;
use crate::context::{self, BlockedBy};
use crate::debug;
use crate::metrics::SchedTrace;
#[cfg(unix)]
use crate::observe::DumpOnQuit;
use crate::scheduler::{Scheduler, seeded};
use crate::task::JoinHandle;
use crate::trace::{self, BlockOn};
use current_thread::CurrentThread;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long dropping a runtime waits for polls that do not end.
const PATIENCE_AT_DROP: Duration = Duration::from_secs(1);

/// A runtime: worker threads, timers and a monitor.
///
/// # Shutdown
/// Dropping the runtime drops the futures of all its tasks; a `JoinHandle` then returns a
/// cancelled [`JoinError`](crate::task::JoinError). It waits for the `spawn_blocking` closures that
/// have begun, however long they take, for the writes to files and standard streams whose bytes were
/// taken, and for at most a second for polls that are running: a poll that reaches neither a
/// checkpoint nor its end in that time goes on alone on its thread, and its task is dropped when it
/// ends. See [`shutdown_timeout`](Self::shutdown_timeout) and
/// [`shutdown_background`](Self::shutdown_background) for other limits. On a worker thread of its
/// own, and inside any `block_on`, the drop does not wait at all.
pub struct Runtime {
    handle: Handle,
    driver: Driver,
    /// `None`: it was shut down. `Some(None)`: a seeded runtime, which has no monitor.
    monitor: Mutex<Option<Option<thread::JoinHandle<()>>>>,
    debug_server: Option<DebugServer>,
    /// Ends when this is dropped.
    #[cfg(unix)]
    _dump_on_quit: Option<DumpOnQuit>,
    _schedtrace: Option<SchedTrace>,
}

enum Driver {
    /// The worker threads run the tasks.
    MultiThread,
    /// The thread in `block_on` does.
    CurrentThread(CurrentThread),
}

impl Runtime {
    /// A multi-threaded runtime with the default settings.
    ///
    /// # Errors
    /// When the operating system makes no thread, or `PREEMPT_WORKERS` is no valid number.
    pub fn new() -> io::Result<Runtime> {
        Builder::new_multi_thread().enable_all().build()
    }

    fn start(config: Config) -> io::Result<Runtime> {
        block_on::prepare();
        if config.trace_on_panic.is_some() {
            trace::triggers::install_panic_hook();
        }
        let flavor = config.flavor;
        let limits = config.limits();
        let (scheduler, monitor) = Scheduler::new(config).map_err(shortage::of_files)?;
        if scheduler.config.start_paused {
            scheduler.timers.clock.stop();
        }
        let driver = match flavor {
            Flavor::CurrentThread => Driver::CurrentThread(CurrentThread::new(&scheduler)),
            Flavor::MultiThread => Driver::MultiThread,
        };
        let start_monitor = || {
            let prepare = crate::scheduler::os_thread::prepare_monitor;
            monitor.start(scheduler.clone(), limits, prepare).map_err(shortage::of_threads)
        };
        let monitor = if scheduler.seeded.is_some() { None } else { Some(start_monitor()?) };
        let debug = debug::settings();
        let mut runtime = Runtime {
            debug_server: None,
            #[cfg(unix)]
            _dump_on_quit: DumpOnQuit::of(&scheduler)?,
            handle: Handle::of(&scheduler),
            driver,
            monitor: Mutex::new(Some(monitor)),
            _schedtrace: debug.schedtrace.and_then(|period| SchedTrace::start(&scheduler, period)),
        };
        if flavor == Flavor::MultiThread {
            // On an error the runtime is dropped, which ends the threads that were made.
            scheduler.make_fibers()?;
            scheduler.start_machines().map_err(shortage::of_threads)?;
        }
        runtime.debug_server = match &scheduler.config.debug_endpoint {
            Some(endpoint) => Some(endpoint.start(&runtime.handle)?),
            None => {
                debug.http.and_then(|addr| DebugServer::start_by_variable(&runtime.handle, addr))
            }
        };
        Ok(runtime)
    }

    /// A handle, which spawns tasks from anywhere.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Runs blocking code on a thread of its own.
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        blocking::spawn_blocking_on(&self.handle, work, Location::caller())
    }

    /// Runs a future on this thread until it is ready. On a current-thread runtime this thread
    /// runs the spawned tasks meanwhile.
    ///
    /// The future itself is never suspended in the middle of a poll, as it may hold what belongs
    /// to this thread; it gives way at its awaits only.
    ///
    /// # Panics
    /// Inside a task or another `block_on`; and if the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.enter();
        let _blocking = context::enter_block_on();
        match &self.driver {
            Driver::MultiThread if self.handle.scheduler().seeded.is_some() => {
                let _traced = BlockOn::begin(self.handle.scheduler());
                seeded::block_on(self.handle.scheduler(), future)
            }
            Driver::MultiThread => {
                let _traced = BlockOn::begin(self.handle.scheduler());
                block_on::block_on(future)
            }
            Driver::CurrentThread(driver) => driver.block_on(future),
        }
    }

    /// What a seeded runtime has decided until now, as a number: two runs with the same number went the
    /// same way. `None` on other runtimes. See [`Builder::new_seeded`].
    #[must_use]
    pub fn schedule_hash(&self) -> Option<u64> {
        self.handle.schedule_hash()
    }

    /// Makes this the runtime of the thread's context until the guard goes: `spawn` and timers
    /// work then.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Where [`Builder::debug_endpoint`] listens, or `PREEMPT_DEBUG=http=..`.
    #[must_use]
    pub fn debug_addr(&self) -> Option<SocketAddr> {
        self.debug_server.as_ref().map(DebugServer::local_addr)
    }

    /// A snapshot of what the runtime does.
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Shuts down and waits for at most `limit` for running polls and blocking closures. What has
    /// not ended by then goes on alone on its thread.
    pub fn shutdown_timeout(self, limit: Duration) {
        let deadline = Instant::now().checked_add(limit);
        self.shut_down(deadline, deadline);
    }

    /// Shuts down without waiting for anything.
    pub fn shutdown_background(self) {
        self.shutdown_timeout(Duration::ZERO);
    }

    /// May be called more than once; only the first time finds something to do.
    fn shut_down(&self, polls_until: Option<Instant>, blocking_until: Option<Instant>) {
        let Some(monitor) = self.monitor.lock().unwrap_or_else(PoisonError::into_inner).take()
        else {
            return;
        };
        let scheduler = self.handle.scheduler();
        {
            // Futures may spawn when they are dropped; that is refused, but not for want of a
            // context.
            let _entered = self.enter();
            scheduler.blocking.close();
            scheduler.close();
        }
        // If some machines stay, the last of them finishes, and the monitor goes on until then.
        if scheduler.machines.wait_until_gone(polls_until) {
            scheduler.finish();
            // It waits for nobody, and does not panic: no user code runs on it.
            drop(monitor.map(thread::JoinHandle::join));
        }
        scheduler.blocking.wait_until_gone(blocking_until);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if context::blocked_by() == BlockedBy::Nothing {
            self.shut_down(Some(Instant::now() + PATIENCE_AT_DROP), None);
        } else {
            let now = Some(Instant::now());
            self.shut_down(now, now);
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("handle", &self.handle).finish_non_exhaustive()
    }
}
