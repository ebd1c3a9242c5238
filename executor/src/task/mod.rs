//! Tasks: a future, its state and its output in one allocation, and the references to it.
//!
//! * `Task`: a counted reference, nothing more. The registry holds one for each live task.
//! * `Runnable`: the right and the duty to run the task once. Exists exactly while the task is
//!   scheduled; queues hold these.
//! * [`JoinHandle`]: the right to the output.
//! * [`AbortHandle`]: may ask for cancellation.
//! * a `Waker`: may schedule the task.
//!
//! `state.rs` has the word that they agree by, `cell.rs` the memory, `raw.rs` what happens to it.

mod abort;
mod builder;
mod cell;
pub mod coop;
mod error;
mod id;
mod join;
pub mod join_set;
mod list;
mod local;
mod local_key;
mod raw;
mod registry;
mod state;
mod waker;

pub use abort::AbortHandle;
pub use builder::Builder;
pub use coop::{Unconstrained, consume_budget, unconstrained};
pub use error::JoinError;
pub use id::{Id, id, try_id};
pub use join::JoinHandle;
pub use join_set::JoinSet;
pub use preempt_sysmon::policy::{Preemption, Priority};

pub(crate) use builder::Named;
pub(crate) use list::List;
pub use local::{LocalEnterGuard, LocalSet, spawn_local};
pub use local_key::{AccessError, LocalKey};
pub(crate) use registry::Registry;
pub(crate) use waker::wakes_at_once;

/// Futures that are returned by functions that are not `async`.
pub mod futures {
    pub use super::local_key::TaskLocalFuture;
}

pub(crate) use cell::Header as TaskHeader;
use cell::{Cell, Header};
use state::Cancel;
pub(crate) use state::Phase;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::ptr::NonNull;
use std::time::Duration;

/// Where the runnables of a task go.
pub(crate) trait Schedule: Send + Sync + 'static {
    /// The task was woken. The caller keeps the task alive meanwhile.
    fn schedule(&self, runnable: Runnable);
    /// As [`schedule`](Self::schedule), without a caller that keeps the task alive: the task may be run,
    /// and be gone with `this`, before this returns. An error: that cannot be done here, and nothing was.
    ///
    /// # Safety
    /// `this` is in the runnable's task.
    unsafe fn schedule_alone(this: NonNull<Self>, runnable: Runnable) -> Result<(), Runnable> {
        let _ = this;
        Err(runnable)
    }
    /// The task was woken during its own poll, that is, it yielded. As with `schedule_alone` nobody keeps
    /// it alive, but this is called where the task was polled.
    ///
    /// # Safety
    /// `this` is in the runnable's task.
    unsafe fn reschedule(this: NonNull<Self>, runnable: Runnable);
    /// The task was aborted while it is being polled: the poll is to find out.
    fn cancel_poll(&self, header: &Header) {
        let _ = header;
    }
    /// The task is complete. `true`: the registry gave its reference up.
    fn release(&self, header: &Header) -> bool;
    /// Whether `schedule` waits for nobody, and so may be called by the scheduler itself.
    fn wakes_at_once(&self) -> bool {
        true
    }
    /// What the task is called. Here, so that a task without a name has no room for one.
    fn name(&self) -> Option<&str> {
        None
    }
    /// The class of the task. Asked once, when it is made.
    fn priority(&self) -> Priority {
        Priority::Normal
    }
    /// The time slice of its polls, if that is not the runtime's. Never changes.
    fn time_slice(&self) -> Option<Duration> {
        None
    }
}

/// How the polls of a task are treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) preemption: Preemption,
    pub(crate) priority: Priority,
    /// `None`: the runtime's.
    pub(crate) time_slice: Option<Duration>,
}

impl Terms {
    /// Those of most tasks.
    pub(crate) const PLAIN: Terms =
        Terms { preemption: Preemption::Forced, priority: Priority::Normal, time_slice: None };
}

/// Makes a task. The three handles are its three first references.
pub(crate) fn new<F, S>(
    future: F,
    schedule: S,
    preemption: Preemption,
    spawned_at: &'static Location<'static>,
) -> (Task, Runnable, JoinHandle<F::Output>)
where
    F: Future + 'static,
    S: Schedule,
{
    let header = Cell::allocate(future, schedule, preemption, spawned_at);
    // SAFETY: a task is born with three references, SCHEDULED and JOINED set: one for each.
    unsafe { (Task::from_raw(header), Runnable::from_raw(header), JoinHandle::from_raw(header)) }
}

/// A counted reference to a task.
pub(crate) struct Task(NonNull<Header>);

