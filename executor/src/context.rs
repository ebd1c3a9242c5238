//! What a thread knows about the runtime that it is in. Thread-local, so it belongs to the fiber
//! and not to the machine: after a switch `SEAT` is set again, the others are right as they are.
//!
//! | variable | meaning |
//! |---|---|
//! | `SEAT` | the seat, on a thread that runs tasks |
//! | `HANDLE` | the runtime that `Handle::current` and `spawn` mean |
//! | `BLOCKED_BY` | why `block_on` would stall other tasks here |
//! | `TASK` | the task that is being polled |
//! | `DEADLINES` | the innermost deadline around the code that runs |
//! | `DROPPING` | a task's future or output is being dropped |
//! | `WOKEN` | that task has woken itself |
//! | `TERMS` | how the poll is treated that runs here |
//! | `SIGNAL_MASK` | the signals that the thread blocks when a poll begins, with the kernel backend |
//! | `THREAD_END` | the duty to call the hook for a thread's end |

use crate::cancel::{self, CANCELLATION, Deadline};
use crate::preempt;
use crate::runtime::{Config, Handle};
use crate::scheduler::{Machine, Processor, Scheduler, Seat, on_checkpoint, seeded};
use crate::sync::Critical;
use crate::task::{Id, Preemption, TaskHeader, Terms};
use preempt_checkpoint::runtime as checkpoint;
use preempt_fiber::Backend;
use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

thread_local! {
    static SEAT: Cell<*const Seat> = const { Cell::new(ptr::null()) };
    static HANDLE: RefCell<Option<Handle>> = const { RefCell::new(None) };
    static BLOCKED_BY: Cell<BlockedBy> = const { Cell::new(BlockedBy::Nothing) };
    static TASK: AtomicPtr<TaskHeader> = const { AtomicPtr::new(ptr::null_mut()) };
    static DEADLINES: AtomicPtr<Deadline> = const { AtomicPtr::new(ptr::null_mut()) };
    static DROPPING: Cell<bool> = const { Cell::new(false) };
    static WOKEN: Cell<bool> = const { Cell::new(false) };
    static TERMS: Cell<Terms> = const { Cell::new(Terms::PLAIN) };
    static SIGNAL_MASK: Cell<u64> = const { Cell::new(0) };
    static THREAD_END: RefCell<Option<ThreadEnd>> = const { RefCell::new(None) };
}

/// Calls the hook for a thread's end when the thread, or the fiber, ends.
struct ThreadEnd(Config);

impl Drop for ThreadEnd {
    fn drop(&mut self) {
        self.0.on_thread_stop();
    }
}

/// Calls the hook for a thread's start, unless this thread, or fiber, has been here before.
pub(crate) fn run_thread_hooks(config: &Config) {
    if !config.has_thread_hooks() || THREAD_END.with_borrow(Option::is_some) {
        return;
    }
    config.on_thread_start();
    THREAD_END.set(Some(ThreadEnd(config.clone())));
}

/// Calls the hook for the thread's end now, if it is still to be called.
pub(crate) fn end_thread_hooks() {
    drop(THREAD_END.take());
}

/// Why a thread must not block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockedBy {
    /// It may.
    Nothing,
    /// It is inside `block_on`.
    BlockOn,
    /// It runs tasks.
    Seat,
}

/// Puts the previous value back.
pub(crate) struct Seated {
    previous_seat: *const Seat,
    _entered: Entered,
    _not_blocking: NotBlocking,
}

/// Makes `seat` the thread's seat. The guard must go before the seat moves or goes.
pub(crate) fn sit(seat: &Seat) -> Seated {
    checkpoint::install(on_checkpoint);
    if seat.scheduler().seeded.is_some() {
        checkpoint::set_chooser(Some(seeded::choose));
    }
    checkpoint::install_cancellation(&CANCELLATION);
    seat.machine().note_place();
    Seated {
        previous_seat: SEAT.replace(seat),
        _entered: enter(Handle::of(seat.scheduler())),
        _not_blocking: NotBlocking { previous: BLOCKED_BY.replace(BlockedBy::Seat) },
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        SEAT.set(self.previous_seat);
        if self.previous_seat.is_null() {
            checkpoint::uninstall();
        } else {
            // A current-thread runtime was driven inside `block_in_place`. The hook is the same for
            // both seats; a request was meant for the inner one's poll.
            checkpoint::clear_request();
            // The inner seat's polls may have ended what was meant for this one.
            cancel::remind();
        }
    }
}

/// To be called when this fiber was continued, maybe by another machine.
pub(crate) fn reseat() {
    let Some(fiber) = preempt_fiber::current() else { return };
    let machine = ptr::with_exposed_provenance::<Machine>(fiber.machine_token());
    // SAFETY: the token is the address of the machine that this runs on, which lives as long as
    // its thread.
    let machine = unsafe { &*machine };
    SEAT.set(machine.seat());
    machine.note_place();
}

