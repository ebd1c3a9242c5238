//! Dumps of where all tasks are.
//!
//! Goal: every task is in the dump with its state, those in the middle of a poll with their stacks,
//! however busy the runtime is; and nothing is lost by looking. Method: hogs that end when they are told
//! to, and dumps from threads, from tasks, during shutdown and by signal.

mod forced_support;

use forced_support::*;
use preempt::runtime::{Backend, DumpedTask, Runtime, TaskDump, TaskState};
use preempt::sync::Notify;
use preempt::task;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

#[inline(never)]
fn compute(stop: &Signal) -> u64 {
    let mut rounds = 0_u64;
    while !stop.is_set() {
        rounds = black_box(rounds + 1);
    }
    rounds
}

#[preempt::preemptible]
fn compute_politely(stop: &Signal) -> u64 {
    let mut rounds = 0_u64;
    while !stop.is_set() {
        rounds = black_box(rounds + 1);
    }
    rounds
}

fn named<'a>(dump: &'a TaskDump, name: &str) -> Vec<&'a DumpedTask> {
    dump.tasks.iter().filter(|task| task.name.as_deref() == Some(name)).collect()
}

fn calls(task: &DumpedTask, function: &str) -> bool {
    task.frames
        .iter()
        .any(|frame| frame.function.as_deref().is_some_and(|name| name.ends_with(function)))
}

/// Eight hogs, four of which have checkpoints; one that sleeps; one that waits.
fn spawn_all(runtime: &preempt::runtime::Runtime, stop: &Stop) -> Arc<Notify> {
    let builder = task::Builder::new();
    for index in 0..8 {
        let signal = stop.signal();
        if index % 2 == 0 {
            let hog = async move { _ = compute(&signal) };
            builder.name("hog").spawn_on(hog, runtime.handle()).unwrap();
        } else {
            let hog = async move { _ = compute_politely(&signal) };
            builder.name("polite hog").spawn_on(hog, runtime.handle()).unwrap();
        }
    }
    let signal = stop.signal();
    let sleeper = async move {
        while !signal.is_set() {
            thread::sleep(Duration::from_millis(100));
        }
    };
    builder.name("sleeper").spawn_on(sleeper, runtime.handle()).unwrap();
    let notify = Arc::new(Notify::new());
    let notified = notify.clone();
    let waits = async move { notified.notified().await };
    builder.name("waits").spawn_on(waits, runtime.handle()).unwrap();
    notify
}

/// A dump that has found everybody: on a busy machine one may be missed, or not have begun.
#[track_caller]
fn after_all_have_begun(runtime: &Runtime) -> TaskDump {
    let mut found = None;
    eventually("all have begun", || {
        let dump = runtime.handle().dump().unwrap();
        found = Some(dump.clone());
        let has_stack =
            |task: &&DumpedTask| calls(task, "compute") || calls(task, "compute_politely");
        dump.tasks.iter().filter(has_stack).count() == 8
            && dump.tasks.iter().any(|task| task.state == TaskState::Detached)
            && named(&dump, "sleeper")[0].blocked_in.is_some()
            && named(&dump, "waits")[0].state == TaskState::Waiting
    });
    found.unwrap()
}

#[test]
fn all_tasks_are_there_beside_eight_hogs() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let stop = Stop::new();
        let _notify = spawn_all(&runtime, &stop);
        let line = line!() - 1;
        let dump = after_all_have_begun(&runtime);
        println!("{dump}");
        assert_eq!(dump.tasks.len(), 10);
        for (name, function, count) in
            [("hog", "compute", 4), ("polite hog", "compute_politely", 4)]
        {
            let hogs = named(&dump, name);
            assert_eq!(hogs.len(), count);
            for hog in hogs {
                assert!(calls(hog, function), "{hog}");
                assert!(matches!(
                    hog.state,
                    TaskState::Running | TaskState::Detached | TaskState::HandedOff
                ));
                assert_eq!(hog.since.is_some(), hog.state == TaskState::Detached);
            }
        }
        let [sleeper] = named(&dump, "sleeper")[..] else { panic!("{dump}") };
        assert!(
            sleeper.blocked_in.as_deref().is_some_and(|what| what.contains("sleep")),
            "{sleeper}"
        );
        let [waits] = named(&dump, "waits")[..] else { panic!("{dump}") };
        assert_eq!((waits.state, waits.frames.len()), (TaskState::Waiting, 0));
        assert!(
            waits.spawned_at.file().ends_with("task_dump.rs") && waits.spawned_at.line() < line
        );
        let text = dump.to_string();
        assert!(
            text.contains("10 tasks, ") && text.contains("\"waits\": waiting, spawned at tests/")
        );
    });
}

#[test]
fn it_is_json_as_well() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let stop = Stop::new();
        let signal = stop.signal();
        let begun = Signal::default();
        let has_begun = begun.clone();
        let hog = async move {
            begun.set();
            compute(&signal);
        };
        task::Builder::new().name("a \"hog\"").spawn_on(hog, runtime.handle()).unwrap();
        has_begun.wait("the hog has begun");
        let json = runtime.handle().dump().unwrap().to_json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let task = &value["tasks"][0];
        assert_eq!(task["name"], "a \"hog\"");
        assert_eq!(task["state"], "running");
        assert!(task["spawned_at"].as_str().unwrap().contains("task_dump.rs:"));
        let frames = task["frames"].as_array().unwrap();
        let is_compute = |frame: &serde_json::Value| {
            frame["function"].as_str().is_some_and(|name| name.ends_with("compute"))
        };
        assert!(frames.iter().any(|frame| is_compute(frame) && frame["line"].is_u64()), "{json}");
    });
}

