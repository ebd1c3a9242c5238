//! More or fewer processors, while the runtime works.
//!
//! A runtime is born with room for as many processors as it can ever have. The first of them, up to the
//! number that was asked for last, are *active*; the others are *retired*: they have no machine, sleep
//! nowhere, and nothing waits in their queues.
//!
//! ```text
//!            set_processors: fewer            its machine, between two polls
//!   active ─────────────────────▶ retiring ───────────────────────────────▶ retired
//!     ▲                              │  set_processors: more                  │
//!     └──────────────────────────────┴────────────────────────────────────────┘
//!                                                             with a new machine
//! ```
//!
//! A processor retires by itself: its machine finds `RESIZING` before its next poll, moves what is queued
//! to the injector and becomes a spare one. One that sleeps is woken for it. A poll that goes on is asked
//! to give way, and what the monitor does about others that keep a processor while somebody waits, it does
//! for a processor that retires (`is_wanted`).
//!
//! # No task is left behind on a retired processor (proof sketch)
//! Its machine writes `retired` and then empties the queue, after which only a machine that lost this
//! processor in the middle of a poll can still push there: one that found itself in its slice before it
//! pushed. It wakes a sleeper afterwards, as such a machine always does, and whoever looks for work also
//! looks at retired processors (`used`). If nobody sleeps, the monitor looks, finds the task waiting, and
//! moves it to the injector.
//!
//! # No wake-up is lost
//! A processor that was woken for a new task, and retires before it looks for it, wakes another one
//! afterwards; so does one that slept in the event queue.

use super::attention::RESIZING;
use super::seat::Seat;
use super::{Processor, Scheduler};
use crate::runtime::Flavor;
use crate::sync::Mutex;
use crate::task::List;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

/// How many processors there are.
pub(super) struct Size {
    active: AtomicUsize,
    /// All that were ever active are below this.
    used: AtomicUsize,
    /// Whoever makes a processor retire, or brings one back, has it.
    change: Mutex<()>,
}

impl Size {
    pub(super) fn new(active: usize) -> Self {
        Size {
            active: AtomicUsize::new(active),
            used: AtomicUsize::new(active),
            change: Mutex::new(()),
        }
    }
}

impl Scheduler {
    /// How many processors run tasks, or will in a moment.
    pub(crate) fn active_processors(&self) -> usize {
        self.size.active.load(SeqCst)
    }

    /// All processors that were ever active. Nothing is queued at others, and none of them is in a poll.
    pub(crate) fn used_processors(&self) -> &[Processor] {
        &self.processors[..self.size.used.load(SeqCst)]
    }

    /// How many processors have a machine.
    pub(crate) fn machines_in_place(&self) -> usize {
        self.used_processors().iter().filter(|processor| !processor.is_retired()).count()
    }

    /// Whether the processor is to retire, or has.
    pub(super) fn is_surplus(&self, processor: usize) -> bool {
        processor >= self.active_processors()
    }

    /// Sets how many processors there are. Does not wait for those that retire.
    ///
    /// # Errors
    /// When there is no room for so many, or the operating system makes no thread for one that comes
    /// back: then there are as many as there are threads for.
    pub(crate) fn set_processors(&self, count: usize) -> io::Result<()> {
        let most = self.processors.len();
        if self.config.flavor == Flavor::CurrentThread {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a current-thread runtime has one processor, the thread in `block_on`; build the \
                 runtime with `Builder::new_multi_thread` to set their number",
            ));
        }
        if self.seeded.is_some() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "in a seeded runtime one thing runs at a time, so it has one processor",
            ));
        }
        if !(1..=most).contains(&count) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the number of processors must be 1 to {most}, not {count}: the runtime was \
                     built with room for one for each of the machine's, or for as many as \
                     `Builder::worker_threads` said if that is more"
                ),
            ));
        }
        let Some(this) = self.this.upgrade().filter(|_| !self.is_closed()) else {
            return Err(io::Error::other("the runtime has shut down"));
        };
        let change = self.size.change.lock();
        let before = self.active_processors();
        let grown = if count < before {
            self.shrink(count..before);
            Ok(())
        } else {
            self.grow(&this, before..count)
        };
        drop(change);
        grown
    }

    fn shrink(&self, surplus: Range<usize>) {
        self.set_active(surplus.start);
        self.attention.call_for(RESIZING);
        for processor in &self.processors[surplus] {
            if let Some(slice) = processor.watch.observe() {
                processor.request(slice);
            }
            self.unpark(processor.index);
        }
        self.kick_monitor(Instant::now());
    }

    fn grow(&self, this: &Arc<Scheduler>, wanted: Range<usize>) -> io::Result<()> {
        self.size.used.fetch_max(wanted.end, SeqCst);
        let grown = self.bring_back(this, wanted);
        self.note_retired();
        grown
    }

    fn bring_back(&self, this: &Arc<Scheduler>, wanted: Range<usize>) -> io::Result<()> {
        for processor in &self.processors[wanted] {
            // One that has not retired yet stays.
            if processor.is_retired() {
                let machine = self.machines.obtain(this)?;
                processor.set_retired(false);
                processor.counters.unparks();
                self.idle.revive();
                self.monitor.work_started();
                machine.offer(processor.index);
            }
            self.set_active(processor.index + 1);
        }
        Ok(())
    }

    fn set_active(&self, count: usize) {
        self.size.active.store(count, SeqCst);
        self.background.share_turns(count);
        self.classes.share_among(&self.config, count);
    }

    /// Nothing concerns the machines any more once all that are to have retired.
    fn note_retired(&self) {
        let surplus = &self.used_processors()[self.active_processors()..];
        if surplus.iter().all(Processor::is_retired) {
            self.attention.dismiss(RESIZING);
        }
    }

    /// Between two polls of a machine: its processor retires, if it is to. `true`: it has.
    pub(super) fn retire(&self, seat: &Seat, processor: &Processor) -> bool {
        let change = self.size.change.lock();
        if !self.is_surplus(processor.index) {
            return false;
        }
        seat.stop_search();
        self.classes.stop_clock(self, processor.index);
        self.idle.retire();
        processor.counters.parks(processor.watch.polls());
        processor.set_retired(true);
        self.empty(processor);
        seat.leave();
        self.note_retired();
        drop(change);
        // Whoever was woken for a task, or slept until an event, on this processor does not any more.
        self.wake_one();
        true
    }

    /// Moves what is queued at a processor to the injector.
    fn empty(&self, processor: &Processor) {
        let mut left = List::default();
        while let Some(runnable) = processor.queue.pop_lifo().or_else(|| processor.queue.pop()) {
            left.push_back(runnable);
        }
        self.injector.push_list(&mut left);
    }

    /// For the monitor, at every look: moves what came to a processor when it had retired.
    pub(super) fn empty_retired(&self) {
        let surplus = &self.used_processors()[self.active_processors()..];
        for processor in surplus {
            if processor.is_retired() && !processor.queue.is_empty() {
                self.empty(processor);
                self.wake_one();
            }
        }
    }
}
