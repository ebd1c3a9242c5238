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
use super::parker::Parker;
use super::seat::Seat;
use crate::sync::Mutex;
use std::io;
use std::sync::{Arc, Condvar, MutexGuard, PoisonError};

use std::time::Instant;

/// A thread that runs tasks.
pub(crate) struct Machine {
    offer: Mutex<Offer>,
    parker: Parker,
}

enum Offer {
    Nothing,
    Processor(usize),
    /// The runtime has shut down.
    Leave,
}

impl Machine {
    /// Gives the machine a processor, which the caller holds.
    pub(crate) fn offer(&self, processor: usize) {
        *self.offer.lock() = Offer::Processor(processor);
        self.parker.unpark();
    }

    fn dismiss(&self) {
        *self.offer.lock() = Offer::Leave;
        self.parker.unpark();
    }

    /// Sleeps until there is a processor to work on; `None`: the runtime has shut down.
    fn wait_for_processor(&self) -> Option<usize> {
        loop {
            match std::mem::replace(&mut *self.offer.lock(), Offer::Nothing) {
                Offer::Nothing => {}
                Offer::Processor(processor) => return Some(processor),
                Offer::Leave => return None,
            }
            self.parker.park();
        }
    }
}

/// All machines of a runtime.
#[derive(Default)]
pub(crate) struct Machines {
    // std's mutex, as it is waited on with std's condition variable.
    roll: std::sync::Mutex<Roll>,
    one_left: Condvar,
}

#[derive(Default)]
struct Roll {
    spare: Vec<Arc<Machine>>,
    /// Threads that have not ended.
    alive: usize,
    closed: bool,
}

impl Machines {
    fn roll(&self) -> MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A machine without a processor: a spare one, or a new thread.
    ///
    /// # Errors
    /// When the operating system makes no thread, or the runtime has its fill of them.
    pub(crate) fn obtain(&self, scheduler: &Arc<Scheduler>) -> io::Result<Arc<Machine>> {
        {
            let mut roll = self.roll();
            if roll.closed {
                return Err(io::Error::other("the runtime has shut down"));
            }
            if let Some(machine) = roll.spare.pop() {
                return Ok(machine);
            }
            if roll.alive >= scheduler.config.most_machines() {
                return Err(io::Error::other("the runtime has as many threads as it may"));
            }
            roll.alive += 1;
        }
        self.create(scheduler).inspect_err(|_| self.left())
    }

    fn create(&self, scheduler: &Arc<Scheduler>) -> io::Result<Arc<Machine>> {
        let machine =
            Arc::new(Machine { offer: Mutex::new(Offer::Nothing), parker: Parker::new() });
        let body = {
            let (scheduler, machine) = (scheduler.clone(), machine.clone());
            move || live(&scheduler, machine)
        };
        scheduler.config.thread_builder().spawn(body)?;
        Ok(machine)
    }

    /// Takes back a machine that has no processor.
    pub(crate) fn put_back(&self, machine: Arc<Machine>) {
        let mut roll = self.roll();
        if roll.closed {
            machine.dismiss();
        } else {
            roll.spare.push(machine);
        }
    }

    /// Sends all spare machines home, and each other one when it comes back.
    pub(crate) fn close(&self) {
        let mut roll = self.roll();
        roll.closed = true;
        roll.spare.drain(..).for_each(|machine| machine.dismiss());
    }

    fn left(&self) {
        self.roll().alive -= 1;
        self.one_left.notify_all();
    }

    /// Waits until all threads have ended. `false`: not before the deadline.
    pub(crate) fn wait_until_gone(&self, deadline: Option<Instant>) -> bool {
        let mut roll = self.roll();
        while roll.alive > 0 {
            let Some(deadline) = deadline else {
                roll = self.one_left.wait(roll).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (roll, _) =
                self.one_left.wait_timeout(roll, left).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// How many threads there are.
    pub(crate) fn alive(&self) -> usize {
        self.roll().alive
    }
}

/// Says that a machine's thread has ended, also if it unwinds.
struct Farewell<'a>(&'a Arc<Scheduler>);

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.0.machines.left();
    }
}

/// The life of a machine's thread.
fn live(scheduler: &Arc<Scheduler>, machine: Arc<Machine>) {
    let _farewell = Farewell(scheduler);
    prepare_thread();
    scheduler.config.on_thread_start();
    {
        let seat = Seat::new(scheduler.clone());
        let _seated = seat.sit();
        while let Some(processor) = machine.wait_for_processor() {
            seat.take(processor);
            while seat.step() {}
            seat.leave();
            scheduler.machines.put_back(machine.clone());
        }
    }
    scheduler.config.on_thread_stop();
}

/// Asks the kernel for timers as precise as it can: its default is to be up to 50 us late.
pub(crate) fn prepare_thread() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: sets a number of the calling thread. It fails for no valid argument, and timers
        // are only less precise if it does.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000_u64, 0, 0, 0) };
    }
}
