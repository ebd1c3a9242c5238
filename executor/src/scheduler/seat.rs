//! A seat: what a thread knows while it runs tasks, and the loop that runs them.
//!
//! Only its own thread touches a seat. The thread finds it through a thread-local pointer, not
//! through a variable that was set before a poll: after a poll the processor may be gone, so
//! everything is read again.

use super::background::Turn;
use super::{Processor, Scheduler};
use crate::context;
use crate::task::Runnable;
use preempt_checkpoint::runtime as checkpoint;
use preempt_sysmon::Slice;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

/// As in Go: every 61st pick looks at the injector first, so that a busy local queue cannot starve
/// it. A prime, so that it does not fall into step with the tasks.
const INJECTOR_INTERVAL: u32 = 61;

/// How many times in a row the LIFO slot goes first: two tasks that wake each other must not keep
/// the rest of the queue waiting.
const LIFO_POLLS_IN_A_ROW: u32 = 3;

pub(crate) struct Seat {
    scheduler: Arc<Scheduler>,
    processor: Cell<Option<usize>>,
    /// The poll that runs on this thread. Stays set when the processor is taken away during it.
    slice: Cell<Option<Slice>>,
    searching: Cell<bool>,
    picks: Cell<u32>,
    lifo_polls: Cell<u32>,
    turn: Turn,
    /// The runnable that was taken last is a background task in its turn: it has a whole slice.
    has_turn: Cell<bool>,
    random: Cell<u32>,
}

/// Ends the thread's time on its seat.
pub(crate) struct Seated<'a> {
    seat: &'a Seat,
    /// The thread has another seat, which it goes back to: a current-thread runtime is driven
    /// inside a `block_in_place`. The hook of checkpoints is the same for both.
    is_inner: bool,
    _context: context::Seated,
}

impl Drop for Seated<'_> {
    fn drop(&mut self) {
        self.seat.leave();
        if self.is_inner {
            // A request meant for the inner seat's poll.
            checkpoint::clear_request();
        } else {
            checkpoint::uninstall();
        }
    }
}

/// Ends a poll, also one that unwinds: the future of `block_on` may panic.
struct InPoll<'a> {
    seat: &'a Seat,
    processor: &'a Processor,
    slice: Slice,
}

impl Drop for InPoll<'_> {
    fn drop(&mut self) {
        self.seat.slice.set(None);
        if !self.processor.watch.end_poll(self.slice) {
            // Another machine has it: its flag is none of this thread's business.
            self.seat.processor.set(None);
        }
    }
}

impl Seat {
    pub(crate) fn new(scheduler: Arc<Scheduler>) -> Self {
        Seat {
            scheduler,
            processor: Cell::new(None),
            slice: Cell::new(None),
            searching: Cell::new(false),
            picks: Cell::new(0),
            lifo_polls: Cell::new(0),
            turn: Turn::default(),
            has_turn: Cell::new(false),
            random: Cell::new(context::random_seed()),
        }
    }

