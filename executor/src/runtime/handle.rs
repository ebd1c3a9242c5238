//! Handles to a runtime.

use super::config::Flavor;
use super::{DebugEndpoint, DebugServer, Id, RuntimeMetrics, block_on};
use crate::blocking;
use crate::context;
use crate::observe::{Profile, TaskDump};
use crate::scheduler::{Scheduler, seeded};
use crate::task::JoinHandle;
use crate::trace::{BlockOn, Tracer};
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A handle to a runtime: spawns tasks from anywhere. Does not keep the runtime from shutting
/// down; a task that is spawned afterwards is cancelled at once.
#[derive(Clone)]
pub struct Handle {
    scheduler: Arc<Scheduler>,
}

/// Who runs a runtime's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// The thread that is in `block_on`.
    CurrentThread,
    /// Threads of the runtime.
    MultiThread,
}

impl Handle {
    pub(crate) fn of(scheduler: &Arc<Scheduler>) -> Handle {
        Handle { scheduler: scheduler.clone() }
    }

    pub(crate) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    /// The runtime of this thread's context.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    #[must_use]
    pub fn current() -> Handle {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The runtime of this thread's context.
    ///
    /// # Errors
    /// Outside a runtime.
    pub fn try_current() -> Result<Handle, TryCurrentError> {
        context::handle().ok_or(TryCurrentError(()))
    }

    /// Spawns a task.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.scheduler.spawn(future, Location::caller())
    }

    /// Runs blocking code on a thread of its own.
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        blocking::spawn_blocking_on(self, work, Location::caller())
    }

    /// Runs a future on this thread until it is ready. On a current-thread runtime this does not
    /// run the spawned tasks; only [`Runtime::block_on`](super::Runtime::block_on) does.
    ///
    /// # Panics
    /// Inside a task or another `block_on`; and if the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.enter();
        let _blocking = context::enter_block_on();
        let _traced = BlockOn::begin(&self.scheduler);
        if self.scheduler.seeded.is_some() {
            return seeded::block_on(&self.scheduler, future);
        }
        block_on::block_on(future)
    }

    /// As [`Runtime::schedule_hash`](super::Runtime::schedule_hash).
    #[must_use]
    pub fn schedule_hash(&self) -> Option<u64> {
        self.scheduler.seeded.as_ref().map(|seeded| seeded.hash())
    }

    /// Makes this the runtime of the thread's context until the guard goes.
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard { _entered: context::enter(self.clone()), _handle: PhantomData }
    }

    /// Who runs the runtime's tasks.
    #[must_use]
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        match self.scheduler.config.flavor {
            Flavor::CurrentThread => RuntimeFlavor::CurrentThread,
            Flavor::MultiThread => RuntimeFlavor::MultiThread,
        }
    }

    /// Identifies the runtime.
    #[must_use]
    pub fn id(&self) -> Id {
        self.scheduler.id
    }

    /// Sets how many processors there are, that is, how many tasks run at the same time: from 1 to as many
    /// as the machine has, or as [`Builder::worker_threads`](super::Builder::worker_threads) said if that
    /// is more.
    ///
    /// Takes effect at once for [`metrics`](Self::metrics), and for each processor between two polls of its
    /// tasks: a poll that goes on is asked to give way, as if somebody waited. No task is lost. From then on
    /// the number does not follow what the process may use any more, see
    /// [`Builder::follow_cpu_limits`](super::Builder::follow_cpu_limits).
    ///
    /// # Errors
    /// When the number is out of range, on a current-thread or seeded runtime, after shutdown; and when the
    /// operating system makes no thread for another processor, in which case there are as many as it has
    /// made.
    pub fn set_processors(&self, count: usize) -> io::Result<()> {
        let scheduler = &self.scheduler;
        scheduler.follower.give_way_to(count, || scheduler.set_processors(count))
    }

    /// Where all tasks are: each with its state, and those that are being polled or are detached with
    /// their stacks.
    ///
    /// Blocks the calling thread, for milliseconds at first, when the program's symbols are read for the
    /// first time for longer. The tasks go on meanwhile: each detached one is held for the time that its
    /// stack is copied, and each that runs is interrupted by a signal for as long. It may be called from
    /// anywhere, also when every worker is in a poll that does not end.
    ///
    /// Stacks need x86-64 Linux with glibc, and those of running tasks the signals of
    /// [`Builder::forced_preemption`](super::Builder::forced_preemption). Tasks of a `LocalSet`, the
    /// future of `block_on` and closures of `spawn_blocking` are not included.
    ///
    /// # Errors
    /// When the operating system makes no thread.
    pub fn dump(&self) -> io::Result<TaskDump> {
        TaskDump::of(&self.scheduler)
    }

    /// Shows over HTTP what the runtime does, until the server is dropped. As
    /// [`Builder::debug_endpoint`](super::Builder::debug_endpoint), for runtimes that are there already.
    ///
    /// # Errors
    /// When nobody can listen there; when it is no loopback address and the endpoint does not allow
    /// others; when the operating system makes no thread.
    pub fn serve_debug(&self, endpoint: impl Into<DebugEndpoint>) -> io::Result<DebugServer> {
        DebugServer::start(self, endpoint.into())
    }

    /// What records the runtime's doings.
    #[must_use]
    pub fn tracer(&self) -> Tracer {
        Tracer::of(self)
    }

    /// Where the tasks use CPU time: samples the stacks of the worker threads, `hz` times a second of the
    /// CPU time of each; the system may not do more than 100 to 1,000.
    ///
    /// Blocks the calling thread for that long. The signal is SIGPROF; once used, its handler stays. What
    /// the runtime itself does between polls, and the threads for blocking work, are not told apart or not
    /// included.
    ///
    /// # Errors
    /// When another such profile is being made in the process, the application handles SIGPROF, the rate
    /// is not 1 to 10,000, or this is not x86-64 Linux with glibc.
    pub fn profile(&self, duration: Duration, hz: u32) -> io::Result<Profile> {
        Profile::cpu(&self.scheduler, hz, duration, &|| true)
    }

    /// Behind whom others wait: whenever a poll is detached or loses its worker's place, the time that
    /// others have waited until then is charged to its stack. Polls that yield when they are asked to are
    /// not included.
    ///
    /// Blocks the calling thread for that long.
    ///
    /// # Errors
    /// When another such profile is being made in the process, or this is not x86-64 Linux with glibc.
    pub fn profile_delays(&self, duration: Duration) -> io::Result<Profile> {
        Profile::delays(&self.scheduler, duration, &|| true)
    }

    /// A snapshot of what the runtime does.
    #[must_use]
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::of(&self.scheduler)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("flavor", &self.runtime_flavor()).finish_non_exhaustive()
    }
}

/// Ends a stay in a runtime's context, see [`Handle::enter`]. Guards of one thread go in the
/// reverse order in which they were made.
#[must_use = "the context ends when the guard is dropped"]
pub struct EnterGuard<'a> {
    _entered: context::Entered,
    _handle: PhantomData<(&'a Handle, *const ())>,
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard").finish_non_exhaustive()
    }
}

/// There is no runtime in the thread's context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TryCurrentError(());

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "there is no preempt runtime on this thread; call this inside a task or \
             `Runtime::block_on` (`#[preempt::main]`), keep the guard of `Handle::enter`, or use \
             the methods of a `Handle`",
        )
    }
}

impl std::error::Error for TryCurrentError {}
