//! What to do about one poll: a pure function, tested by tables.
//!
//! ```text
//!   allowed time over      asked and still there      slice over and still there
//!   ───────────────────▶ Request ──────────────▶ Interrupt .. ──────────────▶ HandOff
//!   (the flag)             (the signal, again and again)        (another thread)
//! ```
//!
//! Rejected: preempting by age alone, as Go does (137 SIGURG in 3 s for a goroutine that nobody
//! waits behind). A poll may run as long as it likes while every other task is served.

use std::time::Duration;

/// What may be done about a task's polls when they go on while others wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preemption {
    /// They are asked to give way at a checkpoint; for want of one they give way only at their
    /// awaits, and lose their worker's place after the time slice. No signal stops them anywhere
    /// else.
    Cooperative,
    /// Whatever works: they are asked, then suspended by a signal, then lose their worker's place.
    #[default]
    Forced,
    /// They are left alone: neither asked nor suspended, not even at a checkpoint. After the time
    /// slice they lose their worker's place, so that nobody starves; they do not notice. Where there
    /// are no hand-offs, whoever waits behind them waits.
    Never,
}

/// Which tasks go first when several are ready, and how the processors' time is shared when there is
/// not enough of it: see `Builder::priority` of a task.
///
/// Higher classes go first, and a wake-up of one has a poll of a lower class give way at once; but
/// each class has its share of the time, by weight, see `Builder::priority_weights` of the runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// The highest class: for tasks that are to run soon, and not for long.
    Latency,
    /// What all tasks have that say nothing.
    #[default]
    Normal,
    /// The lowest: for what may wait.
    Batch,
}

impl Priority {
    /// All classes, the highest first. What belongs to one class each is in this order.
    #[doc(hidden)]
    pub const ALL: [Priority; 3] = [Priority::Latency, Priority::Normal, Priority::Batch];
}

/// Which classes may claim a processor, in the order of [`Priority::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// A fresh task of the class waits.
    pub fresh: [bool; 3],
    /// The class has not had more than its share, so that its fresh tasks may have the processor of a
    /// lower class at once.
    pub entitled: [bool; 3],
}

impl Claims {
    /// Those of a runtime whose tasks are all of the normal class.
    pub const NORMAL: Claims = Claims { fresh: [false, true, false], entitled: [true; 3] };

    /// Who waits for the processor that a poll of the class is on, where `waiting` says who waits at
    /// all.
    #[must_use]
    pub fn behind(&self, poll: Priority, waiting: Waiting) -> Waiting {
        if waiting != Waiting::Fresh {
            return waiting;
        }
        let class = poll as usize;
        let has_claim = |higher| self.fresh[higher] && self.entitled[higher];
        if (0..class).any(has_claim) {
            Waiting::Higher
        } else if self.fresh[class] {
            Waiting::Fresh
        } else {
            // Of a lower class, or of one that has had its share: as if it had been preempted.
            Waiting::Background
        }
    }

    /// How long a poll may run whose task has a time slice of its own, or none: a longer one than the
    /// runtime's is at the cost of its own class only.
    #[must_use]
    pub fn time_slice(&self, poll: Priority, own: Option<Duration>, limits: &Limits) -> Duration {
        match own {
            Some(own) if self.entitled[poll as usize] => own,
            Some(own) => own.min(limits.time_slice),
            None => limits.time_slice,
        }
    }
}

/// What the monitor knows of the poll that a processor is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// How long it has been seen running. The true age is larger by up to one look.
    pub age: Duration,
    /// How long ago it was asked to give way, or its hand-off last failed.
    pub requested: Option<Duration>,
    /// How long ago it was last interrupted by a signal.
    pub interrupted: Option<Duration>,
    /// How many signals it was sent.
    pub interruptions: u32,
    /// Whether it is the rest of a poll that had to be preempted before.
    pub is_background: bool,
    /// Whether only a signal has stopped it before: it has no checkpoints, or is far from them.
    pub is_silent: bool,
    /// What may be done about it.
    pub preemption: Preemption,
}

/// Who waits for a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Nobody: whatever runs may go on.
    Nobody,
    /// Only tasks that were preempted themselves.
    Background,
    /// A task that became ready by a wake-up or a spawn.
    Fresh,
    /// The same, and its class goes before that of the poll.
    Higher,
    /// The scheduler itself, which has no other use for the processor than that nothing runs on it.
    Scheduler,
}

