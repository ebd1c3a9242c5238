//! Threads for code that blocks: `spawn_blocking`, files and standard streams, and
//! `block_in_place`.
//!
//! Which thread does which job, and when there is to be another one: `blocking/jobs.rs`.

mod jobs;

pub(crate) use jobs::AtClose;

use crate::context::{self, BlockedBy};
use crate::coop;
use crate::report;
use crate::runtime::{Config, Flavor, Handle};
use crate::scheduler::{Scheduler, Seat};
use crate::sync::Critical;
use crate::task::{self, JoinHandle, Named, Preemption, Runnable, Schedule, TaskHeader};
use crate::trace;
use jobs::{Jobs, Pushed};
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A pool that grows with the work, up to a limit, and shrinks when it is idle.
pub(crate) struct BlockingPool {
    jobs: Jobs<Runnable>,
    keep_alive: Duration,
    /// Closures that are queued or running.
    at_work: AtomicUsize,
    shortage_reported: AtomicBool,
}

/// A closure as a future that is ready at its first poll.
struct Job<F>(Option<F>);

/// Counts a job as work that is going on, from its birth until its task is complete. Such tasks are
/// in no registry: they run once, on a thread of the pool.
struct AtWork(Handle);

impl AtWork {
    fn new(handle: &Handle) -> Self {
        handle.scheduler().blocking.at_work.fetch_add(1, SeqCst);
        AtWork(handle.clone())
    }
}

impl Schedule for AtWork {
    /// Never called: such a task is scheduled from birth until it runs, and then runs to its end.
    fn schedule(&self, runnable: Runnable) {
        drop(runnable);
    }

    /// Never called, see `schedule`.
    unsafe fn reschedule(_this: NonNull<Self>, runnable: Runnable) {
        drop(runnable);
    }

    fn release(&self, _header: &TaskHeader) -> bool {
        let scheduler = self.0.scheduler();
        // Whoever waits for the job has been woken. A stopped clock moves on when there is no such
        // work any more.
        if scheduler.blocking.at_work.fetch_sub(1, SeqCst) == 1
            && scheduler.timers.clock.is_stopped()
        {
            scheduler.unpark(0);
        }
        false
    }
}

impl<F> Unpin for Job<F> {}

impl<F: FnOnce() -> T, T> Future for Job<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<T> {
        match self.0.take() {
            // Nobody would renew a budget.
            Some(work) => Poll::Ready(coop::with_unlimited(work)),
            None => unreachable!("a blocking job is polled once"),
        }
    }
}

impl BlockingPool {
    pub(crate) fn new(config: &Config) -> Self {
        BlockingPool {
            jobs: Jobs::new(config.max_blocking_threads),
            keep_alive: config.blocking_keep_alive,
            at_work: AtomicUsize::new(0),
            shortage_reported: AtomicBool::new(false),
        }
    }

    /// How many threads there are, how many of them wait, and how many jobs do.
    pub(crate) fn numbers(&self) -> [usize; 3] {
        self.jobs.numbers()
    }

    /// Whether a closure is queued or running.
    pub(crate) fn is_at_work(&self) -> bool {
        self.at_work.load(SeqCst) > 0
    }

    /// Queues a job, or cancels it if the pool is closed.
    ///
    /// # Errors
    /// When there is no thread, and the system makes none. Nothing is queued then.
    fn push(&self, runnable: Runnable, at_close: AtClose, handle: &Handle) -> io::Result<()> {
        let seeded = handle.scheduler().seeded.as_ref();
        let pushed = match seeded {
            Some(seeded) => {
                self.jobs.divert(runnable, |runnable| seeded.add_job(runnable, at_close))
            }
            None => self.jobs.push(runnable, at_close),
        };
        if seeded.is_some() {
            handle.scheduler().unpark(0);
        }
        self.see_to(pushed, handle)
    }

    /// Has a thread begin a job of a seeded runtime, whose turn has come.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn begin(&self, runnable: Runnable, handle: &Handle) -> io::Result<()> {
        self.see_to(self.jobs.push(runnable, AtClose::Run), handle)
    }

    fn see_to(&self, pushed: Pushed<Runnable>, handle: &Handle) -> io::Result<()> {
        match pushed {
            Pushed::Queued => Ok(()),
            Pushed::ThreadNeeded => self.start_thread(handle),
            Pushed::Closed(runnable) => {
                runnable.shut_down();
                Ok(())
            }
        }
    }

    /// Starts the thread that was counted already.
    ///
    /// # Errors
    /// When it was to be the only one. All jobs are cancelled then: nobody would do them.
    fn start_thread(&self, handle: &Handle) -> io::Result<()> {
        let body = {
            let handle = handle.clone();
            move || {
                let _farewell = Farewell(&handle.scheduler().blocking);
                let _entered = context::enter(handle.clone());
                context::run_thread_hooks(&handle.scheduler().config);
                handle.scheduler().blocking.work(handle.scheduler());
                // Before the thread counts as gone.
                context::end_thread_hooks();
            }
        };
        let Err(error) = handle.scheduler().config.thread_builder().spawn(body) else {
            return Ok(());
        };
        if let Some(abandoned) = self.jobs.thread_missing() {
            abandoned.for_each(Runnable::shut_down);
            return Err(error);
        }
        if !self.shortage_reported.swap(true, Relaxed) {
            report::warn(format_args!("no further thread for blocking work, it queues: {error}"));
        }
        Ok(())
    }

    /// The life of a thread of the pool.
    fn work(&self, scheduler: &Arc<Scheduler>) {
        while let Some(runnable) = self.jobs.next(self.keep_alive) {
            match &scheduler.seeded {
                Some(seeded) => seeded.run_job(scheduler, runnable),
                None => trace::run_blocking(scheduler, runnable),
            }
        }
    }

    /// Takes no more jobs, and cancels those that no thread has begun, see [`AtClose`].
    pub(crate) fn close(&self) {
        self.jobs.close().for_each(Runnable::shut_down);
    }

    /// Waits until all threads have ended. `false`: not before the deadline.
    pub(crate) fn wait_until_gone(&self, deadline: Option<Instant>) -> bool {
        self.jobs.wait_until_gone(deadline)
    }
}