    pub(crate) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    /// Makes this the thread's seat until the guard goes.
    pub(crate) fn sit(&self) -> Seated<'_> {
        checkpoint::install(on_checkpoint);
        let is_inner = context::with_seat(|outer| outer.is_some());
        Seated { seat: self, is_inner, _context: context::sit(self) }
    }

    /// Takes a processor over, which the caller holds.
    pub(crate) fn take(&self, processor: usize) {
        self.scheduler.processors[processor].set_flag(Some(checkpoint::this_thread()));
        self.processor.set(Some(processor));
        self.searching.set(false);
    }

    /// Gives up whatever is left of the processor. The flag of the next holder is not touched.
    pub(crate) fn leave(&self) {
        if let Some(processor) = self.processor.take() {
            self.scheduler.processors[processor].set_flag(None);
        }
    }

    /// The processor, if this thread holds it at this moment. It may lose it right afterwards,
    /// if it is in a poll.
    pub(crate) fn held(&self) -> Option<&Processor> {
        let processor = &self.scheduler.processors[self.processor.get()?];
        match self.slice.get() {
            Some(slice) if !processor.watch.is_in(slice) => None,
            _ => Some(processor),
        }
    }

    /// The poll that is running on this thread, with its processor if that is still held.
    fn held_in_poll(&self) -> Option<(&Processor, Slice)> {
        Some((self.held()?, self.slice.get()?))
    }

    /// Runs one task, or sleeps if there is none. `false`: the processor is gone, or the runtime
    /// shuts down.
    pub(crate) fn step(&self) -> bool {
        let Some(processor) = self.held() else { return false };
        if self.scheduler.is_closed() {
            return false;
        }
        match self.next(processor) {
            Some(runnable) => {
                self.stop_search();
                self.run(processor, runnable);
            }
            None => self.park(processor),
        }
        true
    }

    /// One poll, with the processor's watch open.
    fn run(&self, processor: &Processor, runnable: Runnable) {
        self.in_poll(processor, || runnable.run());
    }

    /// Runs `poll` as one slice of the processor. Afterwards the processor may be lost.
    pub(crate) fn in_poll<R>(&self, processor: &Processor, poll: impl FnOnce() -> R) -> R {
        checkpoint::clear_request();
        let slice = processor.watch.begin_poll();
        if self.has_turn.take() {
            processor.watch.promise_time(slice);
        }
        self.slice.set(Some(slice));
        let _poll = InPoll { seat: self, processor, slice };
        poll()
    }

    /// The next runnable, in the order: a background task in its turn, now and then the injector,
    /// the LIFO slot, the local queue, the injector, other processors, the background.
    fn next(&self, processor: &Processor) -> Option<Runnable> {
        let scheduler = &*self.scheduler;
        scheduler.timers.fire_if_due();
        let picks = self.picks.get().wrapping_add(1);
        self.picks.set(picks);
        if let Some(preempted) = scheduler.background.pop_in_turn(&self.turn) {
            self.has_turn.set(true);
            return Some(preempted);
        }
        if picks.is_multiple_of(INJECTOR_INTERVAL)
            && let Some(injected) = scheduler.injector.pop()
        {
            return Some(injected);
        }
        self.next_local(processor)
            .or_else(|| scheduler.injector.pop_batch(&processor.queue, scheduler.processors.len()))
            .or_else(|| self.steal(processor))
            .or_else(|| scheduler.background.pop())
    }

    fn next_local(&self, processor: &Processor) -> Option<Runnable> {
        let in_a_row = self.lifo_polls.get();
        if in_a_row < LIFO_POLLS_IN_A_ROW
            && let Some(runnable) = processor.queue.pop_lifo()
        {
            self.lifo_polls.set(in_a_row + 1);
            return Some(runnable);
        }
        self.lifo_polls.set(0);
        processor.queue.pop().or_else(|| processor.queue.pop_lifo())
    }

    /// Looks for work at the other processors: first in their queues, then in their LIFO slots,
    /// which their machines would rather run themselves.
    fn steal(&self, thief: &Processor) -> Option<Runnable> {
        let scheduler = &*self.scheduler;
        // Also when there is nobody to steal from: only a searcher looks at all queues again
        // before it sleeps.
        if !self.start_search() {
            return None;
        }
        self.victims(thief)
            .find_map(|victim| victim.queue.steal_into(&thief.queue, &scheduler.injector))
            .or_else(|| self.victims(thief).find_map(|victim| victim.queue.pop_lifo()))
    }

    /// The other processors, each once, from a random one on.
    fn victims(&self, thief: &Processor) -> impl Iterator<Item = &Processor> {
        let (before, after) = self.scheduler.processors.split_at(self.next_random());
        after.iter().chain(before).filter(move |victim| victim.index != thief.index)
    }

    /// A number below the number of processors (xorshift; Marsaglia 2003).
    fn next_random(&self) -> usize {
        let mut word = self.random.get();
        word ^= word << 13;
        word ^= word >> 17;
        word ^= word << 5;
        self.random.set(word);
        ((u64::from(word) * self.scheduler.processors.len() as u64) >> 32) as usize
    }

    fn start_search(&self) -> bool {
        if !self.searching.get() {
            self.searching.set(self.scheduler.idle.start_search());
        }
        self.searching.get()
    }

    /// Work was found. The last searcher sees to it that somebody looks for more.
    fn stop_search(&self) {
        if self.searching.take() && self.scheduler.idle.stop_search() {
            self.scheduler.wake_one();
        }
    }

    /// Sleeps together with the processor until there is work or a timer is due.
    fn park(&self, processor: &Processor) {
        let scheduler = &*self.scheduler;
        let last = scheduler.idle.park(processor.index, self.searching.take());
        let work_left = if last { scheduler.has_work() } else { !processor.queue.is_empty() };
        if !work_left && !scheduler.is_closed() {
            scheduler.timers.sleep_on(processor.index, &processor.parker);
        }
        self.searching.set(scheduler.idle.unpark(processor.index));
        scheduler.monitor.work_started();
    }

    /// Polls the future of `block_on` as one slice, if this seat has the processor.
    pub(crate) fn poll_main<F: Future>(
        &self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        match self.held() {
            Some(processor) => self.in_poll(processor, || future.poll(cx)),
            None => future.poll(cx),
        }
    }

    /// Whether it was looking for work when it was left; then it is no more.
    pub(crate) fn was_searching(&self) -> bool {
        self.searching.take()
    }

    /// Gives the processor of the running poll to another machine, on the poll's own wish.
    pub(crate) fn hand_off(&self) -> bool {
        self.held_in_poll()
            .is_some_and(|(processor, slice)| self.scheduler.hand_off(processor.index, slice))
    }

    /// The hook of a checkpoint that found this thread's flag raised. The poll goes on without its
    /// processor.
    fn checkpoint_requested(&self) {
        let Some((processor, slice)) = self.held_in_poll() else { return };
        if processor.watch.is_requested(slice) {
            let handed_off = self.scheduler.hand_off(processor.index, slice);
            self.scheduler.counters.hand_offs_at_checkpoint.fetch_add(handed_off.into(), Relaxed);
        }
    }
}

fn on_checkpoint() {
    checkpoint::clear_request();
    context::with_seat(|seat| {
        if let Some(seat) = seat {
            seat.checkpoint_requested();
        }
    });
}
