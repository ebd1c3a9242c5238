//! The threads that take turns with the machine of a seeded runtime, as they see it themselves.

use super::turns::{GuestId, Role, Turn};
use super::{Seeded, choose};
use crate::context;
use crate::coop;
use crate::report;
use crate::runtime::{Sleeper, waker};
use crate::scheduler::{Scheduler, on_checkpoint};
use crate::task::Runnable;
use crate::trace;
use preempt_checkpoint::runtime as checkpoint;
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

thread_local! {
    /// The guest that this thread is.
    static GUEST: RefCell<Option<Itself>> = const { RefCell::new(None) };
}

/// What a thread knows of itself.
#[derive(Clone)]
struct Itself {
    scheduler: Arc<Scheduler>,
    id: GuestId,
}

impl Itself {
    fn seeded(&self) -> &Seeded {
        seeded_of(&self.scheduler)
    }
}

fn seeded_of(scheduler: &Scheduler) -> &Seeded {
    match &scheduler.seeded {
        Some(seeded) => seeded,
        None => unreachable!("only a seeded runtime has guests"),
    }
}

fn itself() -> Option<Itself> {
    GUEST.try_with(|guest| guest.borrow().clone()).ok().flatten()
}

/// Whether this thread is a guest of the runtime.
pub(super) fn is_of(scheduler: &Scheduler) -> bool {
    itself().is_some_and(|guest| std::ptr::eq(&*guest.scheduler, scheduler))
}

/// Calls `f` with the runtime that this thread is a guest of.
pub(super) fn with_host<R>(f: impl FnOnce(&Seeded) -> R) -> Option<R> {
    itself().map(|guest| f(guest.seeded()))
}

/// A checkpoint on a thread that is a guest: it waits for another turn if it is to give way. `false`: it is
/// none.
pub(super) fn at_checkpoint() -> bool {
    let Some(guest) = itself() else { return false };
    let seeded = guest.seeded();
    if seeded.gives_way() {
        seeded.turns.pass_on(guest.id, true);
        // It is ready, so that it is not told of a deadlock here; or there are no turns any more.
        let _turn = seeded.turns.wait(guest.id, |time| report_standstill(&guest.scheduler, time));
    }
    if seeded.turns.is_free() {
        checkpoint::clear_request();
    } else {
        checkpoint::raise_request();
    }
    true
}

/// A stay as a guest, in which this thread has the turn or waits for it.
struct Stay {
    guest: Itself,
    sleeper: Arc<Sleeper>,
    before: Before,
}

/// What to put back when the stay ends.
enum Before {
    /// It was this guest already, and was woken through this.
    SameGuest(Arc<Sleeper>),
    Other {
        guest: Option<Itself>,
        had_chooser: bool,
        was_requested: bool,
    },
}

impl Stay {
    /// Comes to have the turn, in `block_on`.
    fn in_block_on(scheduler: &Arc<Scheduler>) -> Self {
        let sleeper = Arc::new(Sleeper::of_seeded(scheduler));
        let turns = &seeded_of(scheduler).turns;
        if let Some(guest) = itself().filter(|guest| Arc::ptr_eq(&guest.scheduler, scheduler)) {
            let before = Before::SameGuest(turns.exchange_sleeper(guest.id, sleeper.clone()));
            return Stay { guest, sleeper, before };
        }
        let id = turns.arrive(Role::BlockOn, sleeper.clone());
        scheduler.unpark(0);
        let stay = Self::begin(Itself { scheduler: scheduler.clone(), id }, sleeper);
        stay.after_wait(turns.wait(id, |time| report_standstill(scheduler, time)));
        stay
    }

    fn begin(guest: Itself, sleeper: Arc<Sleeper>) -> Self {
        let before = Before::Other {
            guest: GUEST.replace(Some(guest.clone())),
            had_chooser: checkpoint::has_chooser(),
            was_requested: checkpoint::is_request_raised(),
        };
        checkpoint::install(on_checkpoint);
        checkpoint::set_chooser(Some(choose));
        Stay { guest, sleeper, before }
    }

    /// Gives the turn back, until the future is woken and has its turn.
    fn pass_on(&self) {
        let turns = &self.guest.seeded().turns;
        turns.pass_on(self.guest.id, false);
        let scheduler = &self.guest.scheduler;
        self.after_wait(turns.wait(self.guest.id, |time| report_standstill(scheduler, time)));
    }

    /// # Panics
    /// If nobody will ever wake the future.
    fn after_wait(&self, turn: Turn) {
        match turn {
            Turn::Given => {}
            Turn::Free => {
                while !self.sleeper.has_wake() {
                    self.sleeper.parker.park();
                }
            }
            Turn::Deadlock(message) => panic!("{message}"),
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let turns = &self.guest.seeded().turns;
        let before = match &mut self.before {
            Before::SameGuest(sleeper) => {
                turns.exchange_sleeper(self.guest.id, sleeper.clone());
                return;
            }
            Before::Other { guest, had_chooser, was_requested } => {
                (guest.take(), *had_chooser, *was_requested)
            }
        };
        let (guest, had_chooser, was_requested) = before;
        let is_host = guest.is_some() || context::with_seat(|seat| seat.is_some());
        GUEST.set(guest);
        if is_host {
            checkpoint::set_chooser(had_chooser.then_some(choose));
            checkpoint::clear_request();
            if was_requested {
                checkpoint::raise_request();
            }
        } else {
            checkpoint::uninstall();
        }
        turns.leave(self.guest.id);
    }
}

/// Runs a future on this thread, in turn with everything else on the runtime.
///
/// # Panics
/// If the future panics, if nobody will ever wake it, and on the runtime's own machine.
pub(crate) fn block_on<F: Future>(scheduler: &Arc<Scheduler>, future: F) -> F::Output {
    assert!(
        !context::is_on_seat_of(Arc::as_ptr(scheduler)),
        "`block_on` in a task of a seeded runtime waits for tasks that only this thread runs; use \
         `.await`, or `spawn_blocking` around the call"
    );
    let stay = Stay::in_block_on(scheduler);
    let waker = waker(&stay.sleeper);
    let mut cx = Context::from_waker(&waker);
    // Dropped before the turn is given up.
    let mut future = pin!(future);
    loop {
        if stay.sleeper.take_wake() {
            checkpoint::raise_request();
            let poll = || future.as_mut().poll(&mut cx);
            if let Poll::Ready(output) = coop::with_budget(poll) {
                return output;
            }
        }
        stay.pass_on();
    }
}

/// Runs a blocking closure on this thread of the pool, in the turn that it was begun in; without turns
/// if the runtime has shut down meanwhile.
pub(super) fn run_job(scheduler: &Arc<Scheduler>, runnable: Runnable) {
    let turns = &seeded_of(scheduler).turns;
    let Some(id) = turns.take_beginning() else {
        return trace::run_blocking(scheduler, runnable);
    };
    let sleeper = Arc::new(Sleeper::of_seeded(scheduler));
    let stay = Stay::begin(Itself { scheduler: scheduler.clone(), id }, sleeper);
    if let Turn::Given = turns.wait(id, |_| {}) {
        checkpoint::raise_request();
    }
    trace::run_blocking(scheduler, runnable);
    drop(stay);
}

fn report_standstill(scheduler: &Scheduler, time: std::time::Duration) {
    report::warn(format_args!(
        "seed {}: nothing has moved for {time:?}, as one poll does not end; does it wait for a lock whose \
         owner was preempted at a checkpoint (`no_preempt` protects such a section), or does it block?",
        seeded_of(scheduler).seed
    ));
}
