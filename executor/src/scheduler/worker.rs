//! The loop that runs tasks: what a machine does with a processor.
//!
//! The loop runs on a fiber, and every machine is on one fiber at a time. When a poll is detached
//! (`detach.rs`), its fiber, and with it the loop that called the poll, is set aside; the machine
//! begins a new loop on a spare fiber. When the poll is resumed and ends, the old loop goes on, on
//! whatever machine it is by then. So nothing in the loop outlives a poll but the thread-local
//! pointer to the seat.
//!
//! The loop's own code is a `no_preempt` section, and only the poll inside it is not: no signal
//! suspends the scheduler.

use super::attention::SEEDED;
use super::classes;
use super::detach::Detached;
use super::seat::Seat;
use super::seeded;
use super::{Processor, Scheduler};
use crate::context;
use crate::coop;
use crate::report;
use crate::task::{Preemption, Priority, Runnable, Terms};
use crate::trace::Subject;
use preempt_checkpoint::runtime as checkpoint;
use preempt_fiber::{Leave, Spare, Suspended};
use std::future::Future;
use std::hint;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// As in Go: every 61st pick looks for events, and at the injector first, so that a busy local queue
/// cannot starve them. A prime, so that it does not fall into step with the tasks.
const INJECTOR_INTERVAL: u32 = 61;

/// Every eighth pick looks at the clock, if there are timers, so that short polls do not each pay for it;
/// and each that finds nothing in the local queue. Behind long polls the monitor sees to timers.
const TIMER_INTERVAL: u32 = 8;

/// How many times in a row the LIFO slot goes first: two tasks that wake each other must not keep
/// the rest of the queue waiting.
const LIFO_POLLS_IN_A_ROW: u32 = 3;

/// How long a machine waits for an event before it goes on with a hog.
const ANTICIPATION: Duration = Duration::from_micros(50);

/// What to run next.
pub(super) enum Work {
    Run(Runnable),
    /// A poll that was detached.
    Resume(Detached),
}

impl Work {
    /// The class of its task.
    pub(super) fn priority(&self) -> Priority {
        match self {
            Work::Run(runnable) => runnable.priority(),
            Work::Resume(detached) => detached.terms.priority,
        }
    }
}

/// How a step of the loop ends.
pub(super) enum Step {
    Again,
    /// The machine goes over to the fiber of a detached poll; this one becomes a spare.
    Resume(Suspended),
    /// The runtime shuts down.
    Exit,
}

/// A seat that is passed to another fiber of the same machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SeatRef(*const Seat);

// SAFETY: the seat stands still in `machine::live` until its machine has left the last fiber, and
// the closures that carry it run on that machine.
unsafe impl Send for SeatRef {}

impl SeatRef {
    pub(super) fn new(seat: &Seat) -> Self {
        SeatRef(seat)
    }
}

/// Runs the machine of this thread: on a fiber if there are fibers, else on the thread's own stack.
pub(super) fn run(seat: &Seat, fiber: Option<Spare>) {
    let this = SeatRef::new(seat);
    if let Some(spare) = fiber {
        match seat.machine().fibers().run(spare, move || work(this)) {
            Ok(()) => return,
            Err(error) => report::warn(format_args!("a worker cannot detach polls: {error}")),
        }
    }
    work(this);
}

/// The loop, on the fiber or thread that calls it.
///
/// From its first to its last time on a fiber the section stays open: in the middle of `Leave` the
/// next poll's slice has begun, and a signal that is meant for that poll must not suspend this
/// fiber.
pub(super) fn work(seat: SeatRef) -> Leave {
    if checkpoint::no_preempt_depth() == 0 {
        checkpoint::enter();
    }
    // SAFETY: see `SeatRef`.
    let _seated = context::sit(unsafe { &*seat.0 });
    context::with_seat(|seat| {
        if let Some(seat) = seat {
            context::prepare_signal_mask();
            context::run_thread_hooks(&seat.scheduler().config);
            seat.moved_to_this_fiber();
        }
    });
    loop {
        match context::with_seat(|seat| seat.map_or(Step::Exit, step)) {
            Step::Again => {}
            Step::Resume(suspended) => return Leave::Resume(suspended),
            Step::Exit => return Leave::Exit,
        }
    }
}