// SAFETY: the header is shared by design: the state is atomic, everything else is governed by it.
// A task that is reachable from several threads was made from a `Send` future, or its `Schedule`
// sees to it that the future is polled and dropped on one thread only (`local/`).
unsafe impl Send for Task {}
// SAFETY: as above.
unsafe impl Sync for Task {}

impl Task {
    /// # Safety
    /// The caller hands one reference over.
    unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Task(header)
    }

    /// Another reference to a task.
    ///
    /// # Safety
    /// The task is alive.
    unsafe fn one_more(header: NonNull<Header>) -> Self {
        // SAFETY: the caller's contract.
        unsafe { header.as_ref() }.state.add_ref();
        Task(header)
    }

    fn into_raw(self) -> NonNull<Header> {
        let header = self.0;
        std::mem::forget(self);
        header
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: this reference keeps the header alive.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn id(&self) -> Id {
        self.header().id
    }

    /// How far its polls may be preempted.
    pub(crate) fn preemption(&self) -> Preemption {
        self.header().state.preemption()
    }

    /// What it is at.
    pub(crate) fn phase(&self) -> Phase {
        self.header().state.phase()
    }

    /// What it was called by `Builder::name`.
    pub(crate) fn name(&self) -> Option<&str> {
        self.header().name()
    }

    /// The text of a handle for `Debug`.
    fn describe(&self, f: &mut fmt::Formatter<'_>, handle: &str) -> fmt::Result {
        let mut text = f.debug_struct(handle);
        text.field("id", &self.id());
        if let Some(name) = self.name() {
            text.field("name", &name);
        }
        text.finish_non_exhaustive()
    }

    /// Asks for cancellation.
    fn cancel(&self) {
        let vtable = self.header().vtable;
        match self.header().state.cancel() {
            Cancel::Done => {}
            // SAFETY: the transition made a reference for the runnable.
            Cancel::Schedule => unsafe { (vtable.schedule)(self.0) },
            // SAFETY: this reference keeps the task alive.
            Cancel::Running => unsafe { (vtable.cancel_poll)(self.0) },
        }
    }

    /// Drops the future now, unless some machine is polling it: then that machine will.
    pub(crate) fn shut_down(&self) {
        if self.header().state.shut_down() {
            // SAFETY: the transition gave this thread the future.
            unsafe { (self.header().vtable.cancel)(self.0) };
        }
    }
}

impl Clone for Task {
    fn clone(&self) -> Self {
        self.header().state.add_ref();
        Task(self.0)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.header().state.drop_refs(1) {
            // SAFETY: that was the last reference.
            unsafe { (self.header().vtable.free)(self.0) };
        }
    }
}

/// The right and the duty to run a task once.
pub(crate) struct Runnable(Task);

impl Runnable {
    /// # Safety
    /// SCHEDULED is set, no other `Runnable` of the task exists, and the caller hands one
    /// reference over.
    unsafe fn from_raw(header: NonNull<Header>) -> Self {
        // SAFETY: the caller hands one reference over.
        Runnable(unsafe { Task::from_raw(header) })
    }

    fn into_raw(self) -> NonNull<Header> {
        self.0.into_raw()
    }

    pub(crate) fn id(&self) -> Id {
        self.0.id()
    }

    /// Its task.
    pub(crate) fn header(&self) -> &Header {
        self.0.header()
    }

    /// Another reference to its task.
    fn task(&self) -> Task {
        self.0.clone()
    }

    /// How its poll is treated; `None`: as most are.
    #[inline]
    pub(crate) fn terms(&self) -> Option<Terms> {
        let header = self.0.header();
        if header.state.is_plain() { None } else { Some(header.terms()) }
    }

    /// Whether it is of the class that most tasks are of.
    #[inline]
    pub(crate) fn is_of_normal_class(&self) -> bool {
        self.0.header().state.is_of_normal_class()
    }

    pub(crate) fn priority(&self) -> Priority {
        self.0.header().state.priority()
    }

    /// Drops the future instead of running it.
    pub(crate) fn shut_down(self) {
        self.0.shut_down();
    }

    /// Polls the task, or drops its future if it was cancelled. Never panics.
    pub(crate) fn run(self) {
        let header = self.into_raw();
        // SAFETY: the runnable and its reference are used up.
        unsafe { (header.as_ref().vtable.run)(header) };
    }

    /// As a word, for an atomic slot. To be undone with [`from_word`](Self::from_word).
    pub(crate) fn into_word(self) -> *mut () {
        self.into_raw().as_ptr().cast()
    }

    /// # Safety
    /// `word` came from [`into_word`](Self::into_word) and is used once.
    pub(crate) unsafe fn from_word(word: NonNull<()>) -> Self {
        // SAFETY: the word carries the runnable with its reference.
        unsafe { Self::from_raw(word.cast()) }
    }
}
