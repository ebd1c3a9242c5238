//! Stalls: polls that went on for long while others waited, and would not give way by themselves.
//!
//! # What counts
//! | the poll | reported |
//! |---|---|
//! | yields, or is detached at a checkpoint, when it is asked | never |
//! | is stopped by signals | when it has run for the threshold since a checkpoint stopped it, and the next [`SPARED`] signals, which let it go on, see it reach none |
//! | lost its processor to the monitor | when it goes on a threshold later |
//! | was asked, and keeps its processor | when others have waited for a threshold since |
//!
//! The threshold is ten time slices, or `Builder::stall_threshold`. A poll is reported again when its
//! time has doubled, and after a second at the earliest; of the tasks that one line spawned, two a
//! second; and of all together, [`MOST_PER_SECOND`]. What is left out is counted and told with the
//! next report.
//!
//! # Who does what
//! The poll itself, in the call that detaches it, copies its stack into memory that was made before;
//! the monitor queues an event. Neither allocates nor waits. All else is done by the reporter
//! (`reporter.rs`), a thread that is started by the monitor when there is first something to report.

use super::probe::Capture;
use super::reporter::Reporter;
use super::sampling;
use super::symbols::Frame;
use crate::runtime::Config;
use crate::scheduler::{Machine, Scheduler, Seat, StoppedBy};
use crate::sync::Mutex;
use crossbeam_queue::ArrayQueue;
use preempt_sysmon::Slice;
use std::cell::{Cell, UnsafeCell};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

/// Of all tasks together. Beyond that, reports would be a load of their own.
const MOST_PER_SECOND: u64 = 4;
/// Between two reports of one poll; half of it between those of tasks of one origin.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// How many signals do not stop a poll that is about to be reported.
const SPARED: u32 = 3;
/// How many stacks can wait to be reported.
const CAPTURES: usize = 2;
const MOST_EVENTS: usize = 64;

/// A poll that kept others waiting.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stall {
    /// The number of the task; `None`: it could not be found out, or it is the future of `block_on`.
    pub task: Option<u64>,
    /// What the task was called by `task::Builder::name`.
    pub name: Option<String>,
    /// Where the task was spawned.
    pub spawned_at: Option<&'static Location<'static>>,
    /// How long the poll has run, at least.
    pub ran: Duration,
    /// What was done about it.
    pub outcome: Outcome,
    /// What it waits for, if it is blocked: a lock, a system call.
    pub blocked_in: Option<String>,
    /// The line to look at, as `file:line`.
    pub location: Option<String>,
    /// Its stack, the innermost function first, without the runtime's part. Empty if it cannot be had.
    pub frames: Vec<Frame>,
    /// What can be done about it.
    pub remedy: String,
    /// How many stalls were not reported since the last one that was.
    pub suppressed: u64,
}

/// What was done about a poll that went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was stopped by that many signals, and takes turns with the others.
    Detached {
        /// How many times a signal has stopped it.
        signals: u32,
    },
    /// Its worker's place went to another thread; it goes on alone.
    HandedOff,
    /// Nothing yet: it keeps its worker.
    KeepsWorker,
}

/// What the reporter is told.
pub(super) enum Event {
    /// The capture of that number is full.
    Detached(usize),
    /// It was handed off a threshold ago.
    HandedOff(Lost),
    Overdue {
        processor: usize,
        slice: Slice,
        asked: Instant,
    },
}

/// A stack that waits to be reported. `is_taken` says whose it is: once taken, of the poll that took
/// it until it is queued, then of the reporter.
struct Slot {
    is_taken: AtomicBool,
    content: UnsafeCell<Stopped>,
}

// SAFETY: see `Slot`.
unsafe impl Sync for Slot {}

/// A poll that a signal has stopped.
pub(super) struct Stopped {
    pub(super) capture: Capture,
    pub(super) ran: Duration,
    pub(super) signals: u32,
}

/// The last request to a processor's poll. The monitor's.
#[derive(Default)]
struct Asked {
    slice: AtomicU64,
    /// Since when others have waited behind it all the time: nanoseconds after the epoch.
    at: AtomicU64,
    /// How long after that it is reported.
    due_after: AtomicU64,
}

/// What a runtime knows of its stalls.
pub(crate) struct Stalls {
    pub(super) threshold: Duration,
    slots: Box<[Slot]>,
    pub(super) events: ArrayQueue<Event>,
    asked: Box<[Asked]>,
    /// Polls that have lost their processor for less than the threshold. The monitor's.
    lost: Mutex<Vec<Lost>>,
    budget: Budget,
    pub(super) reporter: Reporter,
    epoch: Instant,
}