/// Runs one task, or sleeps if there is none, or waits for a processor.
#[inline(always)]
fn step(seat: &Seat) -> Step {
    let Some(processor) = seat.held() else { return wait_for_processor(seat) };
    let scheduler = seat.scheduler();
    if scheduler.attention.is_wanted()
        && let Some(step) = attend(seat, processor)
    {
        return step;
    }
    match next(seat, processor) {
        Some(Work::Run(runnable)) => {
            seat.stop_search();
            seat.observe_begin(processor, || Subject::of(runnable.header()));
            match runnable.terms() {
                None => poll(seat, processor, || runnable.run()),
                Some(terms) => poll_on_terms(seat, processor, runnable, terms),
            }
            Step::Again
        }
        Some(Work::Resume(detached)) => {
            seat.stop_search();
            resume(seat, processor, detached)
        }
        None => {
            seat.park(processor);
            Step::Again
        }
    }
}

/// One poll on the processor. The seat is not used afterwards: it may be another.
#[inline(always)]
pub(super) fn poll<R>(seat: &Seat, processor: &Processor, poll: impl FnOnce() -> R) -> R {
    seat.begin_slice(processor);
    checkpoint::leave();
    let result = poll();
    checkpoint::enter();
    context::with_seat(|seat| seat.map(Seat::end_slice));
    result
}

/// As [`poll`], for a task that is not treated as most are. The monitor is told before the slice
/// begins. If it may not be preempted by all means, a signal that was meant for an earlier poll is turned away by what the handler
/// finds on this thread: its note, or the section that a poll that is left alone never leaves.
#[cold]
pub(super) fn poll_on_terms(seat: &Seat, processor: &Processor, runnable: Runnable, terms: Terms) {
    note_terms(processor, &terms);
    context::set_terms(terms);
    if terms.preemption == Preemption::Never {
        seat.begin_slice(processor);
        runnable.run();
        context::with_seat(|seat| seat.map(Seat::end_slice));
    } else {
        poll(seat, processor, || runnable.run());
    }
    context::set_terms(Terms::PLAIN);
}

/// Tells the monitor how the poll is treated that is about to begin.
fn note_terms(processor: &Processor, terms: &Terms) {
    processor.watch.restrict_next_poll(terms.preemption);
    processor.watch.rank_next_poll(terms.priority);
    if let Some(time_slice) = terms.time_slice {
        processor.watch.time_next_poll(time_slice);
    }
    processor.counters.polls_by_class(terms.priority);
}

fn wait_for_processor(seat: &Seat) -> Step {
    if seat.has_lost_processor() {
        seat.scheduler().machines.put_back(seat.machine().clone());
    }
    let since = seat.trace_pause(None);
    if let Some(processor) = seat.machine().wait_for_processor() {
        seat.trace_pause_end(None, since);
        seat.take(processor);
        return Step::Again;
    }
    // The runtime shuts down. A poll that was detached from this machine must not be left behind:
    // there may be no other machine any more. It goes on without a processor.
    if seat.scheduler().is_stopping() {
        seat.scheduler().wait_at_barrier(seat.machine());
    }
    match seat.scheduler().pop_last_detached() {
        Some(detached) => Step::Resume(detached.suspended),
        None => Step::Exit,
    }
}

/// What concerns the machine before it goes on; `None`: nothing any more.
#[cold]
fn attend(seat: &Seat, processor: &Processor) -> Option<Step> {
    let scheduler = seat.scheduler();
    if scheduler.is_stopping() {
        scheduler.stand_at_barrier(seat, processor);
    }
    if scheduler.is_closed() {
        return Some(shut_down_step(seat, processor));
    }
    if scheduler.is_surplus(processor.index) && scheduler.retire(seat, processor) {
        return Some(Step::Again);
    }
    let is_seeded = scheduler.attention.is_wanted_for(SEEDED);
    is_seeded.then(|| seeded::step(seat, processor))
}

