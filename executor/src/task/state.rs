//! The state word of a task, and every move that it can make.
//!
//! ```text
//!  bit        meaning
//!  RUNNING    a machine polls the task (or destroys its future)
//!  COMPLETE   the output, or the reason for its absence, is stored; never cleared
//!  SCHEDULED  a `Runnable` exists, or the machine that polls it will make one
//!  CANCELLED  the future is to be dropped instead of polled; never cleared
//!  JOINED     a `JoinHandle` exists and owns the output
//!  ASKED_ONLY, LEFT_ALONE
//!             how far polls may be preempted; none of the two: by all means. Set at birth, for good
//!  LATENCY, BATCH
//!             the class; none of the two: normal. Set at birth, for good
//!  TIMED      polls have a time slice of their own. Set at birth, for good
//!  the rest   number of references to the allocation
//! ```
//!
//! RUNNING and COMPLETE exclude each other. A `Runnable` exists exactly while SCHEDULED is set
//! and RUNNING is not, so a task is never queued twice and never polled by two machines.
//!
//! Who may touch the future: whoever set RUNNING. Who may touch the output: the `JoinHandle`
//! after it has seen COMPLETE, or the machine that sets COMPLETE and sees JOINED clear.

use crate::sync::AtomicUsize;
use preempt_sysmon::policy::{Preemption, Priority};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

const RUNNING: usize = 1;
const COMPLETE: usize = 1 << 1;
const SCHEDULED: usize = 1 << 2;
const CANCELLED: usize = 1 << 3;
const JOINED: usize = 1 << 4;
const ASKED_ONLY: usize = 1 << 5;
const LEFT_ALONE: usize = 1 << 6;
const LATENCY: usize = 1 << 7;
const BATCH: usize = 1 << 8;
const TIMED: usize = 1 << 9;
const ONE_REF: usize = 1 << 10;

/// What the polls of most tasks have nothing of.
const SPECIAL: usize = ASKED_ONLY | LEFT_ALONE | LATENCY | BATCH | TIMED;

/// Held at birth by the registry, the first `Runnable` and the `JoinHandle`.
const REFS_AT_BIRTH: usize = 3;

#[derive(Debug)]
pub(crate) struct State(AtomicUsize);

/// What a task is at, for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Polled, or suspended in the middle of a poll.
    Running,
    Queued,
    Waiting,
    Complete,
}

/// What a machine that took a `Runnable` is to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Start {
    /// Poll the future.
    Poll,
    /// Drop the future.
    Cancel,
    /// Nothing: the task is over. The runnable's reference is to be given back.
    Stale,
}

/// What follows a poll that returned `Pending`.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Suspend {
    /// Nothing. The runnable's reference was given back.
    Idle,
    /// The same, and it was the last: free the task.
    Last,
    /// The task was woken during the poll: queue it again; the reference goes with it.
    Reschedule,
    /// The task was cancelled during the poll: drop the future. RUNNING is still set.
    Cancel,
}

/// What a wake-up is to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    /// Nothing more.
    Done,
    /// Queue the task. One reference goes with the `Runnable`.
    Schedule,
}

/// What a wake-up that uses the waker up is to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum WakeByValue {
    /// Nothing more.
    Done,
    /// Free the task: it was the last reference.
    Last,
    /// Queue the task. The waker's reference goes with the `Runnable`.
    Schedule,
}

/// What a request for cancellation is to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Cancel {
    /// Nothing more.
    Done,
    /// Queue the task, for the destruction of its future. One reference goes with the `Runnable`.
    Schedule,
    /// Tell the poll, which drops the future at its end.
    Running,
}

/// What completion found.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Completed {
    /// A `JoinHandle` owns the output and may wait for it.
    Joined,
    /// Nobody will read the output: drop it.
    Detached,
}