impl Stalls {
    /// `None`: they are not reported.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let threshold = config.stall_threshold?;
        let slot = || Slot {
            is_taken: AtomicBool::new(false),
            content: UnsafeCell::new(Stopped {
                capture: Capture::new(),
                ran: Duration::ZERO,
                signals: 0,
            }),
        };
        Some(Stalls {
            threshold,
            slots: (0..CAPTURES).map(|_| slot()).collect(),
            events: ArrayQueue::new(MOST_EVENTS),
            asked: (0..config.most_processors).map(|_| Asked::default()).collect(),
            lost: Mutex::default(),
            budget: Budget::default(),
            reporter: Reporter::default(),
            epoch: Instant::now(),
        })
    }

    fn nanos(&self, instant: Instant) -> u64 {
        nanos(instant.saturating_duration_since(self.epoch))
    }

    /// The runtime is over.
    pub(crate) fn stop(&self) {
        self.reporter.stop();
    }

    /// Whether one more may be reported in this second; counts it if not.
    pub(super) fn may_report(&self, now: Instant) -> bool {
        self.budget.take(self.nanos(now) / 1_000_000_000)
    }

    pub(super) fn suppress(&self) {
        self.budget.suppressed.fetch_add(1, Relaxed);
    }

    pub(super) fn take_suppressed(&self) -> u64 {
        self.budget.suppressed.swap(0, Relaxed)
    }

    fn tell(&self, event: Event) {
        if self.events.push(event).is_err() {
            self.suppress();
        }
        self.reporter.wake();
    }

    /// Copies the stack of the caller. Allocates nothing.
    #[inline(always)]
    fn capture(&self, ran: Duration, signals: u32) {
        let is_free = |slot: &&Slot| !slot.is_taken.swap(true, Acquire);
        let Some((index, slot)) = self.slots.iter().enumerate().find(|(_, slot)| is_free(slot))
        else {
            return self.suppress();
        };
        // SAFETY: taken, and not queued yet.
        let stopped = unsafe { &mut *slot.content.get() };
        stopped.capture.fill_here();
        (stopped.ran, stopped.signals) = (ran, signals);
        self.tell(Event::Detached(index));
    }

    /// What is in a slot. For the reporter, which then gives it back.
    pub(super) fn with_slot(&self, index: usize, look: impl FnOnce(&Stopped)) {
        let slot = &self.slots[index];
        // SAFETY: the event that carried the index passed the slot on.
        look(unsafe { &*slot.content.get() });
        slot.is_taken.store(false, Release);
    }

    /// The monitor has asked a poll to give way.
    pub(crate) fn note_request(&self, processor: usize, slice: Slice) {
        let asked = &self.asked[processor];
        asked.slice.store(slice.into_bits(), Relaxed);
        asked.at.store(self.nanos(Instant::now()), Relaxed);
        asked.due_after.store(nanos(self.threshold), Relaxed);
    }

    /// The monitor has taken a poll's processor.
    fn note_hand_off(&self, machine: &Arc<Machine>) {
        self.lost.lock().push(Lost::now(machine));
    }

    /// For the monitor, at every look: finds polls that keep their processors, and starts the
    /// reporter when there is something to report.
    pub(crate) fn tend(&self, scheduler: &Scheduler) {
        for (index, asked) in self.asked.iter().enumerate() {
            let Some(slice) = Slice::from_bits(asked.slice.load(Relaxed)) else { continue };
            if !scheduler.processors[index].watch.is_in(slice) {
                asked.slice.store(0, Relaxed);
                continue;
            }
            let (at, due_after) = (asked.at.load(Relaxed), asked.due_after.load(Relaxed));
            let now = self.nanos(Instant::now());
            if !scheduler.has_waiting_tasks() {
                asked.at.store(now, Relaxed);
                continue;
            }
            if now.saturating_sub(at) < due_after {
                continue;
            }
            asked.due_after.store(due_after.saturating_mul(2).max(nanos(INTERVAL)), Relaxed);
            let since = self.epoch + Duration::from_nanos(at);
            self.tell(Event::Overdue { processor: index, slice, asked: since });
        }
        self.tell_of_lost();
        self.reporter.start_if_wanted(scheduler);
    }

    fn tell_of_lost(&self) {
        let mut lost = self.lost.lock();
        if lost.is_empty() {
            return;
        }
        lost.retain(Lost::goes_on);
        for long in lost.extract_if(.., |lost| lost.at.elapsed() >= self.threshold) {
            self.tell(Event::HandedOff(long));
        }
    }
}

/// A poll that has lost its processor.
pub(super) struct Lost {
    pub(super) machine: Arc<Machine>,
    /// `Place::losses` of it.
    loss: u64,
    pub(super) at: Instant,
}

impl Lost {
    pub(super) fn now(machine: &Arc<Machine>) -> Self {
        Lost { machine: machine.clone(), loss: machine.place().losses(), at: Instant::now() }
    }

    /// Whether it has not ended, nor been suspended.
    pub(super) fn goes_on(&self) -> bool {
        self.machine.is_orphaned() && self.machine.place().losses() == self.loss
    }
}