#[test]
fn a_task_may_ask_for_it() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let stop = Stop::new();
        let _notify = spawn_all(&runtime, &stop);
        let handle = runtime.handle().clone();
        let asks = async move { handle.dump().unwrap() };
        let task = task::Builder::new().name("asks").spawn_on(asks, runtime.handle()).unwrap();
        let dump = runtime.block_on(task).unwrap();
        assert_eq!(dump.tasks.len(), 11);
        assert!(!named(&dump, "asks")[0].frames.is_empty(), "{dump}");
    });
}

/// Each hog counts for itself: a poll that got lost would not end, one that was resumed twice would
/// not be right.
#[test]
fn dumps_disturb_nobody() {
    on_each(|builder| {
        let runtime = builder.stall_report(false).build().unwrap();
        let stop = Stop::new();
        let hogs: Vec<_> = (0..8)
            .map(|_| {
                let signal = stop.signal();
                runtime.spawn(async move {
                    let mut numbers = vec![0_u64; 1000];
                    let mut rounds = 0_u64;
                    while !signal.is_set() {
                        numbers.iter_mut().for_each(|number| *number += 1);
                        rounds += 1;
                    }
                    numbers.iter().all(|&number| number == rounds)
                })
            })
            .collect();
        for _ in 0..20 {
            assert!(runtime.handle().dump().unwrap().tasks.len() == 8);
        }
        stop.stop();
        for hog in hogs {
            assert!(runtime.block_on(hog).unwrap());
        }
    });
}

/// A machine that leaves must not overlook a poll that somebody looks at.
#[test]
fn a_dump_during_shutdown_loses_no_poll() {
    on_each(|builder| {
        for _ in 0..5 {
            let runtime = builder.build().unwrap();
            let (begun, ended) = (Count::default(), Count::default());
            let stop = Stop::new();
            for _ in 0..6 {
                let (signal, begun, ended) = (stop.signal(), begun.clone(), ended.clone());
                runtime.spawn(async move {
                    begun.add_one();
                    compute(&signal);
                    ended.add_one();
                });
            }
            // One that is detached need not have begun: a signal may come ahead of its first
            // instruction, and then the shutdown cancels it.
            eventually("some are detached", || runtime.metrics().detached_polls >= 3);
            let handle = runtime.handle().clone();
            let dumps = thread::spawn(move || {
                for _ in 0..10 {
                    drop(handle.dump().unwrap());
                }
            });
            let ends = thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                stop.stop();
            });
            runtime.shutdown_timeout(LIMIT);
            assert_eq!(ended.get(), begun.get(), "of the polls that have begun");
            ends.join().unwrap();
            dumps.join().unwrap();
        }
    });
}

/// What this process prints on standard error goes to a pipe first.
struct StandardError {
    pipe: std::io::PipeReader,
    original: File,
}

impl StandardError {
    fn catch() -> Self {
        let (pipe, writer) = std::io::pipe().unwrap();
        let original = File::from(std::io::stderr().as_fd().try_clone_to_owned().unwrap());
        // SAFETY: both are open.
        assert_eq!(unsafe { libc::dup2(writer.as_raw_fd(), libc::STDERR_FILENO) }, 2);
        StandardError { pipe, original }
    }

    /// Waits for a text, and prints everything up to it after all.
    fn pass_on_until(mut self, text: &str) {
        let mut printed = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&printed).contains(text) {
            let count = self.pipe.read(&mut buffer).unwrap();
            printed.extend_from_slice(&buffer[..count]);
        }
        self.original.write_all(&printed).unwrap();
        // SAFETY: both are open.
        assert_eq!(unsafe { libc::dup2(self.original.as_raw_fd(), libc::STDERR_FILENO) }, 2);
    }
}

#[test]
fn the_signal_for_quitting_shows_it() {
    Child::each_backend(
        "the_signal_for_quitting_shows_it",
        |backend: Backend| {
            let runtime = builder(backend, 2).dump_on_sigquit(true).stall_report(false).build();
            let runtime = runtime.unwrap();
            let stop = Stop::new();
            let _notify = spawn_all(&runtime, &stop);
            after_all_have_begun(&runtime);
            let printed = StandardError::catch();
            // SAFETY: a signal to this process, which handles it.
            unsafe { libc::kill(libc::getpid(), libc::SIGQUIT) };
            printed.pass_on_until("\"waits\": waiting");
            stop.stop();
            drop(runtime);
        },
        |child| {
            child.succeeded();
            let text = &child.stderr;
            for part in
                ["preempt: 10 tasks, ", "\"hog\": ", "compute_politely", "\"waits\": waiting"]
            {
                assert!(text.contains(part), "{part:?} in {text}");
            }
        },
    );
}
