//! Goal: what belongs to the whole process keeps working under a storm of preemptions: child
//! processes, standard output, the allocator; and running out of threads or memory for them
//! degrades to letting polls run.
//! Method: child processes whose output is compared, or whose limits are lowered.

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use preempt::runtime::Backend;
use preempt::task::{self, JoinSet};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

#[test]
fn child_processes_are_started_under_a_storm() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        runtime.block_on(async {
            let stop = Stop::new();
            for _ in 0..2 {
                let stop = stop.signal();
                preempt::spawn(async move { stop.spin() });
            }
            let mut tasks = JoinSet::new();
            for task in 0..4 {
                tasks.spawn(async move {
                    for round in 0..5 {
                        work_slices(2);
                        let text = format!("{task} {round}");
                        let mut command = Command::new("/bin/echo");
                        command.arg(&text);
                        if round % 2 == 1 {
                            // A closure makes std use fork and exec in place of posix_spawn.
                            // SAFETY: it does nothing.
                            unsafe { command.pre_exec(|| Ok(())) };
                        }
                        let output = command.output().unwrap();
                        assert!(output.status.success(), "{:?}", output.status);
                        assert_eq!(String::from_utf8(output.stdout).unwrap(), text + "\n");
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
        });
        assert!(runtime.metrics().detaches > 0);
    });
}

#[test]
fn lines_are_whole_and_malloc_goes_on() {
    const TASKS: usize = 6;
    const LINES: usize = 100;
    // Nothing else that is printed contains the beginning.
    const BEGIN: &str = "[#";
    let line =
        |task: usize, number: usize| format!("{BEGIN}{task}:{number}:{}]", "x".repeat(task * 20));
    Child::each_backend(
        "lines_are_whole_and_malloc_goes_on",
        |backend| {
            let runtime = builder(backend, 2).build().unwrap();
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for task in 0..TASKS {
                    tasks.spawn(async move {
                        for number in 0..LINES {
                            let text = line(task, number);
                            println!("{text}");
                            eprintln!("{text}");
                            // Between the lines too: what is in libc is refused.
                            work_slices(1);
                            let mut map = BTreeMap::new();
                            for key in 0..200_usize {
                                map.insert(key, vec![key; key % 50]);
                            }
                            assert!(map.iter().all(|(key, value)| value.len() == key % 50));
                        }
                    });
                }
                while let Some(ended) = tasks.join_next().await {
                    ended.unwrap();
                }
            });
            assert!(runtime.metrics().detaches > 0);
        },
        |child| {
            child.succeeded();
            for output in [&child.stdout, &child.stderr] {
                let mut numbers = [0; TASKS];
                // The harness writes without ending its line first, and reports of stalls stand between
                // lines, or before the end of one, which std writes by itself.
                let lines =
                    output.lines().filter_map(|line| line.find(BEGIN).map(|at| &line[at..]));
                for found in lines {
                    let task = found[BEGIN.len()..].split(':').next().unwrap();
                    let task: usize = task.parse().unwrap();
                    let rest = found.strip_prefix(&line(task, numbers[task]));
                    let is_whole =
                        rest.is_some_and(|it| it.is_empty() || it.starts_with("preempt: "));
                    assert!(is_whole, "{found}");
                    numbers[task] += 1;
                }
                assert_eq!(numbers, [LINES; TASKS]);
            }
        },
    );
}

// ---- no more threads ----

const SKIPPED: &str = "skipped: the limit on threads has no effect here";

/// From now on the process can make no thread. `false`: it still can.
fn forbid_threads() -> bool {
    /// A user that has no other processes.
    const NOBODY_ELSE: u32 = 54_321;
    // SAFETY: numbers only. Root is not limited, so root becomes another user; others stay.
    unsafe {
        if libc::geteuid() == 0 && libc::setuid(NOBODY_ELSE) != 0 {
            return false;
        }
        let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
        libc::setrlimit(libc::RLIMIT_NPROC, &limit);
    }
    thread::Builder::new().spawn(|| {}).is_err()
}

/// From now on there is no memory for another stack.
fn forbid_stacks() -> bool {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    let bytes = pages * 4096 + (1 << 20);
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: numbers only.
    unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) };
    thread::Builder::new().stack_size(2 << 20).spawn(|| {}).is_err()
}

/// More hogs than there are spare fibers, and polls that block with their processors.
fn everything_still_runs(backend: Backend, forbid: fn() -> bool) {
    let runtime = builder(backend, 1).build().unwrap();
    let warmed_up = runtime.spawn(async { work_slices(1) });
    runtime.block_on(warmed_up).unwrap();
    if !forbid() {
        println!("{SKIPPED}");
        return;
    }
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..12 {
            tasks.spawn(async move {
                for _ in 0..5 {
                    work_slices(10);
                    if task % 3 == 0 {
                        thread::sleep(Duration::from_millis(2));
                    }
                    preempt::task::yield_now().await;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}

fn it_is_reported_once(child: &Child) {
    child.succeeded();
    if child.stdout.contains(SKIPPED) {
        println!("{SKIPPED}");
        return;
    }
    let reports = child.stderr.lines().filter(|line| line.contains("no thread to preempt")).count();
    assert_eq!(reports, 1, "{}", child.describe());
}

#[test]
fn without_further_threads_polls_run_to_their_ends() {
    Child::each_backend(
        "without_further_threads_polls_run_to_their_ends",
        |backend| everything_still_runs(backend, forbid_threads),
        |child| it_is_reported_once(&child),
    );
}

#[test]
fn without_memory_for_stacks_polls_run_to_their_ends() {
    Child::each_backend(
        "without_memory_for_stacks_polls_run_to_their_ends",
        |backend| everything_still_runs(backend, forbid_stacks),
        |child| it_is_reported_once(&child),
    );
}

#[test]
fn without_any_thread_a_runtime_is_not_built() {
    Child::each_backend(
        "without_any_thread_a_runtime_is_not_built",
        |backend| {
            if forbid_threads() {
                let error = builder(backend, 2).build().expect_err("there are no threads");
                println!("the error: {error}");
            } else {
                println!("{SKIPPED}");
            }
        },
        |child| child.succeeded(),
    );
}

#[test]
fn without_any_thread_blocking_work_is_refused() {
    Child::each_backend(
        "without_any_thread_blocking_work_is_refused",
        |backend| {
            let runtime = builder(backend, 1).build().unwrap();
            if !forbid_threads() {
                println!("{SKIPPED}");
                return;
            }
            let drops = Count::default();
            let counts = CountsDrop(drops.clone());
            let refused = task::Builder::new().spawn_blocking_on(|| drop(counts), runtime.handle());
            assert!(refused.is_err());
            assert_eq!(drops.get(), 1);
            let message = panic_message(|| drop(runtime.spawn_blocking(|| ())));
            assert!(message.contains("the system gives none"), "{message}");
            runtime.block_on(async {
                let error = preempt::fs::read("/proc/self/stat").await.unwrap_err();
                assert!(error.to_string().contains("needs a thread"), "{error}");
            });
            // Nothing is left that could not be waited for.
            drop(runtime);
        },
        |child| child.succeeded(),
    );
}
