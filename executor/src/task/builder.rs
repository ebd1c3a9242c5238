//! Tasks with settings of their own: a name, what may be done about long polls, a class and a time
//! slice.

use super::{JoinHandle, LocalSet, Preemption, Priority, Runnable, Schedule, TaskHeader, local};
use crate::blocking;
use crate::runtime::{Handle, check_time_slice};
use std::future::Future;
use std::io;
use std::panic::Location;
use std::ptr::NonNull;
use std::time::Duration;

/// Spawns a task with settings of its own.
///
/// The methods return an [`io::Result`] as tokio's do. Spawning a future never fails here.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder<'a> {
    name: Option<&'a str>,
    preemption: Preemption,
    priority: Priority,
    time_slice: Option<Duration>,
}

impl<'a> Builder<'a> {
    /// The settings of `task::spawn`.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the task is called where it is shown to a person: `Debug` of its handles.
    pub fn name(&self, name: &'a str) -> Self {
        Builder { name: Some(name), ..*self }
    }

    /// What may be done about polls of the task that go on while others wait. The default is
    /// [`Preemption::Forced`].
    ///
    /// On a current-thread runtime, where a poll can only be asked, [`Preemption::Never`] means that
    /// nothing is done at all. Blocking closures are never preempted, whatever is set.
    pub fn preemption(&self, preemption: Preemption) -> Self {
        Builder { preemption, ..*self }
    }

    /// The class of the task. The default is [`Priority::Normal`], also for the tasks that a task of
    /// another class spawns: a class is not inherited.
    ///
    /// When tasks of several classes are ready, those of the latency class go first and those of the
    /// batch class last; and one that becomes ready while every worker is in a poll of a lower class
    /// has one of these give way at once. Still every class that has something ready has its share of
    /// the time: see [`priority_weights`](crate::runtime::Builder::priority_weights). So all tasks of a
    /// class together pay for one that computes for long; it loses its worker after its time slice like
    /// any other.
    ///
    /// Normal tasks have queues of their own on each worker, the other classes one queue each that all
    /// workers share, as suits few or long tasks.
    ///
    /// On a current-thread runtime the class decides what goes first, and a poll is only asked to give
    /// way. It has no meaning for blocking closures, nor for tasks of a [`LocalSet`], which are a part of
    /// another poll, nor on a seeded runtime. The future of `block_on` is of no class: beside it tasks run
    /// one at a time.
    pub fn priority(&self, priority: Priority) -> Self {
        Builder { priority, ..*self }
    }

    /// How long a poll of the task may run while other tasks wait, before it is asked to give way; the
    /// default is the runtime's, see [`time_slice`](crate::runtime::Builder::time_slice) there. A longer
    /// one has the task interrupted less often, for the price that others of its class wait for longer;
    /// it does not keep tasks that are woken from having their turn, nor other classes from their share.
    /// Rounded down to microseconds.
    ///
    /// It has no meaning for blocking closures and tasks of a [`LocalSet`].
    ///
    /// # Panics
    /// If it is less than 100 us or more than 60 s.
    #[track_caller]
    pub fn time_slice(&self, slice: Duration) -> Self {
        check_time_slice(slice);
        Builder { time_slice: Some(slice), ..*self }
    }

    /// As [`spawn`](crate::spawn).
    ///
    /// # Errors
    /// None.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_on(future, &Handle::current())
    }

    /// As [`Handle::spawn`].
    ///
    /// # Errors
    /// None.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let scheduler = handle.scheduler();
        // What a seed draws has no classes.
        let priority = if scheduler.seeded.is_some() { Priority::Normal } else { self.priority };
        let time_slice = self.time_slice;
        let schedule = Named { priority, time_slice, ..Named::new(scheduler.clone(), self.name) };
        Ok(scheduler.spawn_with(future, schedule, self.preemption, Location::caller()))
    }

    /// As [`spawn_local`](super::spawn_local). How far it may be preempted has no meaning here: such a
    /// task is a part of another poll, that of its [`LocalSet`].
    ///
    /// # Errors
    /// None.
    ///
    /// # Panics
    /// Outside a `LocalSet`.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(local::spawn_named(future, self.name))
    }

    /// As [`LocalSet::spawn_local`].
    ///
    /// # Errors
    /// None.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, set: &LocalSet) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(set.spawn_named(future, self.name))
    }

    /// As [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Errors
    /// When the work needs a thread and the system gives none. It is cancelled then.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_blocking<F, T>(self, work: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_blocking_on(work, &Handle::current())
    }

    /// As [`Handle::spawn_blocking`].
    ///
    /// # Errors
    /// When the work needs a thread and the system gives none. It is cancelled then.
    #[track_caller]
    pub fn spawn_blocking_on<F, T>(self, work: F, handle: &Handle) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        blocking::try_spawn_blocking_on(handle, work, self.name, Location::caller())
    }
}

/// Where the runnables of a task go that may have a name, and what else only such tasks have.
pub(crate) struct Named<S> {
    schedule: S,
    name: Option<Box<str>>,
    priority: Priority,
    time_slice: Option<Duration>,
}

impl<S> Named<S> {
    pub(crate) fn new(schedule: S, name: Option<&str>) -> Self {
        Named {
            schedule,
            name: name.map(Box::from),
            priority: Priority::default(),
            time_slice: None,
        }
    }

    pub(crate) fn of_class(schedule: S, priority: Priority) -> Self {
        Named { priority, ..Named::new(schedule, None) }
    }
}

impl<S: Schedule> Schedule for Named<S> {
    fn schedule(&self, runnable: Runnable) {
        self.schedule.schedule(runnable);
    }

    unsafe fn schedule_alone(this: NonNull<Self>, runnable: Runnable) -> Result<(), Runnable> {
        // SAFETY: the caller's contract, which holds for the part as for the whole.
        unsafe { S::schedule_alone(NonNull::from(&this.as_ref().schedule), runnable) }
    }

    unsafe fn reschedule(this: NonNull<Self>, runnable: Runnable) {
        // SAFETY: as in `schedule_alone`.
        unsafe { S::reschedule(NonNull::from(&this.as_ref().schedule), runnable) }
    }

    fn cancel_poll(&self, header: &TaskHeader) {
        self.schedule.cancel_poll(header);
    }

    fn release(&self, header: &TaskHeader) -> bool {
        self.schedule.release(header)
    }

    fn wakes_at_once(&self) -> bool {
        self.schedule.wakes_at_once()
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn priority(&self) -> Priority {
        self.priority
    }

    fn time_slice(&self) -> Option<Duration> {
        self.time_slice
    }
}