/// Calls `f` with this thread's seat, if it has one. In a poll only inside a [`Critical`] stretch:
/// otherwise the poll may be on another seat before `f` ends.
#[inline(always)]
pub(crate) fn with_seat<R>(f: impl FnOnce(Option<&Seat>) -> R) -> R {
    let seat = SEAT.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: `Seated` clears the pointer before the seat goes, and only this thread uses it.
    f(unsafe { seat.as_ref() })
}

/// Calls `f` with this thread's seat and processor, if it has one of this scheduler.
#[inline(always)]
pub(crate) fn with_held<R>(
    scheduler: &Scheduler,
    f: impl FnOnce(Option<(&Seat, &Processor)>) -> R,
) -> R {
    // Between the look at the seat and the end of what is done with it the poll stays where it is.
    let _critical = Critical::enter();
    with_seat(|seat| {
        let seat = seat.filter(|seat| ptr::eq(&**seat.scheduler(), scheduler));
        f(seat.and_then(|seat| Some((seat, seat.held()?))))
    })
}

/// Ends a stay in a runtime's context.
pub(crate) struct Entered {
    previous: Option<Handle>,
}

/// Makes `handle` the one that `Handle::current` returns on this thread.
pub(crate) fn enter(handle: Handle) -> Entered {
    Entered { previous: HANDLE.replace(Some(handle)) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let previous = self.previous.take();
        // The variable may be gone already when a thread-local's destructor leaves a context.
        drop(HANDLE.try_with(|handle| handle.replace(previous)));
    }
}

/// The runtime of this thread's context.
pub(crate) fn handle() -> Option<Handle> {
    HANDLE.try_with(|handle| handle.borrow().clone()).ok().flatten()
}

/// Puts the previous permission to block back.
pub(crate) struct NotBlocking {
    previous: BlockedBy,
}

impl Drop for NotBlocking {
    fn drop(&mut self) {
        BLOCKED_BY.set(self.previous);
    }
}

/// Starts a stay in `block_on`.
///
/// # Panics
/// If the thread must not block.
#[track_caller]
pub(crate) fn enter_block_on() -> NotBlocking {
    match BLOCKED_BY.get() {
        BlockedBy::Nothing => {}
        BlockedBy::BlockOn => panic!(
            "`block_on` was called inside another `block_on` of the same thread, which would stall \
             everything that the outer one waits for; use `.await`, or wrap the call in \
             `preempt::task::block_in_place` or `spawn_blocking`"
        ),
        BlockedBy::Seat => panic!(
            "`block_on` was called inside a task, which would stall the other tasks of this worker \
             thread; use `.await`, or wrap the call in `preempt::task::block_in_place` or \
             `spawn_blocking`"
        ),
    }
    NotBlocking { previous: BLOCKED_BY.replace(BlockedBy::BlockOn) }
}

/// Allows blocking until the guard goes.
pub(crate) fn allow_blocking() -> NotBlocking {
    NotBlocking { previous: BLOCKED_BY.replace(BlockedBy::Nothing) }
}

/// Whether blocking here would stall tasks.
pub(crate) fn blocked_by() -> BlockedBy {
    BLOCKED_BY.try_with(Cell::get).unwrap_or(BlockedBy::Nothing)
}

/// Ends a stay in a task.
pub(crate) struct InTask {
    previous: *mut TaskHeader,
    previous_woken: bool,
}

/// Notes which task's code runs. The guard must go before the task does.
pub(crate) fn enter_task(task: &TaskHeader) -> InTask {
    let entered = ptr::from_ref(task).cast_mut();
    // Load and store: only this thread writes it.
    let previous = TASK.with(|task| {
        let previous = task.load(Relaxed);
        task.store(entered, Relaxed);
        previous
    });
    InTask { previous, previous_woken: WOKEN.replace(false) }
}

impl InTask {
    /// Whether the task has woken itself since.
    pub(crate) fn has_woken_itself(&self) -> bool {
        WOKEN.get()
    }
}

impl Drop for InTask {
    fn drop(&mut self) {
        WOKEN.set(self.previous_woken);
        TASK.with(|task| task.store(self.previous, Relaxed));
    }
}

/// If the code of this very task runs here, notes that it was woken and returns `true`: whoever polls
/// it will see to that at the end, without a step of its own on the task's state.
#[inline]
pub(crate) fn note_own_wake(task: &TaskHeader) -> bool {
    // The variables may be gone when a thread-local's destructor wakes somebody.
    let is_own = TASK.try_with(|current| ptr::eq(current.load(Relaxed), task)).unwrap_or(false);
    if is_own {
        WOKEN.set(true);
    }
    is_own
}

/// The task whose code runs on this thread.
pub(crate) fn task() -> Option<Id> {
    current_task().map(TaskHeader::id)
}

