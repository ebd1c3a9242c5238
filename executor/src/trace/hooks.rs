//! The calls in the scheduler that record. Each is inline and does nothing but look at one flag while
//! nothing is recorded; what it does else is out of line.

use super::clock::ticks;
use super::event::{Event, Kind, Outcome, Subject};
use super::recorder::{LATENCIES, POLL_TIMES, TRACE};
use crate::context;
use crate::scheduler::{Processor, Scheduler, Seat};
use crate::sync::Critical;
use crate::task::{Id, Runnable, TaskHeader};
use std::ptr;

/// Whatever is observed of a poll.
const ALL: u32 = TRACE | POLL_TIMES | LATENCIES;

impl Scheduler {
    /// A task was spawned, and is about to be queued.
    #[inline]
    pub(crate) fn trace_spawn(&self, runnable: &Runnable) {
        if self.recorder.is_on() {
            self.record_spawn(runnable.header());
        }
    }

    #[cold]
    fn record_spawn(&self, task: &TaskHeader) {
        let id = task.id();
        if let Some(name) = task.name() {
            self.recorder.note_name(id.as_u64(), name);
        }
        self.record(Event::new(Kind::Spawn).task(id).place(task.spawned_at()));
    }

    /// Whether [`record_wake`](Self::record_wake) is to be called.
    #[inline]
    pub(crate) fn observes_wakes(&self) -> bool {
        self.recorder.observes(TRACE | LATENCIES)
    }

    /// A task was woken, or is new, and is about to be queued.
    pub(crate) fn record_wake(&self, runnable: &Runnable) {
        let task = runnable.header();
        self.note_queued(task);
        if self.recorder.is_on() {
            self.record(Event::new(Kind::Wake).task(task.id()));
        }
    }

    fn note_queued(&self, task: &TaskHeader) {
        if self.recorder.observes(LATENCIES) {
            task.set_queued_at(ticks());
        }
    }