/// While the runtime shuts down, detached polls go on to their ends; nothing else is begun.
fn shut_down_step(seat: &Seat, processor: &Processor) -> Step {
    match seat.scheduler().pop_last_detached() {
        Some(detached) => resume(seat, processor, detached),
        None => {
            seat.leave();
            Step::Exit
        }
    }
}

/// Begins the slice of a detached poll; the caller's fiber is left for the poll's.
pub(super) fn resume(seat: &Seat, processor: &Processor, detached: Detached) -> Step {
    processor.set_holder(detached.visible, seat.machine());
    seat.machine().place().depart();
    note_terms(processor, &detached.terms);
    seat.begin_background_slice(processor, detached.stopped_by);
    Step::Resume(detached.suspended)
}

/// One round of the loop on a thread that is in `block_on`, see `CurrentThread`.
pub(crate) fn step_in_block_on(seat: &Seat) {
    let Some(processor) = seat.held() else { return };
    if seat.scheduler().attention.is_wanted() && attend_in_block_on(seat, processor) {
        return;
    }
    match next(seat, processor) {
        Some(Work::Run(runnable)) => {
            seat.stop_search();
            seat.observe_begin(processor, || Subject::of(runnable.header()));
            if let Some(terms) = runnable.terms() {
                note_terms(processor, &terms);
            }
            poll_in_block_on(seat, processor, || runnable.run());
            if seat.scheduler().classes.are_in_use() {
                // What follows is of no class.
                seat.scheduler().classes.stop_clock(seat.scheduler(), processor.index);
            }
        }
        Some(Work::Resume(_)) => unreachable!("nothing is detached on a current-thread runtime"),
        None => seat.park(processor),
    }
}

/// As [`attend`]; whether nothing is begun any more.
#[cold]
fn attend_in_block_on(seat: &Seat, processor: &Processor) -> bool {
    if seat.scheduler().is_stopping() {
        seat.scheduler().stand_at_barrier(seat, processor);
    }
    seat.scheduler().is_closed()
}

/// Ends a poll, also one that unwinds: the future of `block_on` may panic.
struct PollInBlockOn<'a>(&'a Seat);

impl Drop for PollInBlockOn<'_> {
    fn drop(&mut self) {
        self.0.end_slice();
    }
}

/// A poll that is never detached, on a thread that is not one of the runtime's.
fn poll_in_block_on<R>(seat: &Seat, processor: &Processor, poll: impl FnOnce() -> R) -> R {
    seat.begin_slice(processor);
    let _poll = PollInBlockOn(seat);
    poll()
}

/// Polls the future of `block_on` as one slice, with a budget of its own.
pub(crate) fn poll_main<F: Future>(
    seat: &Seat,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    let poll = || coop::with_budget(|| future.poll(cx));
    match seat.held() {
        Some(processor) => {
            if seat.scheduler().attention.is_wanted() {
                attend_in_block_on(seat, processor);
            }
            seat.observe_begin(processor, Subject::default);
            poll_in_block_on(seat, processor, poll)
        }
        None => poll(),
    }
}

/// What to run next, if there are tasks of several classes of the class that goes first.
fn next(seat: &Seat, processor: &Processor) -> Option<Work> {
    let scheduler = &**seat.scheduler();
    let picks = seat.picks.get().wrapping_add(1);
    seat.picks.set(picks);
    if picks.is_multiple_of(TIMER_INTERVAL) {
        seat.fire_timers();
    }
    if scheduler.classes.are_in_use() {
        return classes::next_by_class(seat, processor, picks);
    }
    next_normal(seat, processor, picks)
}

/// The next normal task, in the order: the background in its turn, now and then the injector, the LIFO
/// slot, the local queue, the injector, other processors, what timers and events have woken, the background.
#[inline(always)]
pub(super) fn next_normal(seat: &Seat, processor: &Processor, picks: u32) -> Option<Work> {
    let scheduler = &**seat.scheduler();
    if let Some(preempted) = scheduler.background.pop_in_turn(&seat.turn) {
        seat.has_turn.set(true);
        return Some(preempted);
    }
    let fresh = next_fresh(seat, processor, picks).or_else(|| await_fresh(seat, processor));
    if let Some(fresh) = fresh {
        scheduler.background.note_fresh();
        seat.anticipation.fresh();
        return Some(Work::Run(fresh));
    }
    if let Some(latency) = classes::pop_woken_latency(scheduler) {
        return Some(latency);
    }
    let background = scheduler.background.pop()?;
    seat.anticipation.background();
    Some(background)
}

