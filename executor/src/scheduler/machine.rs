//! Machines: the threads that run tasks, apart from the processors that give them the right to.
//!
//! ```text
//!            offer(processor)                 no processor any more
//!   spare ───────────────────▶ at work ─────────────────────────────▶ spare
//!     ▲                          │   loses it in mid-poll, ends the poll ▲
//!   created                      └──────────────────────────────────────┘
//! ```
//!
//! A machine never ends before its runtime shuts down: the next hog will need it. So there are as
//! many as there were polls without a processor at one time, plus one for each processor.

use super::Scheduler;
use super::barrier::Ticket;
use super::offer::Offer;
use super::os_thread;
use super::seat::Seat;
use super::worker;
use crate::observe::Place;
use crate::preempt::{self, REFUSALS, Refusal};
use crate::sync::{Condvar, Mutex};
use preempt_fiber::Spare;
use std::io;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst,
};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// A thread that runs tasks.
pub(crate) struct Machine {
    offer: Offer,
    /// What switches the thread between fibers. Its token is this machine's address.
    fibers: preempt_fiber::Machine,
    /// The monitor has taken its processor in the middle of a poll that still runs, or is about to.
    orphaned: AtomicBool,
    /// The poll itself has given it away, and goes on; and not in code that blocks with leave to.
    gave_processor_away: AtomicBool,
    /// A signal was sent to the machine and has not been handled.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    signal_expected: AtomicBool,
    /// For the barrier, where it stands without a processor, or stops the world.
    ticket: Ticket,
    /// Why the last signal did not suspend what it runs: one more than the number of the refusal; zero:
    /// none was refused.
    refused: AtomicU8,
    /// When the last signal was sent.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    last_signal: Mutex<Option<Instant>>,
    /// The signals that its thread blocks when a poll begins.
    signal_mask: AtomicU64,
    /// What others may know of what it runs.
    place: Place,
    /// The thread's seat. Set by the thread before it enters a fiber, valid until it ends.
    seat: AtomicPtr<Seat>,
}

/// Whether a signal is to be sent to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) enum Expected {
    /// One is on its way already.
    Already,
    /// The last one was handled.
    Now,
    /// The last one was not handled for so long that it counts as lost.
    Again,
}

impl Machine {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Machine>| Machine {
            offer: Offer::new(),
            fibers: preempt_fiber::Machine::new(this.as_ptr().expose_provenance()),
            orphaned: AtomicBool::new(false),
            gave_processor_away: AtomicBool::new(false),
            ticket: Ticket::new(),
            refused: AtomicU8::new(0),
            #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
            signal_expected: AtomicBool::new(false),
            #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
            last_signal: Mutex::new(None),
            signal_mask: AtomicU64::new(0),
            place: Place::default(),
            seat: AtomicPtr::new(std::ptr::null_mut()),
        })
    }

    /// The seat of the machine's thread.
    pub(crate) fn seat(&self) -> *const Seat {
        self.seat.load(Relaxed)
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// A loop, or a poll that was suspended, goes on on this machine. For its own thread.
    pub(crate) fn note_place(&self) {
        self.place.arrive();
    }

    /// The kernel thread that it is on, if it runs.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn kernel_thread(&self) -> Option<usize> {
        self.fibers.kernel_thread().or_else(|| self.place.thread())
    }

    pub(crate) fn fibers(&self) -> &preempt_fiber::Machine {
        &self.fibers
    }

    /// A signal is about to be sent. Called by the monitor, and by whoever stops the world.
    #[must_use]
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn expect_signal(&self) -> Expected {
        /// A signal that came in the middle of a switch is not taken note of; it is sent again.
        const LOST_AFTER: std::time::Duration = std::time::Duration::from_millis(1);
        let mut last = self.last_signal.lock();
        let pending = self.signal_expected.load(SeqCst);
        if pending && last.is_some_and(|last| last.elapsed() < LOST_AFTER) {
            return Expected::Already;
        }
        *last = Some(Instant::now());
        self.signal_expected.store(true, SeqCst);
        if pending { Expected::Again } else { Expected::Now }
    }

    /// Whether a signal was sent that has not been handled.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn take_expected_signal(&self) -> bool {
        self.signal_expected.swap(false, SeqCst)
    }

    /// Whether a signal was sent that has not been handled; that stays so.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn expects_signal(&self) -> bool {
        self.signal_expected.load(SeqCst)
    }

    #[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
    pub(crate) fn expects_signal(&self) -> bool {
        false
    }

    /// A signal did not suspend what it runs. Signal-safe.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn note_refusal(&self, refusal: Refusal) {
        self.refused.store(refusal as u8 + 1, Relaxed);
    }

    pub(crate) fn forget_refusal(&self) {
        self.refused.store(0, Relaxed);
    }

    /// Why the last signal did not, since that was forgotten.
    pub(crate) fn last_refusal(&self) -> Option<Refusal> {
        let number = usize::from(self.refused.load(Relaxed)).checked_sub(1)?;
        REFUSALS.get(number).copied()
    }

    /// What it shows while it stands at the barrier without a processor, or stops the world.
    pub(super) fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Whether it runs a poll that has lost its processor: to the monitor, at a checkpoint, or before it
    /// came back from `block_in_place`.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.orphaned.load(SeqCst) || self.gave_processor_away.load(SeqCst)
    }

    /// The monitor is about to take its processor; or could not.
    pub(crate) fn set_orphaned(&self, orphaned: bool) {
        self.orphaned.store(orphaned, SeqCst);
    }

    /// As [`set_orphaned`](Self::set_orphaned), for the poll itself: the monitor may be trying at the same
    /// time, and fail.
    pub(super) fn set_gave_processor_away(&self, gave: bool) {
        self.gave_processor_away.store(gave, SeqCst);
    }

    /// The poll is over.
    pub(super) fn end_orphaned(&self) {
        self.set_orphaned(false);
        self.set_gave_processor_away(false);
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn signal_mask(&self) -> u64 {
        self.signal_mask.load(Relaxed)
    }

    /// Gives the machine a processor, which the caller holds.
    pub(crate) fn offer(&self, processor: usize) {
        self.offer.make(processor);
    }

    /// Sleeps until there is a processor to work on; `None`: the runtime has shut down.
    pub(super) fn wait_for_processor(&self) -> Option<usize> {
        self.offer.wait()
    }
}