/// The times that decide, per runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a poll may run while somebody waits, if its task has no time slice of its own.
    pub time_slice: Duration,
    /// How long it may run while a fresh task waits and every processor is in a poll; `None`: as
    /// long as the time slice.
    pub grace: Option<Duration>,
    /// How long a poll that was promised a turn runs before a fresh task may cut it short.
    pub turn: Duration,
    /// How long after a request the first signal is sent to a poll that reaches no checkpoint. Each
    /// further one, if it was at no async-safe point, takes twice as long as the one before, up to
    /// sixteen times; `None`: no signals.
    pub interrupt_interval: Option<Duration>,
    /// How long after a request a poll that outlived its slice keeps its processor; `None`: for
    /// good (no hand-off).
    pub patience: Option<Duration>,
}

/// What is done about the poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Leave,
    /// Ask it to give way at its next checkpoint.
    Request,
    /// Send its thread a signal, whose handler detaches it if it is at an async-safe point. Ask it as
    /// well, if it was not asked before.
    Interrupt,
    /// Give its processor to another machine.
    HandOff,
}

/// Decides about one poll.
#[must_use]
pub fn decide(poll: Poll, waiting: Waiting, limits: &Limits) -> Decision {
    let allowed = match (waiting, limits.grace) {
        (Waiting::Nobody, _) => return Decision::Leave,
        (Waiting::Scheduler, _) => Duration::ZERO,
        // It has had its chance to be short.
        (Waiting::Fresh, Some(_)) if poll.is_background => Duration::ZERO,
        (Waiting::Fresh, Some(grace)) => grace.min(limits.time_slice),
        (Waiting::Higher, Some(_)) => Duration::ZERO,
        (Waiting::Fresh | Waiting::Higher, None) | (Waiting::Background, _) => limits.time_slice,
    };
    if poll.preemption == Preemption::Never {
        return decide_unasked(poll, limits);
    }
    let interval = limits.interrupt_interval.filter(|_| poll.preemption == Preemption::Forced);
    let Some(asked) = poll.requested else {
        return match poll.age >= allowed {
            // It did not answer the last time either.
            true if poll.is_silent && interval.is_some() => Decision::Interrupt,
            true => Decision::Request,
            false => Decision::Leave,
        };
    };
    // A hand-off costs a thread, so it takes a whole slice, even for a fresh task; and a signal, if there
    // are signals, also if the monitor itself was late.
    let out_of_patience = limits.patience.is_some_and(|patience| asked >= patience);
    let has_been_forced = interval.is_none() || poll.interruptions > 0;
    if out_of_patience && poll.age >= limits.time_slice && has_been_forced {
        return Decision::HandOff;
    }
    let wait = interval.map(|first| first * (1 << poll.interruptions.min(4)));
    match wait {
        Some(wait) if poll.interrupted.unwrap_or(asked) >= wait => Decision::Interrupt,
        _ => Decision::Leave,
    }
}