impl State {
    /// `is_timed`: there is a time slice of its own.
    pub(crate) fn new(preemption: Preemption, class: Priority, is_timed: bool) -> Self {
        let allowed = match preemption {
            Preemption::Cooperative => ASKED_ONLY,
            Preemption::Never => LEFT_ALONE,
            _ => 0,
        };
        let class = match class {
            Priority::Latency => LATENCY,
            Priority::Batch => BATCH,
            _ => 0,
        };
        let special = allowed | class | if is_timed { TIMED } else { 0 };
        State(AtomicUsize::new((REFS_AT_BIRTH * ONE_REF) | SCHEDULED | JOINED | special))
    }

    /// Of a task like most.
    #[cfg(test)]
    fn plain() -> Self {
        State::new(Preemption::Forced, Priority::Normal, false)
    }

    pub(crate) fn preemption(&self) -> Preemption {
        // Relaxed: these bits never change.
        match self.0.load(Relaxed) & (ASKED_ONLY | LEFT_ALONE) {
            0 => Preemption::Forced,
            ASKED_ONLY => Preemption::Cooperative,
            _ => Preemption::Never,
        }
    }

    /// Whether polls are like those of most tasks: of the normal class, without a time slice of
    /// their own, and may be preempted by all means.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        // Relaxed: these bits never change; nor do those below.
        self.0.load(Relaxed) & SPECIAL == 0
    }

    #[inline]
    pub(crate) fn is_of_normal_class(&self) -> bool {
        self.0.load(Relaxed) & (LATENCY | BATCH) == 0
    }

    pub(crate) fn priority(&self) -> Priority {
        match self.0.load(Relaxed) & (LATENCY | BATCH) {
            0 => Priority::Normal,
            LATENCY => Priority::Latency,
            _ => Priority::Batch,
        }
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.0.load(Relaxed) & TIMED != 0
    }

    /// Moves the word by `step`, which answers the next word (`None`: leave it) and a verdict.
    fn update<R>(&self, mut step: impl FnMut(usize) -> (Option<usize>, R)) -> R {
        let mut word = self.0.load(Acquire);
        loop {
            let (next, verdict) = step(word);
            let Some(next) = next else { return verdict };
            match self.0.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return verdict,
                Err(actual) => word = actual,
            }
        }
    }

    /// A machine takes the `Runnable`.
    pub(crate) fn start(&self) -> Start {
        self.update(|word| {
            debug_assert!(word & SCHEDULED != 0, "a runnable without its bit");
            let taken = word & !SCHEDULED;
            if word & (RUNNING | COMPLETE) != 0 {
                (Some(taken), Start::Stale)
            } else if word & CANCELLED != 0 {
                (Some(taken | RUNNING), Start::Cancel)
            } else {
                (Some(taken | RUNNING), Start::Poll)
            }
        })
    }

    /// The poll returned `Pending`. `woken`: the task has woken itself in it.
    pub(crate) fn suspend(&self, woken: bool) -> Suspend {
        self.update(|word| {
            debug_assert!(word & RUNNING != 0);
            let word = if woken { word | SCHEDULED } else { word };
            if word & CANCELLED != 0 {
                (None, Suspend::Cancel)
            } else if word & SCHEDULED != 0 {
                (Some(word & !RUNNING), Suspend::Reschedule)
            } else {
                let next = (word & !RUNNING) - ONE_REF;
                (Some(next), if next < ONE_REF { Suspend::Last } else { Suspend::Idle })
            }
        })
    }

    /// The output is stored.
    pub(crate) fn complete(&self) -> Completed {
        let word = self.0.fetch_xor(RUNNING | COMPLETE, AcqRel);
        debug_assert!(word & (RUNNING | COMPLETE) == RUNNING);
        if word & JOINED != 0 { Completed::Joined } else { Completed::Detached }
    }

    /// A waker is used. A `Runnable` gets a reference of its own.
    pub(crate) fn wake_by_ref(&self) -> Wake {
        self.update(|word| {
            if word & (COMPLETE | SCHEDULED) != 0 {
                (None, Wake::Done)
            } else if word & RUNNING != 0 {
                (Some(word | SCHEDULED), Wake::Done)
            } else {
                (Some(with_one_more(word) | SCHEDULED), Wake::Schedule)
            }
        })
    }

    /// A waker is used up, and its reference with it: if there is to be a `Runnable`, it gets that one.
    pub(crate) fn wake_by_value(&self) -> WakeByValue {
        self.update(|word| {
            if word & (COMPLETE | SCHEDULED) != 0 {
                let next = word - ONE_REF;
                let is_last = next < ONE_REF;
                (Some(next), if is_last { WakeByValue::Last } else { WakeByValue::Done })
            } else if word & RUNNING != 0 {
                // Whoever polls it has a reference as well.
                (Some((word | SCHEDULED) - ONE_REF), WakeByValue::Done)
            } else {
                (Some(word | SCHEDULED), WakeByValue::Schedule)
            }
        })
    }

    /// Asks for cancellation; takes effect when the task is next taken or its poll ends.
    pub(crate) fn cancel(&self) -> Cancel {
        self.update(|word| {
            if word & (COMPLETE | CANCELLED) != 0 {
                (None, Cancel::Done)
            } else if word & RUNNING != 0 {
                (Some(word | CANCELLED), Cancel::Running)
            } else if word & SCHEDULED != 0 {
                (Some(word | CANCELLED), Cancel::Done)
            } else {
                (Some(with_one_more(word) | CANCELLED | SCHEDULED), Cancel::Schedule)
            }
        })
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        // Relaxed: the fences in `cancel.rs` are stronger, and the bit is never cleared.
        self.0.load(Relaxed) & CANCELLED != 0
    }

    /// The runtime shuts down. `true`: the caller now has the right to drop the future (RUNNING
    /// is set); `false`: whoever polls it will, or it is complete.
    #[must_use]
    pub(crate) fn shut_down(&self) -> bool {
        self.update(|word| {
            if word & (RUNNING | COMPLETE) != 0 {
                (Some(word | CANCELLED), false)
            } else {
                (Some(word | CANCELLED | RUNNING), true)
            }
        })
    }

    /// The `JoinHandle` goes away. `true`: it still owns an output, which it must drop.
    #[must_use]
    pub(crate) fn drop_join_handle(&self) -> bool {
        let word = self.0.fetch_and(!JOINED, AcqRel);
        word & COMPLETE != 0
    }

    /// What the task is at, at this moment.
    pub(crate) fn phase(&self) -> Phase {
        let word = self.0.load(Acquire);
        if word & COMPLETE != 0 {
            Phase::Complete
        } else if word & RUNNING != 0 {
            Phase::Running
        } else if word & SCHEDULED != 0 {
            Phase::Queued
        } else {
            Phase::Waiting
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.0.load(Acquire) & COMPLETE != 0
    }

    pub(crate) fn add_ref(&self) {
        // Relaxed: a reference is only made from another one.
        let word = self.0.fetch_add(ONE_REF, Relaxed);
        with_one_more(word);
    }

    /// Gives `count` references back. `true`: they were the last, free the task.
    #[must_use]
    pub(crate) fn drop_refs(&self, count: usize) -> bool {
        // AcqRel: the last one sees everything that the others did (pairs with itself).
        let word = self.0.fetch_sub(count * ONE_REF, AcqRel);
        debug_assert!(word / ONE_REF >= count, "more references given back than taken");
        word / ONE_REF == count
    }
}