/// Says that a thread of the pool has ended, also if a hook unwinds.
struct Farewell<'a>(&'a BlockingPool);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.0.jobs.left();
    }
}

/// Queues `work` for the pool of `handle`'s runtime.
///
/// # Panics
/// When there is no thread for it.
#[track_caller]
pub(crate) fn spawn_blocking_on<F, T>(
    handle: &Handle,
    work: F,
    spawned_at: &'static Location<'static>,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match spawn_job(handle, work, AtClose::Cancel, AtWork::new(handle), spawned_at) {
        Ok(join) => join,
        Err(error) => panic!("`spawn_blocking` needs a thread and the system gives none: {error}"),
    }
}

/// As [`spawn_blocking_on`], with a name, and an error in the place of the panic.
pub(crate) fn try_spawn_blocking_on<F, T>(
    handle: &Handle,
    work: F,
    name: Option<&str>,
    spawned_at: &'static Location<'static>,
) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let schedule = Named::new(AtWork::new(handle), name);
    spawn_job(handle, work, AtClose::Cancel, schedule, spawned_at)
}

fn spawn_job<F, T, S>(
    handle: &Handle,
    work: F,
    at_close: AtClose,
    schedule: S,
    spawned_at: &'static Location<'static>,
) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
    S: Schedule,
{
    let (task, runnable, join) =
        task::new(Job(Some(work)), schedule, Preemption::Forced, spawned_at);
    drop(task);
    handle.scheduler().blocking.push(runnable, at_close, handle)?;
    Ok(join)
}

/// An operation of the system that blocks, on a thread of the current runtime's pool.
#[derive(Debug)]
pub(crate) struct Operation<T>(JoinHandle<T>);

impl<T: Send + 'static> Operation<T> {
    /// Starts it.
    ///
    /// # Errors
    /// Outside a runtime, and when there is no thread for it.
    #[track_caller]
    pub(crate) fn start(
        at_close: AtClose,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let handle = Handle::try_current().map_err(io::Error::other)?;
        match spawn_job(&handle, work, at_close, AtWork::new(&handle), Location::caller()) {
            Ok(join) => Ok(Operation(join)),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("a blocking operation needs a thread and the system gives none: {error}"),
            )),
        }
    }
}

/// Ready when it is done. An error: it was not done, as the runtime has shut down, or it panicked.
impl<T> Future for Operation<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        Pin::new(&mut self.0).poll(cx).map_err(|error| {
            if error.is_cancelled() {
                io::Error::other("the runtime is shutting down; the operation was not begun")
            } else {
                io::Error::other(error)
            }
        })
    }
}

/// Runs code that blocks without stalling the other tasks of this worker thread: its processor is
/// handed to another thread first.
///
/// Runs `work` on the spot; code that is in a `no_preempt` section or that computes for long may
/// use it as well. Outside a runtime, and on threads that may block anyway, it just calls `work`.
///
/// # Panics
/// On a current-thread runtime, which has no other thread to go on with.
#[track_caller]
pub fn block_in_place<F: FnOnce() -> R, R>(work: F) -> R {
    if context::blocked_by() == BlockedBy::Nothing {
        return work();
    }
    hand_processor_off();
    let _comes_back = ComesBack;
    let _allowed = context::allow_blocking();
    coop::with_unlimited(work)
}

/// The poll goes on after the code that blocks, also if that panics.
struct ComesBack;

impl Drop for ComesBack {
    fn drop(&mut self) {
        let _critical = Critical::enter();
        context::with_seat(|seat| seat.map(Seat::come_back));
    }
}

/// Gives this thread's processor away, if it has one.
#[track_caller]
fn hand_processor_off() {
    // Between the look at the seat and the hand-off the poll must not move to another seat.
    let _critical = Critical::enter();
    context::with_seat(|seat| {
        let Some(seat) = seat else { return };
        assert!(
            seat.scheduler().config.flavor == Flavor::MultiThread,
            "`block_in_place` on a current-thread runtime would stall all its tasks; use \
             `spawn_blocking`, or `Builder::new_multi_thread`"
        );
        seat.go_off();
    });
}
