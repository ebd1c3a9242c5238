//! Reports of polls that keep others waiting.
//!
//! Goal: a report leads to the guilty line, whatever was done about the poll; code that gives way when
//! it is asked to is not reported; there are never too many. Method: the reports go to a hook.

mod forced_support;

use forced_support::*;
use preempt::runtime::{Backend, Builder, Frame, Handle, Outcome, Stall};
use preempt::task::{self, Preemption, yield_now};
use preempt::time::sleep;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const THRESHOLD: Duration = Duration::from_millis(20);

/// What was reported.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<Stall>>>);

/// On one worker, where others wait all the time: beside a second one that is free nobody need wait, and
/// then nothing is reported.
fn reporting(builder: &mut Builder) -> &mut Builder {
    builder.worker_threads(1).stall_threshold(THRESHOLD)
}

impl Reports {
    fn of(builder: &mut Builder) -> Self {
        let reports = Reports::default();
        let list = reports.clone();
        reporting(builder).on_stall(move |stall| list.lock().push(stall.clone()));
        reports
    }

    fn all(&self) -> Vec<Stall> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Stall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first report of the task of that name, once there is one.
    #[track_caller]
    fn of_task(&self, name: &str) -> Stall {
        self.of_task_that(name, |_| true)
    }

    /// The first with that outcome.
    #[track_caller]
    fn of_task_that(&self, name: &str, has_outcome: fn(Outcome) -> bool) -> Stall {
        let is_of =
            |stall: &&Stall| stall.name.as_deref() == Some(name) && has_outcome(stall.outcome);
        eventually("the task is reported", || self.lock().iter().any(|stall| is_of(&stall)));
        let stall = self.lock().iter().find(is_of).cloned().unwrap();
        println!("{stall}");
        stall
    }
}

/// Waiting, again and again.
fn spawn_ticker(runtime: &preempt::runtime::Runtime) -> Stop {
    let stop = Stop::new();
    let signal = stop.signal();
    runtime.spawn(async move {
        while !signal.is_set() {
            sleep(Duration::from_micros(500)).await;
        }
    });
    stop
}

/// Its lines are those that a report has to name.
#[inline(never)]
fn compute(stop: &Signal) -> u64 {
    let mut sum = 0_u64;
    while !stop.is_set() {
        for i in 0..1_000_u64 {
            sum = black_box(sum.wrapping_mul(31) ^ i);
        }
    }
    sum
}
const COMPUTE_LINES: std::ops::Range<u32> = line!() - 9..line!();

#[preempt::preemptible]
fn compute_politely(stop: &Signal) -> u64 {
    let mut sum = 0_u64;
    while !stop.is_set() {
        for i in 0..1_000_u64 {
            sum = black_box(sum.wrapping_mul(31) ^ i);
        }
    }
    sum
}

fn is_in_compute(frame: &Frame) -> bool {
    frame.file.as_deref().is_some_and(|file| file.ends_with("tests/stall_report.rs"))
        && frame.line.is_some_and(|line| COMPUTE_LINES.contains(&line))
}

#[test]
fn a_hog_that_signals_stop_is_reported_with_its_line() {
    on_each(|builder| {
        let reports = Reports::of(builder);
        let runtime = builder.build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        let (stop, line) = (Stop::new(), line!() + 3);
        for _ in 0..2 {
            let signal = stop.signal();
            let hog = async move { _ = compute(&signal) };
            task::Builder::new().name("hog").spawn_on(hog, runtime.handle()).unwrap();
        }
        // On a busy machine it may lose its worker's place before.
        let is_detached = |outcome| matches!(outcome, Outcome::Detached { signals } if signals > 0);
        let stall = reports.of_task_that("hog", is_detached);
        assert!(stall.ran >= THRESHOLD);
        assert_eq!(stall.spawned_at.unwrap().line(), line + 1);
        let guilty = stall.frames.iter().find(|frame| is_in_compute(frame)).unwrap();
        assert!(guilty.function.as_deref().unwrap().ends_with("compute"));
        assert!(stall.location.unwrap().contains("stall_report.rs:"));
        assert!(stall.remedy.contains("#[preempt::preemptible]"));
        assert_eq!(stall.blocked_in, None);
    });
}

#[test]
fn annotated_code_is_not_reported() {
    on_each(|builder| {
        let reports = Reports::of(builder);
        let runtime = builder.build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        let stop = Stop::new();
        for name in ["polite", "polite", "rude"] {
            let signal = stop.signal();
            let hog = async move {
                if name == "rude" {
                    compute(&signal);
                } else {
                    compute_politely(&signal);
                }
            };
            task::Builder::new().name(name).spawn_on(hog, runtime.handle()).unwrap();
        }
        // By then the others have had as much time.
        reports.of_task("rude");
        let polite =
            reports.all().iter().filter(|stall| stall.name.as_deref() == Some("polite")).count();
        assert_eq!(polite, 0, "{:?}", reports.all());
    });
}