/// Decides about a poll that must not notice: it is not asked, so it needs no time to answer.
fn decide_unasked(poll: Poll, limits: &Limits) -> Decision {
    let Some(patience) = limits.patience else { return Decision::Leave };
    let failed_just_now = poll.requested.is_some_and(|failed| failed < patience);
    if poll.age >= limits.time_slice && !failed_just_now {
        Decision::HandOff
    } else {
        Decision::Leave
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Decision::*;
    use super::Waiting::*;
    use super::*;

    const LIMITS: Limits = Limits {
        time_slice: Duration::from_millis(10),
        grace: Some(Duration::from_micros(100)),
        turn: Duration::from_millis(1),
        interrupt_interval: None,
        patience: Some(Duration::from_millis(1)),
    };

    fn decided(
        age_us: u64,
        requested_us: Option<u64>,
        waiting: Waiting,
        limits: &Limits,
    ) -> Decision {
        let poll = Poll {
            age: Duration::from_micros(age_us),
            requested: requested_us.map(Duration::from_micros),
            interrupted: None,
            interruptions: 0,
            is_background: false,
            is_silent: false,
            preemption: Preemption::Forced,
        };
        decide(poll, waiting, limits)
    }

    #[test]
    fn signals_follow_a_request_and_each_other_at_the_interval() {
        let us = Duration::from_micros;
        let limits = Limits { interrupt_interval: Some(us(20)), ..LIMITS };
        let decided = |age, requested, interrupted: Option<u64>, interruptions| {
            let poll = Poll {
                age: us(age),
                requested: Some(us(requested)),
                interrupted: interrupted.map(us),
                interruptions,
                is_background: false,
                is_silent: false,
                preemption: Preemption::Forced,
            };
            decide(poll, Fresh, &limits)
        };
        assert_eq!(decided(120, 19, None, 0), Leave, "time to reach a checkpoint");
        assert_eq!(decided(120, 20, None, 0), Interrupt);
        assert_eq!(decided(159, 59, Some(39), 1), Leave);
        assert_eq!(decided(160, 60, Some(40), 1), Interrupt, "the first was refused");
        assert_eq!(decided(9_000, 8_900, Some(319), 50), Leave);
        assert_eq!(decided(9_000, 8_900, Some(320), 50), Interrupt, "the pause has a limit");
        assert_eq!(decided(11_000, 10_900, Some(20), 50), HandOff, "refused for a whole slice");
    }

    /// Found by `only_polls_that_may_be_forced_are_interrupted` on a busy machine.
    #[test]
    fn a_late_monitor_sends_a_signal_before_it_takes_the_processor() {
        let signals = Limits { interrupt_interval: Some(Duration::from_micros(20)), ..LIMITS };
        assert_eq!(decided(20_000, Some(10_000), Fresh, &signals), Interrupt);
        assert_eq!(decided(20_000, Some(10_000), Fresh, &LIMITS), HandOff, "there are no signals");
    }

    #[test]
    fn the_rest_of_a_preempted_poll_has_no_grace() {
        let poll = Poll {
            age: Duration::ZERO,
            requested: None,
            interrupted: None,
            interruptions: 0,
            is_background: true,
            is_silent: false,
            preemption: Preemption::Forced,
        };
        assert_eq!(decide(poll, Fresh, &LIMITS), Request);
        assert_eq!(decide(poll, Background, &LIMITS), Leave, "but a slice beside its like");
    }

    #[test]
    fn a_poll_that_did_not_answer_the_last_time_is_not_asked_alone() {
        let poll = Poll {
            age: Duration::ZERO,
            requested: None,
            interrupted: None,
            interruptions: 0,
            is_background: true,
            is_silent: true,
            preemption: Preemption::Forced,
        };
        let limits = Limits { interrupt_interval: Some(Duration::from_micros(20)), ..LIMITS };
        assert_eq!(decide(poll, Fresh, &limits), Interrupt);
        assert_eq!(decide(poll, Background, &limits), Leave, "a slice beside its like");
        assert_eq!(decide(poll, Fresh, &LIMITS), Request, "there are no signals");
        let cooperative = Poll { preemption: Preemption::Cooperative, ..poll };
        assert_eq!(decide(cooperative, Fresh, &limits), Request);
    }

    #[test]
    fn table() {
        #[rustfmt::skip]
        let table = [
            // age us, requested us ago, waiting,    expected
            (50_000,   None,             Nobody,     Leave),
            (50_000,   Some(40_000),     Nobody,     Leave),
            (9_999,    None,             Background, Leave),
            (10_000,   None,             Background, Request),
            (99,       None,             Fresh,      Leave),
            (100,      None,             Fresh,      Request),
            (5_000,    Some(4_900),      Fresh,      Leave),   // asked early, slice not yet over
            (10_000,   Some(9_900),      Fresh,      HandOff), // asked early, slice over
            (10_999,   Some(999),        Background, Leave),   // time to reach a checkpoint
            (11_000,   Some(1_000),      Background, HandOff),
        ];
        for (age, requested, waiting, expected) in table {
            let row = (age, requested, waiting);
            assert_eq!(decided(age, requested, waiting, &LIMITS), expected, "{row:?}");
        }
    }

    #[test]
    fn what_a_task_allows() {
        let us = Duration::from_micros;
        let limits = Limits { interrupt_interval: Some(us(20)), ..LIMITS };
        #[rustfmt::skip]
        let table = [
            // age us, requested us ago, Forced,    Cooperative, Never
            (99,       None,             [Leave,     Leave,      Leave]),
            (100,      None,             [Request,   Request,    Leave]),
            (120,      Some(20),         [Interrupt, Leave,      Leave]),
            (9_999,    Some(9_800),      [Interrupt, Leave,      Leave]),
            (10_000,   None,             [Request,   Request,    HandOff]),
            (10_000,   Some(999),        [Interrupt, Leave,      Leave]), // Never: it failed just now
            (10_000,   Some(1_000),      [Interrupt, HandOff,    HandOff]), // Forced: by a signal first
        ];
        let all = [Preemption::Forced, Preemption::Cooperative, Preemption::Never];
        for (age, requested, expected) in table {
            for (preemption, expected) in all.into_iter().zip(expected) {
                let poll = Poll {
                    age: us(age),
                    requested: requested.map(us),
                    interrupted: None,
                    interruptions: 0,
                    is_background: false,
                    is_silent: false,
                    preemption,
                };
                assert_eq!(decide(poll, Fresh, &limits), expected, "{poll:?}");
                assert_eq!(decide(poll, Nobody, &limits), Leave, "{poll:?}");
                let for_good = Limits { patience: None, ..limits };
                assert_ne!(decide(poll, Fresh, &for_good), HandOff, "{poll:?}");
            }
        }
    }

    #[test]
    fn a_higher_class_has_no_patience_with_a_lower_one() {
        assert_eq!(decided(0, None, Higher, &LIMITS), Request);
        let signals = Limits { interrupt_interval: Some(Duration::from_micros(20)), ..LIMITS };
        assert_eq!(decided(20, Some(20), Higher, &signals), Interrupt);
        assert_eq!(decided(9_999, Some(9_999), Higher, &LIMITS), Leave, "a hand-off takes a slice");
        let no_grace = Limits { grace: None, ..LIMITS };
        assert_eq!(decided(9_999, None, Higher, &no_grace), Leave, "no preemption by wake-ups");
        assert_eq!(decided(10_000, None, Higher, &no_grace), Request);
    }

    #[test]
    fn who_waits_behind_a_poll_of_each_class() {
        use Priority::*;
        let all = [true; 3];
        #[rustfmt::skip]
        let table = [
            // fresh,               entitled,             behind Latency, Normal,     Batch
            ([false, true,  false], all,                  [Background,    Fresh,      Higher]),
            ([true,  false, false], all,                  [Fresh,         Higher,     Higher]),
            ([false, false, true],  all,                  [Background,    Background, Fresh]),
            ([true,  true,  false], all,                  [Fresh,         Higher,     Higher]),
            ([true,  false, false], [false, true, true],  [Fresh,         Background, Background]),
            ([true,  true,  false], [false, true, true],  [Fresh,         Fresh,      Higher]),
            ([false, true,  true],  [true, false, true],  [Background,    Fresh,      Fresh]),
        ];
        for (fresh, entitled, expected) in table {
            let claims = Claims { fresh, entitled };
            for (poll, expected) in [Latency, Normal, Batch].into_iter().zip(expected) {
                let behind = |waiting| claims.behind(poll, waiting);
                assert_eq!(behind(Fresh), expected, "{claims:?} {poll:?}");
                assert_eq!(behind(Background), Background);
                assert_eq!(behind(Nobody), Nobody);
            }
        }
    }

    #[test]
    fn a_long_time_slice_ends_with_the_share_of_its_class() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let claims = Claims { fresh: [false; 3], entitled: [true, true, false] };
        #[rustfmt::skip]
        let table = [
            (Priority::Normal, None,   10),
            (Priority::Normal, ms(1),   1),
            (Priority::Normal, ms(50), 50),
            (Priority::Batch,  None,   10),
            (Priority::Batch,  ms(1),   1),
            (Priority::Batch,  ms(50), 10),
        ];
        for (priority, own, expected) in table {
            let time_slice = claims.time_slice(priority, own, &LIMITS);
            assert_eq!(time_slice, Duration::from_millis(expected), "{priority:?} {own:?}");
        }
    }

    #[test]
    fn the_scheduler_itself_waits_for_nothing() {
        assert_eq!(decided(0, None, Scheduler, &LIMITS), Request);
        assert_eq!(decided(9_999, Some(9_999), Scheduler, &LIMITS), Leave, "its slice is its own");
        assert_eq!(decided(10_000, Some(9_999), Scheduler, &LIMITS), HandOff);
    }

    #[test]
    fn without_grace_a_fresh_task_waits_for_the_slice() {
        let limits = Limits { grace: None, ..LIMITS };
        assert_eq!(decided(9_999, None, Fresh, &limits), Leave);
        assert_eq!(decided(10_000, None, Fresh, &limits), Request);
    }

    #[test]
    fn a_grace_longer_than_the_slice_does_not_prolong_it() {
        let limits = Limits { grace: Some(Duration::from_secs(1)), ..LIMITS };
        assert_eq!(decided(10_000, None, Fresh, &limits), Request);
    }

    #[test]
    fn without_patience_nothing_is_handed_off() {
        let limits = Limits { patience: None, ..LIMITS };
        assert_eq!(decided(1_000_000, Some(900_000), Fresh, &limits), Leave);
    }
}