/// Adds a reference; a leak of wakers in a loop ends here and not in a use after free.
fn with_one_more(word: usize) -> usize {
    if word > isize::MAX as usize {
        eprintln!("preempt: a task has too many references (wakers leaked in a loop?), aborting");
        std::process::abort();
    }
    word + ONE_REF
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_wake_during_the_poll_reschedules() {
        let state = State::plain();
        assert_eq!(state.start(), Start::Poll);
        assert_eq!(state.wake_by_ref(), Wake::Done);
        assert_eq!(state.wake_by_ref(), Wake::Done);
        assert_eq!(state.suspend(false), Suspend::Reschedule);
        assert_eq!(state.wake_by_ref(), Wake::Done, "the runnable exists already");
    }

    #[test]
    fn an_idle_task_is_scheduled_once() {
        let state = State::plain();
        assert_eq!(state.start(), Start::Poll);
        assert_eq!(state.suspend(false), Suspend::Idle);
        assert_eq!(state.wake_by_ref(), Wake::Schedule);
        assert_eq!(state.wake_by_ref(), Wake::Done);
    }

    #[test]
    fn cancelling_an_idle_task_schedules_it_for_its_destruction() {
        let state = State::plain();
        assert_eq!(state.start(), Start::Poll);
        assert_eq!(state.suspend(false), Suspend::Idle);
        assert_eq!(state.cancel(), Cancel::Schedule);
        assert_eq!(state.start(), Start::Cancel);
    }

    #[test]
    fn a_task_that_wakes_itself_is_queued_again_once() {
        let state = State::plain();
        assert_eq!(state.start(), Start::Poll);
        assert_eq!(state.suspend(true), Suspend::Reschedule);
        assert_eq!(state.wake_by_ref(), Wake::Done, "it is queued");
        assert_eq!(state.start(), Start::Poll);
        assert_eq!(state.wake_by_ref(), Wake::Done, "by somebody else");
        assert_eq!(state.suspend(true), Suspend::Reschedule);
        assert_eq!(state.start(), Start::Poll);
        assert_eq!(state.suspend(false), Suspend::Idle);
    }

    #[test]
    fn a_waker_that_is_used_up_gives_its_reference_to_the_runnable() {
        let state = State::plain();
        assert_eq!(state.start(), Start::Poll);
        // A waker for each of these, beside the three of birth.
        (0..4).for_each(|_| state.add_ref());
        assert_eq!(state.wake_by_value(), WakeByValue::Done, "it is being polled");
        assert_eq!(state.suspend(false), Suspend::Reschedule);
        assert_eq!(state.wake_by_value(), WakeByValue::Done, "it is queued");
        assert_eq!(state.start(), Start::Poll);
        assert_eq!(state.suspend(false), Suspend::Idle);
        assert_eq!(state.wake_by_value(), WakeByValue::Schedule);
        assert_eq!(state.start(), Start::Poll);
        assert_eq!(state.complete(), Completed::Joined);
        // The runnable, the registry and the handle.
        assert!(!state.drop_refs(3));
        assert_eq!(state.wake_by_value(), WakeByValue::Last);
    }

    #[test]
    fn a_task_that_nobody_can_wake_any_more_goes_with_its_poll() {
        let state = State::plain();
        assert_eq!(state.start(), Start::Poll);
        assert!(!state.drop_refs(2));
        assert_eq!(state.suspend(false), Suspend::Last);
    }

    #[test]
    fn cancelling_during_the_poll_takes_effect_at_its_end() {
        let state = State::plain();
        assert_eq!(state.start(), Start::Poll);
        assert_eq!(state.cancel(), Cancel::Running);
        assert_eq!(state.suspend(false), Suspend::Cancel);
        assert_eq!(state.complete(), Completed::Joined);
        assert_eq!(state.cancel(), Cancel::Done);
    }

    #[test]
    fn what_was_allowed_at_birth_stays_allowed() {
        for preemption in [Preemption::Cooperative, Preemption::Forced, Preemption::Never] {
            let state = State::new(preemption, Priority::Normal, false);
            assert_eq!(state.start(), Start::Poll);
            state.add_ref();
            assert_eq!(state.cancel(), Cancel::Running);
            assert_eq!(state.complete(), Completed::Joined);
            assert!(!state.drop_refs(3));
            assert_eq!(state.preemption(), preemption);
            assert!(state.drop_join_handle());
            assert!(state.drop_refs(1));
        }
    }

    #[test]
    fn a_class_and_a_time_slice_are_for_good() {
        for priority in Priority::ALL {
            for is_timed in [false, true] {
                let state = State::new(Preemption::Forced, priority, is_timed);
                assert_eq!(state.start(), Start::Poll);
                state.add_ref();
                assert_eq!(state.cancel(), Cancel::Running);
                assert_eq!(state.complete(), Completed::Joined);
                assert!(!state.drop_refs(3));
                assert_eq!((state.priority(), state.is_timed()), (priority, is_timed));
                assert_eq!(state.is_of_normal_class(), priority == Priority::Normal);
                assert_eq!(state.is_plain(), priority == Priority::Normal && !is_timed);
            }
        }
        assert!(!State::new(Preemption::Never, Priority::Normal, false).is_plain());
    }

    #[test]
    fn a_runnable_outrun_by_shutdown_is_stale() {
        let state = State::plain();
        assert!(state.shut_down());
        assert_eq!(state.start(), Start::Stale);
        assert_eq!(state.complete(), Completed::Joined);
        assert!(state.drop_join_handle());
        assert!(state.drop_refs(3));
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// However a poll and two wake-ups interleave, no wake-up is lost and no second `Runnable`
    /// appears.
    #[test]
    fn loom_wakes_against_the_end_of_a_poll() {
        loom::model(|| {
            let state = Arc::new(State::plain());
            assert_eq!(state.start(), Start::Poll);
            let wakers: Vec<_> = (0..2)
                .map(|_| {
                    let state = state.clone();
                    thread::spawn(move || usize::from(state.wake_by_ref() == Wake::Schedule))
                })
                .collect();
            let mut runnables = match state.suspend(false) {
                Suspend::Reschedule => 1,
                Suspend::Idle => 0,
                Suspend::Last | Suspend::Cancel => unreachable!("nobody cancels"),
            };
            for waker in wakers {
                runnables += waker.join().unwrap();
            }
            assert_eq!(runnables, 1);
        });
    }

    /// The output has exactly one owner when completion and the drop of the handle race.
    #[test]
    fn loom_completion_against_the_drop_of_the_handle() {
        loom::model(|| {
            let state = Arc::new(State::plain());
            assert_eq!(state.start(), Start::Poll);
            let handle = thread::spawn({
                let state = state.clone();
                move || state.drop_join_handle()
            });
            let detached = state.complete() == Completed::Detached;
            let handle_drops = handle.join().unwrap();
            assert!(detached != handle_drops);
        });
    }

    /// Exactly one of shutdown and the machine that takes the `Runnable` gets the future.
    #[test]
    fn loom_shutdown_against_start() {
        loom::model(|| {
            let state = Arc::new(State::plain());
            let shutdown = thread::spawn({
                let state = state.clone();
                move || state.shut_down()
            });
            let started = state.start();
            let shut_down = shutdown.join().unwrap();
            assert_eq!(shut_down, started == Start::Stale);
        });
    }

    /// Cancellation is never lost: an idle task is queued, a running one learns at its end.
    #[test]
    fn loom_cancel_against_the_end_of_a_poll() {
        loom::model(|| {
            let state = Arc::new(State::plain());
            assert_eq!(state.start(), Start::Poll);
            let abort = thread::spawn({
                let state = state.clone();
                move || state.cancel()
            });
            let suspended = state.suspend(false);
            let aborted = abort.join().unwrap();
            match suspended {
                Suspend::Cancel => assert_eq!(aborted, Cancel::Running),
                Suspend::Idle => {
                    assert_eq!(aborted, Cancel::Schedule);
                    assert_eq!(state.start(), Start::Cancel);
                }
                Suspend::Reschedule | Suspend::Last => panic!("nobody wakes"),
            }
        });
    }
}