#[test]
fn short_polls_are_not_reported_however_many_there_are() {
    on_each(|builder| {
        let reports = Reports::of(builder);
        let runtime = builder.build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        // Finds out what a slice is: a long poll, if a poll does it.
        work_slices(0);
        let done = runtime.spawn(async {
            let end = Instant::now() + THRESHOLD * 5;
            while Instant::now() < end {
                work_slices(2);
                yield_now().await;
            }
        });
        runtime.block_on(done).unwrap();
        let all = reports.all();
        assert!(all.is_empty(), "{all:?}");
    });
}

fn spawn_rude(runtime: &preempt::runtime::Runtime, stop: &Stop) {
    let signal = stop.signal();
    let hog = async move { _ = compute(&signal) };
    task::Builder::new().name("rude").spawn_on(hog, runtime.handle()).unwrap();
}

#[test]
fn the_trace_of_the_first_one_is_written() {
    on_each(|builder| {
        let name = format!("preempt-stall-{}.json", std::process::id());
        let path = std::env::temp_dir().join(name);
        let reports = Reports::of(builder);
        let runtime = builder.trace_on_stall(&path).build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        let stop = Stop::new();
        spawn_rude(&runtime, &stop);
        reports.of_task("rude");
        // The file is there before it is complete.
        let read = || serde_json::from_str(&std::fs::read_to_string(&path).ok()?).ok();
        eventually("it is written", || {
            read().is_some_and(|trace: serde_json::Value| {
                let events = trace["traceEvents"].as_array().unwrap();
                let names = events.iter().filter_map(|event| event["name"].as_str());
                names.filter(|name| name.starts_with("rude (")).count() > 0
            })
        });
        // That of the next one is not.
        std::fs::remove_file(&path).unwrap();
        let before = reports.all().len();
        eventually("there is another one", || reports.all().len() > before + 1);
        assert!(!path.exists());
    });
}

#[test]
fn the_hook_is_called_in_the_runtime() {
    on_each(|builder| {
        let found = Arc::new(Mutex::new(None));
        let noted = found.clone();
        let builder = reporting(builder).on_stall(move |_| {
            *noted.lock().unwrap() = Some(Handle::current().id());
        });
        let runtime = builder.build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        let stop = Stop::new();
        spawn_rude(&runtime, &stop);
        eventually("it is called", || found.lock().unwrap().is_some());
        assert_eq!(*found.lock().unwrap(), Some(runtime.handle().id()));
    });
}

/// A poll that blocks in that way, until the signal is set.
#[track_caller]
fn is_reported_as_blocked(what: &'static str, remedy: &'static str, block: fn(&Signal)) {
    on_each(move |builder| {
        let reports = Reports::of(builder);
        let runtime = builder.build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        let stop = Stop::new();
        let signal = stop.signal();
        let blocked = async move { block(&signal) };
        task::Builder::new().name("blocked").spawn_on(blocked, runtime.handle()).unwrap();
        let stall = reports.of_task("blocked");
        // With two workers it may be that nobody waits at the moment in which it would be handed off.
        assert!(matches!(stall.outcome, Outcome::HandedOff | Outcome::KeepsWorker), "{stall}");
        assert!(stall.blocked_in.as_deref().unwrap().contains(what), "{stall}");
        assert!(stall.remedy.contains(remedy), "{stall}");
        assert!(stall.location.as_deref().unwrap().contains("stall_report.rs:"), "{stall}");
        drop(stop);
    });
}

#[test]
fn a_sleep_is_named() {
    is_reported_as_blocked("`std::thread::sleep`", "preempt::time::sleep", |stop| {
        while !stop.is_set() {
            thread::sleep(Duration::from_millis(300));
        }
    });
}

#[test]
fn the_lock_of_a_std_mutex_is_named() {
    is_reported_as_blocked("the lock of a `std::sync::Mutex`", "preempt::sync", |stop| {
        let lock = Mutex::new(());
        thread::scope(|scope| {
            let (held, is_held) = std::sync::mpsc::channel();
            let lock = &lock;
            scope.spawn(move || {
                let _guard = lock.lock();
                held.send(()).unwrap();
                while !stop.is_set() {
                    thread::sleep(Duration::from_millis(1));
                }
            });
            is_held.recv().unwrap();
            drop(lock.lock());
        });
    });
}

#[test]
fn the_lock_of_a_parking_lot_mutex_is_named() {
    is_reported_as_blocked("the lock of a `parking_lot::Mutex`", "preempt::sync", |stop| {
        let lock = parking_lot::Mutex::new(());
        thread::scope(|scope| {
            let (held, is_held) = std::sync::mpsc::channel();
            let lock = &lock;
            scope.spawn(move || {
                let _guard = lock.lock();
                held.send(()).unwrap();
                while !stop.is_set() {
                    thread::sleep(Duration::from_millis(1));
                }
            });
            is_held.recv().unwrap();
            drop(lock.lock());
        });
    });
}

