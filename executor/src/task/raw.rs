//! What can be done with a task whose types are erased: a table of functions, and the typed code
//! behind it.
//!
//! Every function here takes a pointer to a live `Header` that is the start of a `Cell<F, S>` with
//! the table's own `F` and `S`. The rights to the future and the output come from the transitions
//! in `state.rs`, and each function states which one it holds.

use super::cell::{Cell, Header, Stage};
use super::state::{Completed, Start, Suspend};
use super::waker::waker_ref;
use super::{JoinError, Runnable, Schedule, coop};
use crate::{cancel, context, report};
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};
use std::time::Duration;

pub(super) struct Vtable {
    /// Runs a taken `Runnable`; uses up its reference.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Queues the task; a reference goes with it. The caller holds another one during the call.
    pub(super) schedule: unsafe fn(NonNull<Header>),
    /// As `schedule`, without that other reference.
    pub(super) schedule_alone: unsafe fn(NonNull<Header>),
    /// Drops the future, with RUNNING set by `State::shut_down`, and completes the task.
    pub(super) cancel: unsafe fn(NonNull<Header>),
    /// Tells the poll that the task was cancelled; the caller holds a reference.
    pub(super) cancel_poll: unsafe fn(NonNull<Header>),
    /// Moves the output into `*mut Option<Result<Output, JoinError>>`; COMPLETE, caller owns it.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops an output that nobody took; COMPLETE, caller owns it.
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Whether `schedule` waits for nobody.
    pub(super) wakes_at_once: unsafe fn(NonNull<Header>) -> bool,
    /// The name that the task was given. Valid as long as the task.
    pub(super) name: unsafe fn(NonNull<Header>) -> Option<NonNull<str>>,
    /// The time slice of its own. Never changes.
    pub(super) time_slice: unsafe fn(NonNull<Header>) -> Option<Duration>,
    /// Frees the task; no reference is left.
    pub(super) free: unsafe fn(NonNull<Header>),
}

pub(super) fn vtable<F: Future + 'static, S: Schedule>() -> &'static Vtable {
    const {
        &Vtable {
            run: run::<F, S>,
            schedule: schedule::<F, S>,
            schedule_alone: schedule_alone::<F, S>,
            cancel: cancel::<F, S>,
            cancel_poll: cancel_poll::<F, S>,
            take_output: take_output::<F, S>,
            drop_output: drop_output::<F, S>,
            wakes_at_once: wakes_at_once::<F, S>,
            name: name::<F, S>,
            time_slice: time_slice::<F, S>,
            free: free::<F, S>,
        }
    }
}

/// The cell behind a header.
///
/// # Safety
/// `header` starts a live `Cell<F, S>`, and outlives `'a`.
unsafe fn cell<'a, F: Future, S>(header: NonNull<Header>) -> &'a Cell<F, S> {
    // SAFETY: `Cell` is `repr(C)` with the header first; liveness is the caller's obligation.
    unsafe { header.cast::<Cell<F, S>>().as_ref() }
}

unsafe fn run<F: Future + 'static, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: the runnable's reference keeps the cell alive until it is given back below.
    let task = unsafe { cell::<F, S>(header) };
    match task.header.state.start() {
        Start::Poll => match poll_future(task) {
            Polled::Ready(output) => complete(task, output, 1),
            Polled::Pending { woken } => suspend(task, woken),
        },
        Start::Cancel => complete(task, cancelled(task), 1),
        Start::Stale => give_back(task, 1),
    }
}

/// The poll returned `Pending`; RUNNING is still set. `woken`: the task has woken itself.
fn suspend<F: Future + 'static, S: Schedule>(task: &Cell<F, S>, woken: bool) {
    match task.header.state.suspend(woken) {
        Suspend::Idle => {}
        Suspend::Last => {
            // SAFETY: that was the last reference.
            unsafe { free::<F, S>(NonNull::from(task).cast()) };
        }
        Suspend::Reschedule => {
            // SAFETY: SCHEDULED is set, RUNNING is not, and the runnable's reference goes along.
            let runnable = unsafe { Runnable::from_raw(NonNull::from(task).cast()) };
            // SAFETY: it is a part of the task.
            unsafe { S::reschedule(NonNull::from(&task.schedule), runnable) };
        }
        Suspend::Cancel => complete(task, cancelled(task), 1),
    }
}

unsafe fn schedule<F: Future + 'static, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: a reference of the caller keeps the cell alive during the call; that of the runnable may be
    // gone before it ends.
    let task = unsafe { cell::<F, S>(header) };
    // SAFETY: the caller has just set SCHEDULED and hands a reference over.
    task.schedule.schedule(unsafe { Runnable::from_raw(header) });
}

unsafe fn schedule_alone<F: Future + 'static, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: the runnable's reference keeps the cell alive until it is queued.
    let task = unsafe { cell::<F, S>(header) };
    // SAFETY: the caller has just set SCHEDULED and hands a reference over.
    let runnable = unsafe { Runnable::from_raw(header) };
    // SAFETY: it is a part of the task.
    let queued = unsafe { S::schedule_alone(NonNull::from(&task.schedule), runnable) };
    if let Err(runnable) = queued {
        let _alive = runnable.task();
        task.schedule.schedule(runnable);
    }
}

unsafe fn cancel<F: Future + 'static, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: the caller holds a reference.
    let task = unsafe { cell::<F, S>(header) };
    complete(task, cancelled(task), 0);
}

unsafe fn cancel_poll<F: Future + 'static, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: the caller holds a reference.
    let task = unsafe { cell::<F, S>(header) };
    task.schedule.cancel_poll(&task.header);
}

