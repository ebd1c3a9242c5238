//! Goal: the monitor acts in the right order on a scheduler whose every answer the test controls.
//! Method: a fake scheduler that records the calls; times are only compared, never asserted.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};

struct Fake {
    watches: Vec<Watch>,
    waiting: Mutex<Waiting>,
    claims: Mutex<Claims>,
    busy: AtomicBool,
    timer: Mutex<Option<Instant>>,
    timers_fired: AtomicUsize,
    event_polls: AtomicUsize,
    calls: Mutex<Vec<(&'static str, usize)>>,
    looks: AtomicUsize,
    has_sockets: AtomicBool,
    started: Instant,
    /// The processor whose thread the system does not let run.
    starved: AtomicUsize,
    /// The processor that is none any more.
    retired: AtomicUsize,
    /// The processor that the scheduler itself wants.
    wanted: AtomicUsize,
    /// All threads sleep.
    asleep: AtomicBool,
    /// Sleeps until an event.
    sleeps: AtomicUsize,
    /// Ends such a sleep.
    broken: (Mutex<bool>, Condvar),
}

impl Fake {
    fn break_sleep(&self) {
        *self.broken.0.lock().unwrap() = true;
        self.broken.1.notify_all();
    }
}

impl Scheduler for Fake {
    fn processors(&self) -> usize {
        self.watches.len()
    }
    fn most_processors(&self) -> usize {
        self.watches.len()
    }
    fn is_retired(&self, processor: usize) -> bool {
        self.retired.load(SeqCst) == processor
    }
    fn watch(&self, processor: usize) -> &Watch {
        &self.watches[processor]
    }
    fn is_idle(&self) -> bool {
        !self.busy.load(SeqCst)
    }
    fn waiting(&self) -> Waiting {
        self.looks.fetch_add(1, SeqCst);
        *self.waiting.lock().unwrap()
    }
    fn claims(&self) -> Claims {
        *self.claims.lock().unwrap()
    }
    fn is_wanted(&self, processor: usize) -> bool {
        self.wanted.load(SeqCst) == processor
    }
    fn longest_look_away(&self) -> Option<Duration> {
        None
    }
    fn fire_timers(&self) {
        *self.timer.lock().unwrap() = None;
        self.timers_fired.fetch_add(1, SeqCst);
    }
    fn next_timer(&self) -> Option<Instant> {
        *self.timer.lock().unwrap()
    }
    fn request(&self, processor: usize, _slice: Slice) {
        self.calls.lock().unwrap().push(("request", processor));
    }
    fn cpu_time(&self, processor: usize, _slice: Slice) -> Option<Duration> {
        let is_starved = self.starved.load(SeqCst) == processor;
        Some(if is_starved { Duration::ZERO } else { self.started.elapsed() })
    }
    fn is_asleep(&self, _processor: usize, _slice: Slice) -> bool {
        self.asleep.load(SeqCst)
    }
    fn interrupt(&self, processor: usize, _slice: Slice) -> Interrupted {
        self.calls.lock().unwrap().push(("interrupt", processor));
        Interrupted::Done
    }
    fn prepare(&self) {}
    fn poll_events(&self, _now: Instant) {
        self.event_polls.fetch_add(1, SeqCst);
    }
    fn is_unattended(&self) -> bool {
        self.has_sockets.load(SeqCst)
    }
    fn sleep_until_event(&self, until: Instant, is_kicked: impl FnOnce() -> bool) -> bool {
        self.sleeps.fetch_add(1, SeqCst);
        if !is_kicked() {
            let left = until.saturating_duration_since(Instant::now());
            let (_guard, _timeout) = self
                .broken
                .1
                .wait_timeout_while(self.broken.0.lock().unwrap(), left, |broken| {
                    !std::mem::take(broken)
                })
                .unwrap();
        }
        true
    }
    fn hand_off(&self, processor: usize, slice: Slice, _since: Instant) -> bool {
        let taken = self.watches[processor].retake(slice);
        if taken {
            self.calls.lock().unwrap().push(("hand_off", processor));
        }
        taken
    }
}

const LIMITS: Limits = Limits {
    time_slice: Duration::from_millis(2),
    grace: Some(Duration::from_micros(100)),
    turn: Duration::from_micros(200),
    interrupt_interval: None,
    patience: Some(Duration::from_millis(1)),
};

/// A running monitor over `processors` idle processors; stopped and joined at the end of `body`.
fn with_monitor(processors: usize, limits: Limits, body: impl FnOnce(&Monitor, &Fake)) {
    let fake = Arc::new(Fake {
        watches: (0..processors).map(|_| Watch::new()).collect(),
        waiting: Mutex::new(Waiting::Nobody),
        claims: Mutex::new(Claims::NORMAL),
        busy: AtomicBool::new(true),
        timer: Mutex::new(None),
        timers_fired: AtomicUsize::new(0),
        event_polls: AtomicUsize::new(0),
        calls: Mutex::new(Vec::new()),
        looks: AtomicUsize::new(0),
        has_sockets: AtomicBool::new(false),
        started: Instant::now(),
        starved: AtomicUsize::new(usize::MAX),
        retired: AtomicUsize::new(usize::MAX),
        wanted: AtomicUsize::new(usize::MAX),
        asleep: AtomicBool::new(false),
        sleeps: AtomicUsize::new(0),
        broken: Default::default(),
    });
    let (monitor, thread) = Monitor::new();
    let joined = thread.start(fake.clone(), limits, || ()).unwrap();
    body(&monitor, &fake);
    monitor.stop();
    fake.break_sleep();
    joined.join().unwrap();
}

/// Waits for a condition that must come true; a hang shows as a failure, not as a stuck test.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

fn wait_for_looks(fake: &Fake, count: usize) {
    let start = fake.looks.load(SeqCst);
    eventually("the monitor looks", || fake.looks.load(SeqCst) >= start + count);
}

#[test]
fn a_long_poll_that_nobody_waits_behind_is_left_alone() {
    with_monitor(1, LIMITS, |_, fake| {
        let slice = fake.watches[0].begin_poll();
        thread::sleep(LIMITS.time_slice * 5);
        wait_for_looks(fake, 2);
        assert!(fake.watches[0].end_poll(slice));
        assert_eq!(*fake.calls.lock().unwrap(), []);
    });
}

#[test]
fn a_long_poll_is_asked_first_and_then_loses_its_processor() {
    with_monitor(1, LIMITS, |_, fake| {
        let slice = fake.watches[0].begin_poll();
        *fake.waiting.lock().unwrap() = Waiting::Background;
        eventually("hand-off", || fake.calls.lock().unwrap().len() == 2);
        assert_eq!(*fake.calls.lock().unwrap(), [("request", 0), ("hand_off", 0)]);
        assert!(!fake.watches[0].end_poll(slice));
    });
}

#[test]
fn without_patience_the_poll_keeps_its_processor() {
    let limits = Limits { patience: None, ..LIMITS };
    with_monitor(1, limits, |_, fake| {
        let slice = fake.watches[0].begin_poll();
        *fake.waiting.lock().unwrap() = Waiting::Fresh;
        eventually("request", || !fake.calls.lock().unwrap().is_empty());
        thread::sleep(LIMITS.time_slice * 5);
        wait_for_looks(fake, 2);
        assert_eq!(*fake.calls.lock().unwrap(), [("request", 0)]);
        assert!(fake.watches[0].end_poll(slice));
    });
}

#[test]
fn a_processor_that_the_scheduler_wants_is_asked_for_although_nobody_waits() {
    let hour = Duration::from_secs(3600);
    let interrupt_interval = Some(Duration::from_micros(20));
    let limits = Limits { time_slice: hour, interrupt_interval, ..LIMITS };
    with_monitor(2, limits, |_, fake| {
        let _polls: Vec<_> = fake.watches.iter().map(Watch::begin_poll).collect();
        fake.wanted.store(1, SeqCst);
        eventually("a signal", || fake.calls.lock().unwrap().len() >= 2);
        let calls = fake.calls.lock().unwrap();
        assert_eq!(calls[..2], [("request", 1), ("interrupt", 1)]);
        assert!(calls.iter().all(|&(_, processor)| processor == 1), "{calls:?}");
    });
}

#[test]
fn a_fresh_task_interrupts_only_the_longest_poll() {
    let limits = Limits { time_slice: Duration::from_secs(3600), ..LIMITS };
    with_monitor(3, limits, |_, fake| {
        let _first = fake.watches[1].begin_poll();
        wait_for_looks(fake, 2);
        let _others = [fake.watches[0].begin_poll(), fake.watches[2].begin_poll()];
        *fake.waiting.lock().unwrap() = Waiting::Fresh;
        eventually("request", || !fake.calls.lock().unwrap().is_empty());
        wait_for_looks(fake, 20);
        assert_eq!(*fake.calls.lock().unwrap(), [("request", 1)]);
    });
}

#[test]
fn a_fresh_task_does_not_wait_for_a_processor_that_has_retired() {
    let limits = Limits { time_slice: Duration::from_secs(3600), ..LIMITS };
    with_monitor(2, limits, |_, fake| {
        fake.retired.store(1, SeqCst);
        let _poll = fake.watches[0].begin_poll();
        *fake.waiting.lock().unwrap() = Waiting::Fresh;
        eventually("request", || !fake.calls.lock().unwrap().is_empty());
        assert_eq!(*fake.calls.lock().unwrap(), [("request", 0)]);
    });
}

#[test]
fn a_fresh_task_interrupts_no_poll_in_a_promised_turn() {
    let hour = Duration::from_secs(3600);
    let limits = Limits { time_slice: hour, turn: hour, ..LIMITS };
    with_monitor(2, limits, |_, fake| {
        let promised = fake.watches[1].begin_poll();
        fake.watches[1].promise_turn(promised);
        wait_for_looks(fake, 2);
        let _other = fake.watches[0].begin_poll();
        *fake.waiting.lock().unwrap() = Waiting::Fresh;
        eventually("request", || !fake.calls.lock().unwrap().is_empty());
        wait_for_looks(fake, 20);
        assert_eq!(*fake.calls.lock().unwrap(), [("request", 0)]);
    });
}

#[test]
fn a_fresh_task_interrupts_the_longest_poll_that_may_be() {
    let limits = Limits { time_slice: Duration::from_secs(3600), ..LIMITS };
    with_monitor(3, limits, |_, fake| {
        fake.watches[1].restrict_next_poll(Preemption::Never);
        let _never = fake.watches[1].begin_poll();
        wait_for_looks(fake, 2);
        fake.watches[2].restrict_next_poll(Preemption::Cooperative);
        let _cooperative = fake.watches[2].begin_poll();
        wait_for_looks(fake, 2);
        let _forced = fake.watches[0].begin_poll();
        *fake.waiting.lock().unwrap() = Waiting::Fresh;
        // The cooperative one does not answer, so the next is asked as well.
        eventually("requests", || fake.calls.lock().unwrap().len() == 2);
        wait_for_looks(fake, 20);
        assert_eq!(*fake.calls.lock().unwrap(), [("request", 2), ("request", 0)]);
    });
}

#[test]
fn only_polls_that_may_be_forced_are_interrupted() {
    let limits = Limits { interrupt_interval: Some(Duration::from_micros(20)), ..LIMITS };
    with_monitor(3, limits, |_, fake| {
        fake.watches[0].restrict_next_poll(Preemption::Never);
        fake.watches[1].restrict_next_poll(Preemption::Cooperative);
        let _polls: Vec<_> = fake.watches.iter().map(Watch::begin_poll).collect();
        *fake.waiting.lock().unwrap() = Waiting::Background;
        let calls_for = |index| -> Vec<_> {
            let calls = fake.calls.lock().unwrap();
            calls.iter().filter(|call| call.1 == index).map(|call| call.0).collect()
        };
        eventually("hand-offs", || (0..3).all(|index| calls_for(index).ends_with(&["hand_off"])));
        assert_eq!(calls_for(0), ["hand_off"]);
        assert_eq!(calls_for(1), ["request", "hand_off"]);
        assert!(calls_for(2).contains(&"interrupt"));
    });
}

#[test]
fn a_fresh_task_does_not_interrupt_while_some_processor_is_between_polls() {
    let limits = Limits { time_slice: Duration::from_secs(3600), ..LIMITS };
    with_monitor(2, limits, |_, fake| {
        let _slice = fake.watches[0].begin_poll();
        *fake.waiting.lock().unwrap() = Waiting::Fresh;
        wait_for_looks(fake, 50);
        assert_eq!(*fake.calls.lock().unwrap(), []);
    });
}

#[test]
fn a_due_timer_is_fired_though_the_monitor_was_to_look_much_later() {
    with_monitor(1, LIMITS, |monitor, fake| {
        let _slice = fake.watches[0].begin_poll();
        thread::sleep(Duration::from_millis(30)); // the pauses have grown
        let due = Instant::now() + Duration::from_millis(1);
        *fake.timer.lock().unwrap() = Some(due);
        assert_eq!(monitor.kick(due), Kicked::Done);
        eventually("timer", || fake.timers_fired.load(SeqCst) == 1);
    });
}

/// Begins and ends polls until `condition` holds; returns how long the longest took.
fn poll_until(watch: &Watch, condition: impl Fn() -> bool) -> Duration {
    let mut longest = Duration::ZERO;
    while !condition() {
        let start = Instant::now();
        let slice = watch.begin_poll();
        assert!(watch.end_poll(slice));
        longest = longest.max(start.elapsed());
    }
    longest
}

#[test]
fn timers_and_events_are_left_to_machines_whose_polls_are_short() {
    with_monitor(1, LIMITS, |_, fake| {
        // The system may have stopped this thread in a poll, which is a long one then.
        let all_were_short = (0..1_000).any(|_| {
            let seen = || (fake.timers_fired.load(SeqCst), fake.event_polls.load(SeqCst));
            *fake.timer.lock().unwrap() = Some(Instant::now());
            let (before, looks) = (seen(), fake.looks.load(SeqCst));
            let enough = || fake.looks.load(SeqCst) > looks + 20;
            let are_short = poll_until(&fake.watches[0], enough) < PATIENCE;
            if are_short {
                assert_eq!(seen(), before);
            }
            are_short
        });
        assert!(all_were_short, "no 20 looks without a long poll");
        let (fired, polled) = (fake.timers_fired.load(SeqCst), fake.event_polls.load(SeqCst));
        let _long = fake.watches[0].begin_poll();
        eventually("timer", || fake.timers_fired.load(SeqCst) == fired + 1);
        eventually("events", || fake.event_polls.load(SeqCst) > polled);
    });
}

#[test]
fn nobody_need_tell_it_who_waits_while_polls_are_short() {
    with_monitor(1, LIMITS, |monitor, fake| {
        assert!(!monitor.is_unhurried());
        let began = Instant::now();
        let in_time = || began.elapsed() < Duration::from_secs(20);
        while !monitor.is_unhurried() {
            assert!(in_time(), "never happened: unhurried");
            let slice = fake.watches[0].begin_poll();
            assert!(fake.watches[0].end_poll(slice));
        }
        let _long = fake.watches[0].begin_poll();
        eventually("hurry", || !monitor.is_unhurried());
    });
}

#[test]
fn it_sleeps_while_nothing_runs_and_wakes_when_work_starts() {
    with_monitor(1, LIMITS, |monitor, fake| {
        fake.busy.store(false, SeqCst);
        eventually("sleep", || monitor.shared.rest.is_asleep());
        let looks = fake.looks.load(SeqCst);
        thread::sleep(Duration::from_millis(50));
        assert_eq!(fake.looks.load(SeqCst), looks, "it looked while nothing ran");
        fake.busy.store(true, SeqCst);
        monitor.work_started();
        wait_for_looks(fake, 1);
    });
}

#[test]
fn it_sleeps_until_an_event_while_all_are_in_long_polls_and_a_kick_ends_that() {
    let hour = Duration::from_secs(3600);
    let limits = Limits { time_slice: hour, grace: None, ..LIMITS };
    with_monitor(1, limits, |monitor, fake| {
        fake.has_sockets.store(true, SeqCst);
        wait_for_looks(fake, 100);
        assert_eq!(fake.sleeps.load(SeqCst), 0, "the processor will look for events itself");
        let slice = fake.watches[0].begin_poll();
        eventually("a sleep until an event", || fake.sleeps.load(SeqCst) > 0);
        eventually("a kick that finds it asleep", || {
            let sleeps = fake.sleeps.load(SeqCst);
            let is_asleep = monitor.kick(Instant::now()) == Kicked::InNetpoll;
            if is_asleep {
                fake.break_sleep();
                eventually("the next sleep", || fake.sleeps.load(SeqCst) > sleeps);
            }
            is_asleep
        });
        assert!(fake.watches[0].end_poll(slice));
    });
}

#[test]
fn a_poll_that_the_system_does_not_let_run_has_its_slice() {
    let limits = Limits { time_slice: Duration::from_secs(3600), patience: None, ..LIMITS };
    with_monitor(1, limits, |_, fake| {
        fake.starved.store(0, SeqCst);
        let _slice = fake.watches[0].begin_poll();
        *fake.waiting.lock().unwrap() = Waiting::Fresh;
        wait_for_looks(fake, 50);
        assert_eq!(*fake.calls.lock().unwrap(), []);
        fake.starved.store(usize::MAX, SeqCst);
        eventually("request", || !fake.calls.lock().unwrap().is_empty());
    });
}

#[test]
fn a_poll_that_sleeps_is_not_taken_for_one_that_the_system_does_not_let_run() {
    let limits = Limits { time_slice: Duration::from_secs(3600), patience: None, ..LIMITS };
    with_monitor(1, limits, |_, fake| {
        fake.starved.store(0, SeqCst);
        fake.asleep.store(true, SeqCst);
        let _slice = fake.watches[0].begin_poll();
        *fake.waiting.lock().unwrap() = Waiting::Fresh;
        eventually("request", || !fake.calls.lock().unwrap().is_empty());
    });
}

#[test]
fn a_higher_class_interrupts_the_lowest_poll_and_of_these_the_longest() {
    let hour = Duration::from_secs(3600);
    let limits = Limits { time_slice: hour, grace: Some(hour), ..LIMITS };
    with_monitor(4, limits, |_, fake| {
        let begin = |index: usize, priority| {
            fake.watches[index].rank_next_poll(priority);
            let slice = fake.watches[index].begin_poll();
            wait_for_looks(fake, 2);
            slice
        };
        begin(0, Priority::Normal);
        begin(1, Priority::Latency);
        begin(2, Priority::Batch);
        begin(3, Priority::Batch);
        let claim = |fresh| {
            *fake.claims.lock().unwrap() = Claims { fresh, entitled: [true; 3] };
            *fake.waiting.lock().unwrap() = Waiting::Fresh;
        };
        claim([false, false, true]);
        wait_for_looks(fake, 20);
        assert_eq!(*fake.calls.lock().unwrap(), [], "all have a grace of an hour");
        claim([true, false, false]);
        eventually("request", || !fake.calls.lock().unwrap().is_empty());
        wait_for_looks(fake, 20);
        assert_eq!(*fake.calls.lock().unwrap(), [("request", 2)]);
    });
}

#[test]
fn a_higher_class_that_has_had_its_share_waits_for_the_slice() {
    let limits = Limits { time_slice: Duration::from_secs(3600), ..LIMITS };
    with_monitor(1, limits, |_, fake| {
        fake.watches[0].rank_next_poll(Priority::Batch);
        let _slice = fake.watches[0].begin_poll();
        let claims = |entitled| Claims { fresh: [true, false, false], entitled };
        *fake.claims.lock().unwrap() = claims([false, true, true]);
        *fake.waiting.lock().unwrap() = Waiting::Fresh;
        wait_for_looks(fake, 50);
        assert_eq!(*fake.calls.lock().unwrap(), []);
        *fake.claims.lock().unwrap() = claims([true; 3]);
        eventually("request", || !fake.calls.lock().unwrap().is_empty());
    });
}

#[test]
fn a_poll_with_a_time_slice_of_its_own_has_that() {
    let hour = Duration::from_secs(3600);
    let limits = Limits { time_slice: hour, patience: None, ..LIMITS };
    with_monitor(2, limits, |_, fake| {
        fake.watches[1].time_next_poll(Duration::from_millis(1));
        let _polls: Vec<_> = fake.watches.iter().map(Watch::begin_poll).collect();
        *fake.waiting.lock().unwrap() = Waiting::Background;
        eventually("request", || !fake.calls.lock().unwrap().is_empty());
        wait_for_looks(fake, 50);
        assert_eq!(*fake.calls.lock().unwrap(), [("request", 1)]);
    });
}