/// How many were reported in which second.
#[derive(Default)]
struct Budget {
    /// The second, times 256, and the number.
    taken: AtomicU64,
    suppressed: AtomicU64,
}

impl Budget {
    fn take(&self, second: u64) -> bool {
        let step = |word: u64| {
            let taken = if word >> 8 == second { word & 0xff } else { 0 };
            (taken < MOST_PER_SECOND).then_some(second << 8 | (taken + 1))
        };
        let taken = self.taken.fetch_update(Relaxed, Relaxed, step).is_ok();
        if !taken {
            self.suppressed.fetch_add(1, Relaxed);
        }
        taken
    }
}

thread_local! {
    /// Of the poll on this fiber that was suspended last. Only ordinary code of the fiber touches it.
    static RUN: Cell<Run> = const { Cell::new(Run::NEW) };
}

/// How long a poll has run that is suspended again and again.
#[derive(Clone, Copy)]
struct Run {
    /// The slice in which it went on, by its processor and number: if it is not that of the next
    /// suspension, the next one is another poll's.
    slice: (usize, u64),
    resumed: Option<Instant>,
    /// Since a checkpoint stopped it last.
    ran: Duration,
    signals: u32,
    /// When it is reported next: `ran` by then.
    due: Duration,
    /// Signals that did not stop it, to let it reach a checkpoint.
    spared: u32,
}

impl Run {
    const NEW: Run = Run {
        slice: (0, 0),
        resumed: None,
        ran: Duration::ZERO,
        signals: 0,
        due: Duration::MAX,
        spared: 0,
    };

    /// Of the poll that runs on this fiber.
    fn current(seat: &Seat, stalls: &Stalls) -> Run {
        let run = RUN.get();
        let is_same = run.slice == seat.slice_name();
        if is_same { run } else { Run { due: stalls.threshold, ..Run::NEW } }
    }

    fn until(&self, now: Instant) -> Duration {
        self.ran + self.resumed.map_or(Duration::ZERO, |resumed| now - resumed)
    }
}

/// A signal is about to stop the poll on this fiber. `true`: it is to go on for this time. It may have
/// checkpoints after all, and signals have always come before it reached one: a request and a signal
/// are moments apart, and the system may not have let it run between them.
pub(crate) fn is_spared(seat: &Seat, stopped_by: StoppedBy) -> bool {
    let Some(stalls) = &seat.scheduler().stalls else { return false };
    if stopped_by != StoppedBy::Signal {
        return false;
    }
    let run = Run::current(seat, stalls);
    let is_spared = run.spared < SPARED && run.until(Instant::now()) >= run.due;
    if is_spared {
        RUN.set(Run { spared: run.spared + 1, ..run });
    }
    is_spared
}

/// The poll on this fiber is about to be suspended: called in the middle of it, at any instruction.
#[inline(always)]
pub(crate) fn note_suspension(seat: &Seat, stopped_by: StoppedBy) {
    sampling::note_delay(seat.scheduler(), || {
        let run = RUN.get();
        let resumed = run.resumed.filter(|_| run.slice == seat.slice_name());
        seat.scheduler().waits.behind(resumed)
    });
    let Some(stalls) = &seat.scheduler().stalls else { return };
    let mut run = Run::current(seat, stalls);
    if stopped_by == StoppedBy::Checkpoint {
        return RUN.set(Run { due: stalls.threshold, ..Run::NEW });
    }
    let now = Instant::now();
    run.signals += 1;
    run.ran = run.until(now);
    if run.ran >= run.due && run.spared >= SPARED {
        run.due = (run.ran * 2).max(run.ran + INTERVAL);
        run.spared = 0;
        if stalls.may_report(now) {
            stalls.capture(run.ran, run.signals);
        }
    }
    RUN.set(run);
}

/// The monitor has taken a poll's processor, which it first saw in that poll at `since`.
pub(crate) fn note_hand_off(scheduler: &Scheduler, machine: &Arc<Machine>, since: Instant) {
    sampling::note_hand_off(scheduler, machine, || scheduler.waits.behind(Some(since)));
    if let Some(stalls) = &scheduler.stalls {
        stalls.note_hand_off(machine);
    }
}

/// The poll on this fiber goes on, in the slice of this seat.
pub(crate) fn note_resumption(seat: &Seat) {
    RUN.set(Run { slice: seat.slice_name(), resumed: Some(Instant::now()), ..RUN.get() });
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_budget_and_the_rest_is_counted() {
        let budget = Budget::default();
        for second in [5, 6, 9] {
            let taken = (0..10).filter(|_| budget.take(second)).count();
            assert_eq!(taken as u64, MOST_PER_SECOND);
        }
        assert_eq!(budget.suppressed.load(Relaxed), 3 * (10 - MOST_PER_SECOND));
    }
}
