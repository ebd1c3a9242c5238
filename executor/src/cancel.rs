//! Ending a poll in the middle that was cancelled, where its code allows that: in functions with
//! `#[preemptible(cancel)]`.
//!
//! A poll is *cancelled* when its task was aborted, or a [`timeout`](crate::time::timeout) around the code
//! that runs is over. That is decided by the task's state word and by the clock alone. Everything else
//! here only sees to it that a check looks: the bit CANCELLED of a fiber's flag says that it should, and
//! costs whoever it was not meant for a look.
//!
//! ```text
//!   abort:    state := CANCELLED ─ fence ─ find the fiber ─ raise its flag
//!   monitor:  each look, if there is a deadline on the fiber: raise its flag
//!   check:    flag? ─ give way ─ clear the bit ─ fence ─ CANCELLED? deadline over? ─ raise it again, unwind
//!                                                                                 └ no: go on
//!   unwinding ends at the `Timeout` that is over, which answers `Elapsed`; else where the task is polled
//! ```
//!
//! # No cancellation is missed (proof sketch)
//! Both fences are sequentially consistent: a check that clears the bit after an abort has raised it sees
//! CANCELLED, and one that does not see CANCELLED leaves the bit that comes. Whoever aborts finds the
//! fiber as the holder of a processor, or among the polls without one (`scheduler/cancelling.rs`), each
//! under its lock. While it is suspended it is neither; but then the abort has looked before the fiber is
//! a holder again, under the same lock, so that the fiber sees CANCELLED when it goes on, and raises its
//! own flag ([`remind`]). When the poll has just begun, the fiber may not have noted its task yet; it is a
//! holder already, and has cleared its flag for the poll, as both come before RUNNING, which the abort has
//! seen. So an abort that does not find the task raises the bit of all.
//!
//! The bit stays while the poll is cancelled: code that catches panics and goes on ends at its next check.
//!
//! # Where nothing is unwound
//! While the thread panics, in `no_preempt` sections (the checkpoint crate does not ask there), while a
//! task's future or output is dropped, and where panics abort.

use crate::context;
use crate::sync::Critical;
use crate::task::TaskHeader;
use crate::time::Sleep;
use preempt_checkpoint::runtime::{self as checkpoint, Cancellation};
use std::any::Any;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{Ordering::SeqCst, fence};
use std::thread;

/// What checks call on the threads that run tasks.
pub(crate) static CANCELLATION: Cancellation =
    Cancellation { is_cancelled: || end().is_some(), is_to_unwind, unwind };

/// A deadline around the code that runs, on the stack of the poll that waits until then.
pub(crate) struct Deadline {
    delay: *const Sleep,
    /// The task whose poll it is in: those of others are none of its business.
    task: *const TaskHeader,
    /// The one around this one.
    outer: *const Deadline,
}

/// The time was over, and the code has been unwound.
pub(crate) struct Expired;

/// What unwinds. Names the deadline that it is for, or is zero if it is for the task.
struct Unwinding {
    deadline: usize,
}

/// Why a poll ends.
enum End {
    Task,
    Deadline(*const Deadline),
}

/// Calls `poll`, whose checks end it when `delay` is over.
#[inline]
pub(crate) fn until<R>(delay: &Sleep, poll: impl FnOnce() -> R) -> Result<R, Expired> {
    if !cfg!(panic = "unwind") {
        return Ok(poll());
    }
    let (task, outer) = (context::current_task_address(), context::innermost_deadline());
    let deadline = Deadline { delay, task, outer };
    context::set_innermost_deadline(&deadline);
    // What `poll` leaves half-done is not used again, as after a panic: the caller's caller drops it.
    let polled = catch_unwind(AssertUnwindSafe(poll));
    context::set_innermost_deadline(deadline.outer);
    polled.map_err(|payload| expired(&deadline, payload))
}

/// Goes on unwinding if it is not for this deadline.
#[cold]
fn expired(deadline: &Deadline, payload: Box<dyn Any + Send>) -> Expired {
    match payload.downcast_ref::<Unwinding>() {
        Some(unwinding)
            if unwinding.deadline == ptr::from_ref(deadline).addr()
                && deadline.delay().has_come() =>
        {
            Expired
        }
        _ => resume_unwind(payload),
    }
}

/// Whether it is this that has unwound the poll of a task, and not a panic. The caller knows whether the
/// task was cancelled.
pub(crate) fn is_unwinding(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Unwinding>()
}

/// A poll goes on that nobody could reach for a while: if it has a reason to look, its next check does.
/// Signal-safe.
pub(crate) fn remind() {
    fence(SeqCst);
    let is_cancelled = context::current_task().is_some_and(TaskHeader::is_cancelled);
    if is_cancelled || !context::innermost_deadline().is_null() {
        checkpoint::note_cancellation();
    }
}

/// The deadlines around the code that runs, from the inside to the outside.
fn deadlines<'a>() -> impl Iterator<Item = &'a Deadline> {
    let task = context::current_task_address();
    // SAFETY: they are on this stack, and taken out of the chain before they go.
    let deref = |deadline: *const Deadline| unsafe { deadline.as_ref() };
    iter::successors(deref(context::innermost_deadline()), move |inner| deref(inner.outer))
        .take_while(move |deadline| ptr::eq(deadline.task, task))
}

impl Deadline {
    fn delay(&self) -> &Sleep {
        // SAFETY: the delay is borrowed for as long as this is in the chain.
        unsafe { &*self.delay }
    }
}

/// Why the poll is to end that runs here, if it is.
fn end() -> Option<End> {
    if context::current_task().is_some_and(TaskHeader::is_cancelled) {
        return Some(End::Task);
    }
    let over = deadlines().filter(|deadline| deadline.delay().has_come()).last();
    over.map(|deadline| End::Deadline(deadline))
}

fn is_to_unwind() -> bool {
    if cfg!(panic = "unwind") && (thread::panicking() || context::is_dropping()) {
        // The bit stays, for whatever comes after that.
        return false;
    }
    checkpoint::clear_cancellation();
    // Pairs with `Scheduler::cancel_poll`.
    fence(SeqCst);
    if cfg!(panic = "unwind") && end().is_some() {
        checkpoint::note_cancellation();
        return true;
    }
    note_next_deadline();
    false
}

/// Tells the monitor when to look again.
fn note_next_deadline() {
    if let Some(next) = deadlines().filter_map(|deadline| deadline.delay().comes_at()).min() {
        let _critical = Critical::enter();
        context::with_seat(|seat| seat.map(|seat| seat.scheduler().note_deadline(next)));
    }
}

fn unwind() -> ! {
    let deadline = match end() {
        Some(End::Task) => 0,
        Some(End::Deadline(deadline)) => deadline.addr(),
        None => unreachable!("what was cancelled, or is over, stays so"),
    };
    resume_unwind(Box::new(Unwinding { deadline }))
}
