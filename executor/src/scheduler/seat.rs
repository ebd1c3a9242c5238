//! A seat: what a machine knows while it runs tasks.
//!
//! Only code that runs on the machine touches its seat, and signal handlers that interrupt such
//! code read it; hence the relaxed atomics. Which machine that is can change during a poll, if the
//! poll is detached and resumed by another one. So the seat is found through a thread-local pointer
//! that is set again after every switch (`context::sit`, `context::reseat`), never through a
//! variable that was set before a poll.

use super::anticipation::Anticipation;
use super::background::Turn;
use super::classes::Turns;
use super::detach::StoppedBy;
use super::machine::Machine;
use super::worker::SeatRef;
use super::{Processor, Scheduler};
use crate::context::{self, Visible};
use crate::trace::Lane;
use preempt_checkpoint::runtime as checkpoint;
use preempt_fiber::Pool;
use preempt_sysmon::Slice;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Waker;

/// No processor.
const NONE: usize = usize::MAX;

pub(crate) struct Seat {
    scheduler: Arc<Scheduler>,
    machine: Arc<Machine>,
    /// Where the fibers come from on which other tasks run while a poll is detached.
    pub(super) fibers: Option<Arc<Pool>>,
    processor: AtomicUsize,
    /// The poll that runs on this machine, as `Slice::into_bits`; zero between polls. Stays set
    /// when the processor is taken away during the poll.
    slice: AtomicU64,
    searching: Cell<bool>,
    /// The machine got a processor and has not gone back to the spare ones since.
    was_offered: Cell<bool>,
    pub(super) picks: Cell<u32>,
    pub(super) lifo_polls: Cell<u32>,
    pub(super) turn: Turn,
    /// Of the other classes.
    pub(super) turns: Turns,
    /// What was taken last is of the background and in its turn.
    pub(super) has_turn: Cell<bool>,
    pub(super) anticipation: Anticipation,
    random: Cell<u32>,
    /// What it records.
    pub(crate) lane: Lane,
    /// Kept for its memory; empty between uses.
    wakers: Cell<Vec<Waker>>,
}

impl Seat {
    /// `lane` is this thread's, or the one that its predecessor has given up.
    pub(crate) fn new(scheduler: Arc<Scheduler>, machine: Arc<Machine>, lane: Lane) -> Self {
        Seat {
            fibers: scheduler.fibers(),
            scheduler,
            machine,
            processor: AtomicUsize::new(NONE),
            slice: AtomicU64::new(0),
            searching: Cell::new(false),
            was_offered: Cell::new(false),
            picks: Cell::new(0),
            lifo_polls: Cell::new(0),
            turn: Turn::default(),
            turns: Turns::default(),
            has_turn: Cell::new(false),
            anticipation: Anticipation::default(),
            random: Cell::new(context::random_seed()),
            lane,
            wakers: Cell::default(),
        }
    }

    pub(crate) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    pub(crate) fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// Takes a processor over, which the caller holds.
    pub(crate) fn take(&self, processor: usize) {
        self.scheduler.processors[processor].set_holder(Visible::here(), &self.machine);
        self.processor.store(processor, Relaxed);
        self.searching.set(false);
        self.was_offered.set(true);
        self.trace_take(processor);
    }

    /// A new loop has begun on this fiber: its flag is to be raised from now on.
    pub(super) fn moved_to_this_fiber(&self) {
        if let Some(processor) = self.held() {
            processor.set_holder(Visible::here(), &self.machine);
        }
    }

    /// A poll that left another seat was resumed on this one, or on the same.
    pub(super) fn count_migration(&self, from: SeatRef) {
        let migrated = from != SeatRef::new(self);
        self.scheduler.counters.migrations.fetch_add(migrated.into(), Relaxed);
    }