unsafe fn take_output<F: Future + 'static, S: Schedule>(header: NonNull<Header>, into: *mut ()) {
    // SAFETY: the caller holds a reference.
    let task = unsafe { cell::<F, S>(header) };
    // SAFETY: COMPLETE was seen and the caller is the owner of the output.
    let stage = unsafe { &mut *task.stage.get() };
    let Stage::Finished(output) = std::mem::replace(stage, Stage::Consumed) else {
        panic!("a `JoinHandle` was polled after it had returned the output");
    };
    // SAFETY: the caller passes a pointer to exactly this type.
    unsafe { *into.cast::<Option<Result<F::Output, JoinError>>>() = Some(output) };
}

unsafe fn drop_output<F: Future + 'static, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: the caller holds a reference and owns the output.
    let task = unsafe { cell::<F, S>(header) };
    if let Err(payload) = discard_stage(task) {
        report::lost_panic("a task's output", payload);
    }
}

unsafe fn wakes_at_once<F: Future + 'static, S: Schedule>(header: NonNull<Header>) -> bool {
    // SAFETY: the caller holds a reference.
    let task = unsafe { cell::<F, S>(header) };
    task.schedule.wakes_at_once()
}

unsafe fn name<F: Future + 'static, S: Schedule>(header: NonNull<Header>) -> Option<NonNull<str>> {
    // SAFETY: the caller holds a reference.
    let task = unsafe { cell::<F, S>(header) };
    task.schedule.name().map(NonNull::from)
}

unsafe fn time_slice<F: Future + 'static, S: Schedule>(
    header: NonNull<Header>,
) -> Option<Duration> {
    // SAFETY: the caller holds a reference.
    let task = unsafe { cell::<F, S>(header) };
    task.schedule.time_slice()
}

unsafe fn free<F: Future + 'static, S: Schedule>(header: NonNull<Header>) {
    // SAFETY: no reference is left, so this is the only pointer to the box that `allocate` leaked.
    drop(unsafe { Box::from_raw(header.cast::<Cell<F, S>>().as_ptr()) });
}

/// What came of a poll.
enum Polled<T> {
    Ready(Result<T, JoinError>),
    Pending { woken: bool },
}

/// Polls the future once, with a budget of its own. RUNNING is set. A panic becomes the task's output.
fn poll_future<F: Future + 'static, S: Schedule>(task: &Cell<F, S>) -> Polled<F::Output> {
    let current = context::enter_task(&task.header);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: RUNNING gives this machine the stage.
        let Stage::Running(future) = (unsafe { &mut *task.stage.get() }) else {
            unreachable!("a task without its future is polled");
        };
        // SAFETY: the future lives in the task's allocation and is dropped in place.
        let future = unsafe { Pin::new_unchecked(future) };
        let waker = waker_ref(&task.header);
        coop::with_budget(|| future.poll(&mut Context::from_waker(&waker)))
    }));
    match polled {
        Ok(Poll::Pending) => Polled::Pending { woken: current.has_woken_itself() },
        Ok(Poll::Ready(output)) => Polled::Ready(Ok(output)),
        Err(payload) => Polled::Ready(unwound(task, payload)),
    }
}

/// The output of a task whose poll was left by unwinding: a panic, or the end of a poll that was
/// cancelled. RUNNING is set.
#[cold]
fn unwound<F: Future + 'static, S: Schedule>(
    task: &Cell<F, S>,
    payload: Box<dyn Any + Send>,
) -> Result<F::Output, JoinError> {
    if cancel::is_unwinding(&*payload) && task.header.is_cancelled() {
        cancelled(task)
    } else {
        Err(JoinError::panicked(task.header.id, payload))
    }
}

/// The output of a task whose future is dropped unfinished. RUNNING is set.
fn cancelled<F: Future + 'static, S: Schedule>(task: &Cell<F, S>) -> Result<F::Output, JoinError> {
    Err(match discard_stage(task) {
        Ok(()) => JoinError::cancelled(task.header.id),
        Err(payload) => JoinError::panicked(task.header.id, payload),
    })
}

/// Stores the output, tells whoever waits for it, and gives back the registry's reference and
/// `refs` of the caller's. RUNNING is set.
fn complete<F: Future + 'static, S: Schedule>(
    task: &Cell<F, S>,
    output: Result<F::Output, JoinError>,
    refs: usize,
) {
    if let Err(payload) = discard_stage(task) {
        report::lost_panic("a task's future", payload);
    }
    // SAFETY: RUNNING gives this machine the stage.
    unsafe { *task.stage.get() = Stage::Finished(output) };
    match task.header.state.complete() {
        Completed::Joined => {
            report::contain("a waker", || task.header.join_waker.wake());
        }
        // Nobody will look at the output, so a panic while it is dropped has no other place.
        Completed::Detached => {
            if let Err(payload) = discard_stage(task) {
                report::lost_panic("a task's output", payload);
            }
        }
    }
    let released = task.schedule.release(&task.header);
    give_back(task, refs + usize::from(released));
}

/// Drops whatever the stage holds. The caller has the right to it.
fn discard_stage<F: Future + 'static, S: Schedule>(
    task: &Cell<F, S>,
) -> Result<(), Box<dyn Any + Send>> {
    let _current = context::enter_task(&task.header);
    let _dropping = context::begin_drop();
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller has the right to the stage. The old value is dropped in place, so a
        // pinned future is not moved; if its drop panics, the new value is written all the same.
        unsafe { *task.stage.get() = Stage::Consumed };
    }))
}

/// Gives `count` references back and frees the task with the last one.
fn give_back<F: Future + 'static, S: Schedule>(task: &Cell<F, S>, count: usize) {
    if count > 0 && task.header.state.drop_refs(count) {
        // SAFETY: those were the last references.
        unsafe { free::<F, S>(NonNull::from(task).cast()) };
    }
}