/// The task whose code runs on this thread. Signal-safe. Not to be kept until it is left.
pub(crate) fn current_task() -> Option<&'static TaskHeader> {
    // SAFETY: the task outlives the guard that takes its address out of here again.
    unsafe { TASK.with(|task| task.load(Relaxed)).as_ref() }
}

/// The same as an address.
#[inline]
pub(crate) fn current_task_address() -> *const TaskHeader {
    TASK.with(|task| task.load(Relaxed)).cast_const()
}

/// The innermost deadline around the code that the calling thread or fiber runs; null: there is none.
#[inline]
pub(crate) fn innermost_deadline() -> *const Deadline {
    DEADLINES.with(|innermost| innermost.load(Relaxed)).cast_const()
}

/// Sets it. It is reset before the deadline goes.
#[inline]
pub(crate) fn set_innermost_deadline(deadline: *const Deadline) {
    DEADLINES.with(|innermost| innermost.store(deadline.cast_mut(), Relaxed));
}

/// Ends a time in which a task's future or output is dropped.
pub(crate) struct Dropping {
    was_dropping: bool,
}

/// Until the guard goes, a task's future or output is being dropped.
pub(crate) fn begin_drop() -> Dropping {
    Dropping { was_dropping: DROPPING.replace(true) }
}

impl Drop for Dropping {
    fn drop(&mut self) {
        DROPPING.set(self.was_dropping);
    }
}

/// Whether a task's future or output is being dropped on this thread.
pub(crate) fn is_dropping() -> bool {
    DROPPING.get()
}

/// What others may see and raise of a thread or fiber.
#[derive(Clone, Copy)]
pub(crate) struct Visible {
    pub(crate) flag: checkpoint::Flag,
    task: NonNull<AtomicPtr<TaskHeader>>,
    deadlines: NonNull<AtomicPtr<Deadline>>,
}

// SAFETY: the addresses are of atomics; that they are still there is the obligation of the methods.
unsafe impl Send for Visible {}

impl Visible {
    /// Of the thread or fiber that calls this.
    pub(crate) fn here() -> Self {
        Visible {
            flag: checkpoint::this_thread(),
            task: TASK.with(|task| NonNull::from(task)),
            deadlines: DEADLINES.with(|deadlines| NonNull::from(deadlines)),
        }
    }

    /// Whether it runs the code of this task.
    ///
    /// # Safety
    /// The thread or fiber has not ended and does not end during the call.
    pub(crate) unsafe fn runs(self, task: &TaskHeader) -> bool {
        // SAFETY: the caller vouches that the variable is still there.
        ptr::eq(unsafe { self.task.as_ref() }.load(Relaxed), task)
    }

    /// Whether there is a deadline around the code that it runs.
    ///
    /// # Safety
    /// As of [`runs`](Self::runs).
    pub(crate) unsafe fn has_deadline(self) -> bool {
        // SAFETY: the caller vouches that the variable is still there.
        !unsafe { self.deadlines.as_ref() }.load(Relaxed).is_null()
    }
}

/// Where the calling thread or fiber keeps the address of the task whose code it runs.
pub(crate) fn current_task_place() -> usize {
    TASK.with(|task| ptr::from_ref(task).expose_provenance())
}

/// Whether this thread has a seat of this scheduler, which need not be alive.
pub(crate) fn is_on_seat_of(scheduler: *const Scheduler) -> bool {
    let _critical = Critical::enter();
    with_seat(|seat| seat.is_some_and(|seat| ptr::eq(&**seat.scheduler(), scheduler)))
}

/// Whether a task of this scheduler is being polled on this thread.
pub(crate) fn is_in_task_of(scheduler: &Scheduler) -> bool {
    let _critical = Critical::enter();
    let is_own = |seat: &Seat| ptr::eq(&**seat.scheduler(), scheduler);
    task().is_some() && with_seat(|seat| seat.is_some_and(is_own))
}

/// Notes how the next poll of this fiber is treated. Not to be called in a poll.
pub(crate) fn set_terms(terms: Terms) {
    TERMS.set(terms);
}

/// How the poll is treated that runs on this fiber.
pub(crate) fn terms() -> Terms {
    TERMS.get()
}

/// How far the poll may be preempted that runs on this fiber. Signal-safe.
pub(crate) fn preemption() -> Preemption {
    TERMS.get().preemption
}

/// A seed that differs from thread to thread, never zero.
pub(crate) fn random_seed() -> u32 {
    (RandomState::new().hash_one(0_u8) as u32) | 1
}

/// With the kernel backend a fiber has its own kernel thread, and with it its own signal mask: it
/// inherits that of whoever made it. Lets the preemption signal through and notes the rest.
pub(crate) fn prepare_signal_mask() {
    if preempt_fiber::current().is_some_and(|fiber| fiber.backend() == Backend::Kernel) {
        SIGNAL_MASK.set(preempt::prepare_signal_mask());
    }
}

/// What [`prepare_signal_mask`] has noted. Signal-safe.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) fn signal_mask() -> u64 {
    SIGNAL_MASK.get()
}
