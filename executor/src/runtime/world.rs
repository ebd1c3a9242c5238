//! Stopping the world: what users see of it. How it is done: `scheduler/world.rs`.

use super::Handle;
use crate::observe::Who;
use crate::scheduler::Scheduler;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// How long [`Handle::stop_the_world`] tries.
const LIMIT: Duration = Duration::from_millis(100);

impl Handle {
    /// Runs `work` while no task's code runs on the runtime's workers: for a consistent look at what the
    /// tasks share, for changing what they must not see change.
    ///
    /// As [`stop_the_world_within`](Self::stop_the_world_within), with a limit of 100 ms.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), preempt_executor::runtime::StopTheWorldError> {
    /// let runtime = preempt_executor::runtime::Runtime::new().unwrap();
    /// runtime.spawn(async { loop { std::hint::spin_loop() } });
    /// let queued = runtime.handle().stop_the_world(|world| world.queued())?;
    /// println!("{queued} tasks are ready to run");
    /// # runtime.shutdown_background();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`stop_the_world_within`](Self::stop_the_world_within).
    ///
    /// # Panics
    /// If `work` does; the world goes on then.
    pub fn stop_the_world<R>(
        &self,
        work: impl FnOnce(&World<'_>) -> R,
    ) -> Result<R, StopTheWorldError> {
        self.stop_the_world_within(LIMIT, work)
    }

    /// Runs `work` while no task's code runs on the runtime's workers, if they can be stopped within
    /// `limit`; else the world goes on at once.
    ///
    /// It may be called from anywhere: in a task, in `block_on`, in `spawn_blocking`, on any other thread. It
    /// blocks the calling thread, and waits for its turn first if somebody else stops the world; the limit
    /// begins with its turn.
    ///
    /// # Who stands still
    /// Each task that is being polled yields or is suspended in the middle, as if others had waited for
    /// too long: at a checkpoint, or at any instruction by a signal. The calling task is not suspended.
    /// A poll that sleeps in the kernel, in a system call or at a lock, is left there and counts as stopped
    /// ([`World::asleep`]); if it wakes up while `work` runs it is stopped again, at its next checkpoint,
    /// or by a signal within about a millisecond.
    ///
    /// Not included is what runs beside the workers: code in [`block_in_place`](crate::block_in_place) and
    /// [`spawn_blocking`](crate::spawn_blocking), the future of a `block_on` (of a multi-thread runtime, or
    /// on a thread that does not run the tasks of its current-thread runtime) with the
    /// [`LocalSet`](crate::task::LocalSet) in it; and, if the runtime shuts down meanwhile, the futures that
    /// the thread drops which does that.
    ///
    /// # What `work` may do
    /// It should be short: nobody makes progress. It must not wait for what a task has, a lock, a
    /// message: the task may be suspended in the middle of what it does with it. That includes the lock of
    /// standard output, if tasks print. Use `try_lock`, or let the tasks change what they share in
    /// a section that is not suspended, `no_preempt`.
    /// What tasks wrote before they were stopped is visible to it, and what it writes to them, except to
    /// and from those that sleep in the kernel. Tasks that it spawns or wakes run afterwards.
    ///
    /// Two threads that each stop the world of one runtime, and in it that of the other's, wait for each
    /// other for ever.
    ///
    /// # Errors
    /// [`StopTheWorldError`]; it names the tasks that could not be stopped, and why.
    ///
    /// # Panics
    /// If `work` does; the world goes on then.
    pub fn stop_the_world_within<R>(
        &self,
        limit: Duration,
        work: impl FnOnce(&World<'_>) -> R,
    ) -> Result<R, StopTheWorldError> {
        self.scheduler().stop_the_world(limit, work)
    }
}

/// A runtime whose tasks stand still, see [`Handle::stop_the_world`].
pub struct World<'a> {
    scheduler: &'a Scheduler,
    asleep: usize,
    stopped_in: Duration,
}

impl<'a> World<'a> {
    pub(crate) fn new(scheduler: &'a Scheduler, asleep: usize, stopped_in: Duration) -> Self {
        World { scheduler, asleep, stopped_in }
    }

    /// How many polls slept in the kernel when all others stood still. They may wake up, and are then
    /// stopped again.
    #[must_use]
    pub fn asleep(&self) -> usize {
        self.asleep
    }

    /// How many workers stand still: all that the runtime has. If a task stops the world, its own is one of
    /// them.
    #[must_use]
    pub fn processors(&self) -> usize {
        self.scheduler.active_processors()
    }

    /// How many polls are suspended in the middle, for this stop or from before.
    #[must_use]
    pub fn detached(&self) -> usize {
        self.scheduler.suspended_polls()
    }

    /// How many tasks are ready, and wait for a poll to begin.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.scheduler.queued_tasks()
    }

    /// How long it took until all stood still, without the wait for a turn.
    #[must_use]
    pub fn stopped_in(&self) -> Duration {
        self.stopped_in
    }
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("processors", &self.processors())
            .field("asleep", &self.asleep)
            .field("detached", &self.detached())
            .field("queued", &self.queued())
            .field("stopped_in", &self.stopped_in)
            .finish()
    }
}