    /// How many fibers are ready to go on on; none if as many polls are detached as may be.
    /// Signal-safe.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn spares(&self) -> usize {
        let fibers = self.fibers.as_ref().filter(|_| self.scheduler.background.has_place());
        fibers.map_or(0, |fibers| fibers.spares())
    }

    /// Whether the machine has lost a processor since this was last asked.
    pub(super) fn has_lost_processor(&self) -> bool {
        self.was_offered.take()
    }

    /// Gives up the processor, if there still is one, and with it the flag of this thread.
    pub(crate) fn leave(&self) {
        if let Some(processor) = self.scheduler.processors.get(self.processor.swap(NONE, Relaxed)) {
            processor.clear_holder();
        }
    }

    /// The processor, if this machine holds it at this moment. It may lose it right afterwards,
    /// if it is in a poll.
    pub(crate) fn held(&self) -> Option<&Processor> {
        let processor = self.scheduler.processors.get(self.processor.load(Relaxed))?;
        match self.slice() {
            Some(slice) if !processor.watch.is_in(slice) => None,
            _ => Some(processor),
        }
    }

    /// The number of the processor that the machine has, or had when its poll began.
    pub(crate) fn processor_index(&self) -> Option<usize> {
        let index = self.processor.load(Relaxed);
        (index != NONE).then_some(index)
    }

    fn slice(&self) -> Option<Slice> {
        Slice::from_bits(self.slice.load(Relaxed))
    }

    /// The running poll's slice, by processor and number; kept when the processor is lost.
    pub(crate) fn slice_name(&self) -> (usize, u64) {
        (self.processor.load(Relaxed), self.slice.load(Relaxed))
    }

    /// Whether the machine is in the scheduler's own code.
    pub(super) fn is_between_polls(&self) -> bool {
        self.slice().is_none()
    }

    /// The poll that is running on this machine, with its processor if that is still held.
    pub(crate) fn held_in_poll(&self) -> Option<(&Processor, Slice)> {
        Some((self.held()?, self.slice()?))
    }

    /// Whether a poll runs on this machine that is to give way: because it was asked, or because the
    /// monitor has taken its processor already.
    pub(crate) fn poll_is_to_leave(&self) -> bool {
        match self.held_in_poll() {
            Some((processor, slice)) => processor.watch.is_requested(slice),
            None => self.slice().is_some() && self.machine.is_orphaned(),
        }
    }

    /// Whether a poll runs on this machine whose processor the monitor has taken, and which would be
    /// set aside if there were a fiber to go on with, as there will be soon.
    pub(super) fn waits_for_fiber(&self) -> bool {
        let is_orphan =
            self.held().is_none() && self.slice().is_some() && self.machine.is_orphaned();
        is_orphan && self.fibers.is_some() && self.scheduler.background.has_place()
    }

    /// A poll begins on this machine's processor.
    pub(super) fn begin_slice(&self, processor: &Processor) {
        checkpoint::begin_poll();
        self.note_slice(processor, processor.watch.begin_poll());
    }

    /// As [`begin_slice`](Self::begin_slice), for a poll that had to be preempted before.
    pub(super) fn begin_background_slice(&self, processor: &Processor, stopped_by: StoppedBy) {
        let slice = processor.watch.begin_background_poll();
        if stopped_by == StoppedBy::Signal {
            processor.watch.note_silent(slice);
        }
        self.note_slice(processor, slice);
    }

    fn note_slice(&self, processor: &Processor, slice: Slice) {
        if self.has_turn.take() {
            processor.watch.promise_turn(slice);
        }
        self.slice.store(slice.into_bits(), Relaxed);
    }

    /// The poll is over, or is set aside in the middle. If the processor was taken away during it,
    /// the machine has none now.
    pub(super) fn end_slice(&self) {
        let Some(slice) = self.slice() else { return };
        self.slice.store(0, Relaxed);
        let index = self.processor.load(Relaxed);
        let kept = match self.scheduler.processors.get(index) {
            Some(processor) => processor.watch.end_poll(slice),
            None => false,
        };
        self.observe_end(index, kept);
        if !kept {
            // Another machine has it: its holder is none of this machine's business.
            self.processor.store(NONE, Relaxed);
            self.machine.end_orphaned();
            self.scheduler.forget_adrift(index, &self.machine);
        }
    }

    /// A number below that of the processors that are used (xorshift; Marsaglia 2003).
    pub(super) fn next_random(&self) -> usize {
        let mut word = self.random.get();
        word ^= word << 13;
        word ^= word >> 17;
        word ^= word << 5;
        self.random.set(word);
        ((u64::from(word) * self.scheduler.used_processors().len() as u64) >> 32) as usize
    }

    /// Asks for leave to search, unless this machine searches already.
    pub(super) fn start_search(&self) -> bool {
        if !self.searching.get() {
            self.searching.set(self.scheduler.idle.start_search());
        }
        self.searching.get()
    }

    /// Work was found. The last searcher sees to it that somebody looks for more.
    pub(super) fn stop_search(&self) {
        if self.searching.take() && self.scheduler.idle.stop_search() {
            self.scheduler.wake_one();
        }
    }

    /// Sleeps together with the processor until there is work, an event or a timer that is due.
    pub(super) fn park(&self, processor: &Processor) {
        let scheduler = &*self.scheduler;
        let mut wakers = self.wakers.take();
        processor.counters.parks(processor.watch.polls());
        let since = self.trace_pause(Some(processor.index));
        let last = scheduler.idle.park(processor.index, self.searching.take());
        // What it has pushed without waking anybody.
        let has_own = || !processor.queue.is_empty() || scheduler.classes.have_fresh();
        let work_left = if last { scheduler.has_work() } else { has_own() };
        if !work_left && !scheduler.attention.keeps_awake() {
            scheduler.sleep_on(processor, &mut wakers);
        }
        self.searching.set(scheduler.idle.unpark(processor.index));
        scheduler.monitor.work_started();
        processor.counters.unparks();
        self.trace_pause_end(Some(processor.index), since);
        self.wake(wakers, Scheduler::trace_netpoll);
    }

    /// Wakes whoever waits for a timer that is due.
    pub(super) fn fire_timers(&self) {
        let Some(due) = self.scheduler.timers.due() else { return };
        let mut wakers = self.wakers.take();
        self.scheduler.timers.fire_due(due, &mut wakers);
        self.wake(wakers, Scheduler::trace_timers);
    }

    /// Wakes whoever waits for an event that has come, unless somebody else looks after that.
    pub(super) fn poll_netpoll(&self) {
        if self.scheduler.netpoll.is_unattended() {
            let mut wakers = self.wakers.take();
            self.scheduler.netpoll.poll_in_passing(&mut wakers);
            self.lane.forget_time();
            self.wake(wakers, Scheduler::trace_netpoll);
        }
    }

    #[inline]
    fn wake(&self, mut wakers: Vec<Waker>, trace: impl FnOnce(&Scheduler, usize)) {
        if !wakers.is_empty() {
            trace(&self.scheduler, wakers.len());
            self.scheduler.wake_all(&mut wakers);
        }
        self.wakers.set(wakers);
    }

    /// Whether it was looking for work when it was left; then it is no more.
    pub(crate) fn was_searching(&self) -> bool {
        self.searching.take()
    }

    /// Gives the processor of the running poll to another machine, and the poll goes on.
    pub(super) fn lose_processor(&self) -> bool {
        // Before the processor goes, as in the monitor's hand-off.
        self.machine.place().lose();
        self.machine.set_gave_processor_away(true);
        let handed_off = self.hand_off();
        if !handed_off {
            self.machine.set_gave_processor_away(false);
        }
        handed_off
    }

    /// Gives the processor of the running poll away for code that has leave to block.
    pub(crate) fn go_off(&self) {
        self.hand_off();
        self.machine.set_gave_processor_away(false);
    }

    /// The running poll goes on after code that had leave to block: without its processor, if that was
    /// given away for it, and not before the world goes on.
    pub(crate) fn come_back(&self) {
        if self.slice().is_none() || self.held().is_some() {
            return;
        }
        // Also if it is an orphan: the monitor may be about to find that it is late.
        self.machine.place().lose();
        // Before the bit is read: pairs with the stopper, which reads this after it has set the bit.
        self.machine.set_gave_processor_away(true);
        if self.scheduler.is_stopping() {
            self.scheduler.wait_at_barrier(&self.machine);
        }
    }

    /// Gives the processor of the running poll to another machine, on the poll's own wish.
    pub(crate) fn hand_off(&self) -> bool {
        self.held_in_poll()
            .is_some_and(|(processor, slice)| self.scheduler.hand_off(processor.index, slice))
    }
}