/// Before the background has the processor: if it has kept it for moments only of late, the next event
/// is likely to come in a moment, and to wait for that costs less than to stop a hog.
fn await_fresh(seat: &Seat, processor: &Processor) -> Option<Runnable> {
    if seat.scheduler().background.is_empty() || !seat.anticipation.is_worth_it() {
        return None;
    }
    if seat.scheduler().classes.are_in_use() {
        return None;
    }
    seat.lane.forget_time();
    let until = Instant::now() + ANTICIPATION;
    while Instant::now() < until && !seat.scheduler().attention.is_wanted() {
        seat.fire_timers();
        seat.poll_netpoll();
        let injected = || next_injected(seat, processor);
        if let Some(fresh) = next_local(seat, processor).or_else(injected) {
            return Some(fresh);
        }
        hint::spin_loop();
    }
    seat.anticipation.was_in_vain();
    None
}

#[inline(always)]
fn next_fresh(seat: &Seat, processor: &Processor, picks: u32) -> Option<Runnable> {
    let injected = || next_injected(seat, processor);
    let is_round = picks.is_multiple_of(INJECTOR_INTERVAL);
    if is_round {
        seat.poll_netpoll();
    }
    if (is_round || seat.scheduler().injector.take_urgency())
        && let Some(injected) = injected()
    {
        return Some(injected);
    }
    let polled = || {
        seat.fire_timers();
        seat.poll_netpoll();
        next_local(seat, processor)
    };
    next_local(seat, processor).or_else(injected).or_else(|| steal(seat, processor)).or_else(polled)
}

/// The first of a fair share of the injector; the rest goes to the local queue.
fn next_injected(seat: &Seat, processor: &Processor) -> Option<Runnable> {
    let scheduler = seat.scheduler();
    scheduler.injector.pop_batch(&processor.queue, scheduler.active_processors())
}

fn next_local(seat: &Seat, processor: &Processor) -> Option<Runnable> {
    let in_a_row = seat.lifo_polls.get();
    if in_a_row < LIFO_POLLS_IN_A_ROW
        && let Some(runnable) = processor.queue.pop_lifo()
    {
        seat.lifo_polls.set(in_a_row + 1);
        return Some(runnable);
    }
    seat.lifo_polls.set(0);
    processor.queue.pop().or_else(|| processor.queue.pop_lifo())
}

/// Looks for work at the other processors: first in their queues, then in their LIFO slots, which
/// their machines would rather run themselves.
fn steal(seat: &Seat, thief: &Processor) -> Option<Runnable> {
    let scheduler = &**seat.scheduler();
    // Also when there is nobody to steal from: only a searcher looks at all queues again before it
    // sleeps.
    if !seat.start_search() {
        return None;
    }
    let first = seat.next_random();
    victims(scheduler, thief, first)
        .find_map(|victim| {
            let (first, count) = victim.queue.steal_into(&thief.queue, &scheduler.injector)?;
            thief.counters.stole(count);
            seat.trace_steal(victim.index, count);
            Some(first)
        })
        .or_else(|| {
            victims(scheduler, thief, first).find_map(|victim| {
                let runnable = victim.queue.pop_lifo()?;
                thief.counters.stole(1);
                seat.trace_steal(victim.index, 1);
                Some(runnable)
            })
        })
}

/// The other processors, each once, from `first` on.
fn victims<'a>(
    scheduler: &'a Scheduler,
    thief: &Processor,
    first: usize,
) -> impl Iterator<Item = &'a Processor> {
    let processors = scheduler.used_processors();
    let (before, after) = processors.split_at(first.min(processors.len()));
    let thief = thief.index;
    after.iter().chain(before).filter(move |victim| victim.index != thief)
}