    /// A task has yielded, and is about to be queued. The poll that ends is its own.
    #[inline]
    pub(crate) fn observe_yield(&self, runnable: &Runnable, outcome: Outcome) {
        if self.recorder.observes(TRACE | LATENCIES) {
            self.record_yield(runnable.header(), outcome);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_yield(&self, task: &TaskHeader, outcome: Outcome) {
        self.note_queued(task);
        self.trace_outcome(Some(task.id()), outcome);
    }

    /// The poll ends in this way, if it is that of `task`.
    #[inline]
    pub(crate) fn trace_outcome(&self, task: Option<Id>, outcome: Outcome) {
        if self.recorder.is_on() {
            self.record_outcome(task, outcome);
        }
    }

    #[cold]
    fn record_outcome(&self, task: Option<Id>, outcome: Outcome) {
        let _critical = Critical::enter();
        context::with_seat(|seat| {
            if let Some(seat) = seat.filter(|seat| ptr::eq(&**seat.scheduler(), self)) {
                seat.lane.set_outcome(task, outcome);
            }
        });
    }

    /// A processor is woken.
    #[inline]
    pub(crate) fn trace_unpark(&self, processor: usize) {
        if self.recorder.is_on() {
            self.record(Event::new(Kind::Unpark).a(processor as u64));
        }
    }

    /// A processor goes to another machine.
    #[inline]
    pub(crate) fn trace_hand_off(&self, processor: usize) {
        if self.recorder.is_on() {
            self.record(Event::new(Kind::HandOff).a(processor as u64));
        }
    }

    /// A poll is asked to give way.
    #[inline]
    pub(crate) fn trace_request(&self, processor: usize) {
        if self.recorder.is_on() {
            self.record(Event::new(Kind::Request).a(processor as u64));
        }
    }

    /// A signal was sent to a machine's thread.
    #[inline]
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn trace_signal(&self, thread: usize) {
        if self.recorder.is_on() {
            self.record(Event::new(Kind::Signal).a(thread as u64));
        }
    }

    /// Events have woken so many.
    #[inline]
    pub(crate) fn trace_netpoll(&self, woken: usize) {
        if woken > 0 && self.recorder.is_on() {
            self.record(Event::new(Kind::Netpoll).a(woken as u64));
        }
    }

    /// So many timers have fired.
    #[inline]
    pub(crate) fn trace_timers(&self, fired: usize) {
        if fired > 0 && self.recorder.is_on() {
            self.record(Event::new(Kind::Timers).a(fired as u64));
        }
    }

    #[cold]
    #[inline(never)]
    fn record(&self, event: Event) {
        // Between the look at the seat and the end of the event the poll stays where it is.
        let _critical = Critical::enter();
        context::with_seat(|seat| match seat.filter(|seat| ptr::eq(&**seat.scheduler(), self)) {
            Some(seat) => seat.lane.push(ticks(), seat.processor_index(), event),
            None => self.recorder.push_outside(event),
        });
    }
}

impl Seat {
    /// Whose poll is going on. Of one that began unobserved only the task is known.
    pub(crate) fn subject(&self) -> Subject {
        let observed = self.lane.subject(self.scheduler().recorder.period());
        observed.unwrap_or(Subject { task: context::task(), ..Subject::default() })
    }

    /// A poll is about to begin.
    #[inline]
    pub(crate) fn observe_begin(&self, processor: &Processor, subject: impl FnOnce() -> Subject) {
        if self.scheduler().recorder.observes(ALL) {
            self.record_begin(processor, subject());
        }
    }

    /// A poll goes on that was set aside in the middle.
    #[inline]
    pub(crate) fn observe_resumption(&self, subject: Subject) {
        let scheduler = self.scheduler();
        if scheduler.recorder.observes(ALL)
            && let Some(processor) = self.processor_index()
        {
            let subject = Subject { is_resumed: true, queued_at: 0, ..subject };
            self.record_begin(&scheduler.processors[processor], subject);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_begin(&self, processor: &Processor, subject: Subject) {
        let recorder = &self.scheduler().recorder;
        let now = self.lane.begin(recorder.period(), subject);
        if recorder.observes(LATENCIES) && subject.queued_at != 0 {
            processor.counters.poll_waited(now.saturating_sub(subject.queued_at));
        }
        if recorder.is_on() {
            self.lane.set_state(now, Some(processor.index), self.lane.poll_event(false));
        }
    }

    /// A poll is over. `kept`: the processor still is this machine's.
    #[inline]
    pub(crate) fn observe_end(&self, processor: usize, kept: bool) {
        if self.scheduler().recorder.observes(ALL) {
            self.record_end(processor, kept);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_end(&self, processor: usize, kept: bool) {
        let scheduler = self.scheduler();
        let recorder = &scheduler.recorder;
        let Some((began, ended)) = self.lane.end(recorder.period()) else { return };
        let took = ended.saturating_sub(began);
        if recorder.is_on() {
            let event = self.lane.poll_event(!kept).small(took);
            self.lane.push(ended, Some(processor), event);
        }
        if recorder.observes(POLL_TIMES) {
            match scheduler.processors.get(processor).filter(|_| kept) {
                Some(processor) => processor.counters.poll_took(took),
                None => scheduler.counters.lost_poll(took),
            }
        }
    }

    /// The machine sleeps from now on, with its processor or for want of one. Returns since when.
    #[inline]
    pub(crate) fn trace_pause(&self, processor: Option<usize>) -> u64 {
        self.lane.forget_time();
        if !self.scheduler().recorder.is_on() {
            return 0;
        }
        let now = ticks();
        self.lane.set_state(now, processor, Event::new(pause_of(processor)));
        now
    }

    /// It is up again.
    #[inline]
    pub(crate) fn trace_pause_end(&self, processor: Option<usize>, since: u64) {
        if since != 0 && self.scheduler().recorder.is_on() {
            let now = ticks();
            let event = Event::new(pause_of(processor)).small(now.saturating_sub(since));
            self.lane.push(now, processor, event);
        }
    }

    /// The machine has taken a processor.
    #[inline]
    pub(crate) fn trace_take(&self, processor: usize) {
        if self.scheduler().recorder.is_on() {
            self.lane.push(ticks(), Some(processor), Event::new(Kind::Take));
        }
    }

    /// So many runnables were stolen from a processor.
    #[inline]
    pub(crate) fn trace_steal(&self, victim: usize, count: usize) {
        self.lane.forget_time();
        if self.scheduler().recorder.is_on() {
            let event = Event::new(Kind::Steal).a(count as u64).b(victim as u64);
            self.lane.push(ticks(), self.processor_index(), event);
        }
    }

    /// A signal found no async-safe point. Signal-safe.
    #[inline]
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn trace_refusal(&self, why: usize) {
        if self.scheduler().recorder.is_on()
            && let Some(now) = super::clock::ticks_in_handler()
        {
            let event = Event::new(Kind::Refuse).a(why as u64);
            self.lane.push_in_handler(now, self.processor_index(), event);
        }
    }
}

fn pause_of(processor: Option<usize>) -> Kind {
    if processor.is_some() { Kind::Park } else { Kind::Spare }
}

/// A stay in `block_on` of a thread that runs no tasks.
pub(crate) struct BlockOn<'a> {
    scheduler: &'a Scheduler,
    since: u64,
}

impl<'a> BlockOn<'a> {
    pub(crate) fn begin(scheduler: &'a Scheduler) -> Self {
        let is_on = scheduler.recorder.is_on();
        if is_on {
            scheduler.record(Event::new(Kind::BlockOn));
        }
        BlockOn { scheduler, since: if is_on { ticks() } else { 0 } }
    }
}

impl Drop for BlockOn<'_> {
    fn drop(&mut self) {
        if self.since != 0 && self.scheduler.recorder.is_on() {
            let took = ticks().saturating_sub(self.since);
            self.scheduler.record(Event::new(Kind::BlockedOn).a(took));
        }
    }
}

/// Runs a blocking closure.
pub(crate) fn run_blocking(scheduler: &Scheduler, runnable: Runnable) {
    if !scheduler.recorder.is_on() {
        return runnable.run();
    }
    let (id, since) = (runnable.id(), ticks());
    runnable.run();
    let took = ticks().saturating_sub(since);
    scheduler.record(Event::new(Kind::Blocking).task(id).b(took));
}