#[test]
fn a_system_call_is_named() {
    is_reported_as_blocked("the system call `read`", "spawn_blocking", |stop| {
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors, which are used and closed here.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.is_set() {
                    thread::sleep(Duration::from_millis(1));
                }
                // SAFETY: this end is not used elsewhere.
                unsafe { libc::close(ends[1]) };
            });
            let mut byte = 0_u8;
            // SAFETY: a byte of room.
            assert_eq!(unsafe { libc::read(ends[0], (&raw mut byte).cast(), 1) }, 0);
        });
        // SAFETY: not used any more.
        unsafe { libc::close(ends[0]) };
    });
}

/// The stack of a thread that runs is asked for by a signal.
#[test]
fn a_hog_that_may_not_be_forced_is_reported_while_it_keeps_its_worker() {
    on_each(|builder| {
        let reports = Reports::of(builder);
        let runtime = builder.worker_threads(1).hand_off(false).build().unwrap();
        let stop = Stop::new();
        let signal = stop.signal();
        let hog = async move { _ = compute(&signal) };
        let builder = task::Builder::new().name("hog").preemption(Preemption::Cooperative);
        builder.spawn_on(hog, runtime.handle()).unwrap();
        let _waits = runtime.spawn(async {});
        let stall = reports.of_task("hog");
        assert_eq!(stall.outcome, Outcome::KeepsWorker);
        assert!(stall.frames.iter().any(is_in_compute), "{stall}");
    });
}

#[test]
fn a_hog_that_was_handed_off_and_computes_is_reported() {
    on_each(|builder| {
        let reports = Reports::of(builder);
        let runtime = builder.build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        let stop = Stop::new();
        for _ in 0..2 {
            let signal = stop.signal();
            let hog = async move { preempt::no_preempt(|| _ = compute(&signal)) };
            task::Builder::new().name("hog").spawn_on(hog, runtime.handle()).unwrap();
        }
        let stall = reports.of_task("hog");
        assert_eq!(stall.outcome, Outcome::HandedOff);
        assert!(stall.frames.iter().any(is_in_compute), "{stall}");
    });
}

#[test]
fn many_hogs_are_a_few_reports_and_a_number() {
    on_each(|builder| {
        let reports = Reports::of(builder);
        let start = Instant::now();
        let runtime = builder.build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        let stop = Stop::new();
        for _ in 0..30 {
            let signal = stop.signal();
            runtime.spawn(async move { preempt::no_preempt(|| _ = compute(&signal)) });
        }
        eventually("some were left out", || {
            reports.lock().iter().any(|stall| stall.suppressed > 0)
        });
        let most = (start.elapsed().as_secs() as usize + 2) * 2;
        let count = reports.all().len();
        assert!(count <= most, "{count} reports");
    });
}

#[test]
fn without_reports_there_are_none() {
    on_each(|builder| {
        let reports = Reports::of(builder);
        let runtime = builder.stall_report(false).build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        let done = runtime.spawn(async { work_slices(500) });
        runtime.block_on(done).unwrap();
        assert!(reports.all().is_empty());
    });
}

/// A hook may panic, and may wait for what a suspended poll holds.
#[test]
fn a_hook_that_panics_is_called_again() {
    on_each(|builder| {
        let calls = Count::default();
        let counted = calls.clone();
        reporting(builder).on_stall(move |_| {
            counted.add_one();
            panic!("on purpose");
        });
        let runtime = builder.build().unwrap();
        let _ticker = spawn_ticker(&runtime);
        let stop = Stop::new();
        let signal = stop.signal();
        runtime.spawn(async move { _ = compute(&signal) });
        eventually("it is called twice", || calls.get() >= 2);
    });
}

#[test]
fn a_report_on_standard_error_is_one_message() {
    Child::each_backend(
        "a_report_on_standard_error_is_one_message",
        |backend: Backend| {
            let runtime = builder(backend, 1).stall_threshold(THRESHOLD).build().unwrap();
            let _ticker = spawn_ticker(&runtime);
            let stop = Stop::new();
            let signal = stop.signal();
            let hog = async move { _ = compute(&signal) };
            task::Builder::new().name("hog").spawn_on(hog, runtime.handle()).unwrap();
            thread::sleep(Duration::from_secs(2));
        },
        |child| {
            child.succeeded();
            let text = &child.stderr;
            for part in [
                "preempt: task ",
                "\"hog\" has kept a worker for",
                "spawned at: tests/stall_report.rs:",
                "0: ",
                "compute",
                "remedy: put `#[preempt::preemptible]`",
            ] {
                assert!(text.contains(part), "{part:?} in {text}");
            }
        },
    );
}