/// Why the world was not stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopTheWorldError {
    /// Some tasks did not come to a stop within the limit.
    #[non_exhaustive]
    Unstopped {
        /// How long it was tried.
        limit: Duration,
        /// What kept it from stopping.
        tasks: Vec<UnstoppedTask>,
    },
    /// The runtime has shut down, or was shut down before all tasks stood still.
    Closed,
    /// The calling thread has stopped this world already.
    Nested,
}

impl StopTheWorldError {
    /// The tasks that could not be stopped; none if it was not for that.
    #[must_use]
    pub fn tasks(&self) -> &[UnstoppedTask] {
        match self {
            StopTheWorldError::Unstopped { tasks, .. } => tasks,
            _ => &[],
        }
    }
}

impl fmt::Display for StopTheWorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopTheWorldError::Unstopped { limit, tasks } => {
                write!(f, "the world did not stop within {limit:?}")?;
                if tasks.is_empty() {
                    write!(f, "; what kept it came to a stop just then; a longer limit helps")?;
                }
                tasks.iter().try_for_each(|task| write!(f, "; {task}"))
            }
            StopTheWorldError::Closed => {
                f.write_str("the runtime has shut down, so there is no world to stop")
            }
            StopTheWorldError::Nested => f.write_str(
                "this thread has stopped the world already: `stop_the_world` was called inside the \
                 closure of another, which should do it all itself",
            ),
        }
    }
}

impl Error for StopTheWorldError {}

/// What kept the world from stopping.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnstoppedTask {
    /// The task's number; `None`: it is not known, or no task but the runtime itself, or the future of
    /// a `block_on`.
    pub id: Option<u64>,
    /// What it was called by `task::Builder::name`.
    pub name: Option<String>,
    /// Where it was spawned.
    pub spawned_at: Option<&'static Location<'static>>,
    /// What was in the way.
    pub obstacle: Obstacle,
}

impl UnstoppedTask {
    pub(crate) fn new(who: Option<Who>, obstacle: Obstacle) -> Self {
        UnstoppedTask {
            id: who.map(|who| who.id),
            name: who.and_then(|who| who.name()),
            spawned_at: who.map(|who| who.spawned_at),
            obstacle,
        }
    }
}

impl fmt::Display for UnstoppedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "task {id}")?,
            None => write!(f, "a worker")?,
        }
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        if let Some(spawned_at) = self.spawned_at {
            write!(f, " (spawned at {spawned_at})")?;
        }
        write!(f, " {}", self.obstacle)
    }
}

/// What was in the way of stopping a poll. `Display` says what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Obstacle {
    /// Its task was spawned with [`Preemption::Never`](crate::task::Preemption::Never).
    Never,
    /// Its task was spawned with [`Preemption::Cooperative`](crate::task::Preemption::Cooperative), and it
    /// reached no checkpoint.
    NoCheckpoint,
    /// It reached no checkpoint, and there are no signals: on a current-thread runtime, without
    /// `Builder::forced_preemption` or with `Builder::max_detached(0)`, or on this platform.
    NoSignals,
    /// It was in a `no_preempt` section, or in the runtime's own code.
    Section,
    /// It was in libc or the like whenever a signal came.
    SystemCode,
    /// It had changed the signal mask.
    MaskedSignals,
    /// It had too little stack left.
    Stack,
    /// As many polls are suspended as `Builder::max_detached` allows.
    TooManyDetached,
    /// The system gave no thread for the worker to go on with.
    NoFiber,
    /// The system has not let its thread run since a signal was sent to it.
    SignalPending,
    /// The worker was between two polls: the system has not let its thread run, or a hook of
    /// `Builder::on_thread_start` goes on and on.
    BetweenPolls,
    /// Nobody knows: for example, it did not run for long enough.
    Unknown,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Obstacle::Never => {
                "is not preempted at all (`Preemption::Never`): let it await now and then, or spawn it with \
                 `Preemption::Forced`"
            }
            Obstacle::NoCheckpoint => {
                "reached no checkpoint, and may not be stopped elsewhere (`Preemption::Cooperative`): \
                 put `#[preemptible]` on it, or spawn it with `Preemption::Forced`"
            }
            Obstacle::NoSignals => {
                "reached no checkpoint, and there are no signals on this runtime or platform: put \
                 `#[preemptible]` on it, or use a multi-thread runtime with `Builder::forced_preemption`"
            }
            Obstacle::Section => "was in a `no_preempt` section: make that shorter, or the limit longer",
            Obstacle::SystemCode => {
                "was in libc or the like whenever it was interrupted: put `#[preemptible]` on the code that \
                 calls it, or make the limit longer"
            }
            Obstacle::MaskedSignals => {
                "had changed its signal mask: put it back sooner, or make the limit longer"
            }
            Obstacle::Stack => {
                "had too little stack left: raise `Builder::thread_stack_size`"
            }
            Obstacle::TooManyDetached => {
                "could not be suspended, as too many polls are: raise `Builder::max_detached`"
            }
            Obstacle::NoFiber => {
                "could not be suspended for want of threads: raise the system's limit of them"
            }
            Obstacle::SignalPending => {
                "was sent a signal, but the system has not let its thread run since: make the limit longer"
            }
            Obstacle::BetweenPolls => {
                "was between two polls, and the system did not let its thread run: make the limit longer"
            }
            Obstacle::Unknown => "did not come to a stop: make the limit longer",
        })
    }
}