/// All machines of a runtime.
#[derive(Default)]
pub(crate) struct Machines {
    roll: Mutex<Roll>,
    one_left: Condvar,
}

#[derive(Default)]
struct Roll {
    spare: Vec<Arc<Machine>>,
    /// All that were made.
    all: Vec<Weak<Machine>>,
    /// Threads that have not ended.
    alive: usize,
    closed: bool,
    /// Shutdown has stopped waiting for the threads.
    given_up: bool,
}

impl Machines {
    /// A machine without a processor: a spare one, or a new thread. Also during shutdown: a poll that
    /// is blocked may wait for a lock of a detached one, which only a free processor resumes (found by
    /// `a_drop_waits_for_suspended_polls_that_end`).
    ///
    /// # Errors
    /// When the operating system makes no thread, or the runtime has its fill of them.
    pub(crate) fn obtain(&self, scheduler: &Arc<Scheduler>) -> io::Result<Arc<Machine>> {
        {
            let mut roll = self.roll.lock();
            if let Some(machine) = roll.spare.pop() {
                return Ok(machine);
            }
            if roll.alive >= scheduler.config.most_machines() {
                return Err(io::Error::other("the runtime has as many threads as it may"));
            }
            roll.alive += 1;
        }
        self.create(scheduler).inspect_err(|_| {
            self.left();
        })
    }

    /// A new thread, together with the fiber that it begins on: where polls are detached, a
    /// machine without one could not resume them.
    fn create(&self, scheduler: &Arc<Scheduler>) -> io::Result<Arc<Machine>> {
        let fiber = scheduler.first_fiber()?;
        let machine = Machine::new();
        let body = {
            let (scheduler, machine) = (scheduler.clone(), machine.clone());
            move || live(scheduler, machine, fiber)
        };
        scheduler.config.thread_builder().spawn(body)?;
        self.roll.lock().all.push(Arc::downgrade(&machine));
        Ok(machine)
    }

    /// Takes back a machine that has no processor.
    pub(crate) fn put_back(&self, machine: Arc<Machine>) {
        let mut roll = self.roll.lock();
        if roll.closed {
            machine.offer.dismiss();
        } else {
            roll.spare.push(machine);
        }
    }

    /// Sends all spare machines home, and each other one when it comes back.
    pub(crate) fn close(&self) {
        let mut roll = self.roll.lock();
        roll.closed = true;
        roll.spare.drain(..).for_each(|machine| machine.offer.dismiss());
    }

    /// A thread ends. `true`: it was the last, and nobody waits for that any more.
    fn left(&self) -> bool {
        let mut roll = self.roll.lock();
        roll.alive -= 1;
        let is_to_finish = roll.alive == 0 && roll.given_up;
        drop(roll);
        self.one_left.notify_all();
        is_to_finish
    }

    /// Waits until all threads have ended. `false`: not before the deadline, and the last one will
    /// do what is left to do.
    pub(crate) fn wait_until_gone(&self, deadline: Option<Instant>) -> bool {
        let mut roll = self.roll.lock();
        while roll.alive > 0 {
            if !self.one_left.wait_until(&mut roll, deadline) && roll.alive > 0 {
                roll.given_up = true;
                return false;
            }
        }
        true
    }

    /// All that there are.
    pub(crate) fn all(&self) -> Vec<Arc<Machine>> {
        self.roll.lock().all.iter().filter_map(Weak::upgrade).collect()
    }

    /// How many threads there are, and how many of them are spare.
    pub(crate) fn alive_and_spare(&self) -> (usize, usize) {
        let roll = self.roll.lock();
        (roll.alive, roll.spare.len())
    }
}

/// The life of a machine's thread.
fn live(scheduler: Arc<Scheduler>, machine: Arc<Machine>, fiber: Option<Spare>) {
    os_thread::prepare();
    machine.signal_mask.store(preempt::prepare_signal_mask(), Relaxed);
    let seat = Seat::new(scheduler.clone(), machine.clone(), scheduler.recorder.lane());
    machine.seat.store((&raw const seat).cast_mut(), Relaxed);
    worker::run(&seat, fiber);
    // What the seat holds of the runtime goes before the thread is counted out.
    drop(seat);
    drop(machine);
    if scheduler.machines.left() {
        scheduler.finish();
    }
}
