//! Goal: what ends a task, a runtime or the process ends it in the same way after a poll was
//! suspended: panics, stack overflow, shutdown, nested runtimes.
//! Method: polls that are provably suspended (`Others`), then the fault.

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use preempt::runtime::Builder;
use preempt::task::{JoinSet, block_in_place};
use std::backtrace::Backtrace;
use std::future::pending;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::Duration;

// ---- stack overflow ----

#[test]
fn a_stack_overflow_after_resuming_reports_itself() {
    Child::each_backend(
        "a_stack_overflow_after_resuming_reports_itself",
        |backend| {
            #[inline(never)]
            fn recurse(depth: u64) -> u64 {
                let frame = black_box([depth; 64]);
                if depth == u64::MAX { 0 } else { recurse(depth + 1) + black_box(&frame)[0] }
            }
            let runtime = builder(backend, 1).hand_off(false).build().unwrap();
            let others = Others::spawn(runtime.handle());
            let their = others.others();
            let task = runtime.spawn(async move {
                their.spin_until_resumed();
                eprintln!("was resumed");
                recurse(0)
            });
            let _never = runtime.block_on(task);
        },
        |child| {
            let text = &child.stderr;
            assert!(text.contains("was resumed"), "{}", child.describe());
            assert!(text.contains("has overflowed its stack"), "{}", child.describe());
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(child.status.signal(), Some(libc::SIGABRT), "{}", child.describe());
        },
    );
}

// ---- panics ----

#[test]
fn a_panic_after_resuming_is_the_tasks_own() {
    on_one_processor(|runtime| {
        let others = Others::spawn(runtime.handle());
        for round in 0..10 {
            let their = others.others();
            let task = runtime.spawn(async move {
                their.spin_until_resumed();
                if round < 100 {
                    panic!("after resuming {round}");
                }
            });
            let error = runtime.block_on(task).unwrap_err();
            assert!(error.is_panic());
            assert_eq!(text_of(&*error.into_panic()), format!("after resuming {round}"));
        }
    });
}

#[test]
fn a_panic_is_caught_across_suspensions() {
    on_one_processor(|runtime| {
        let others = Others::spawn(runtime.handle());
        let their = others.others();
        let task = runtime.spawn(async move {
            for round in 0..10 {
                let payload = catch_unwind(|| {
                    their.spin_until_resumed();
                    assert!(!thread::panicking());
                    if round % 2 == 0 {
                        panic!("round {round}");
                    }
                    resume_unwind(Box::new(format!("round {round}")));
                });
                their.spin_until_resumed();
                assert_eq!(text_of(&*payload.unwrap_err()), format!("round {round}"));
            }
        });
        runtime.block_on(task).unwrap();
    });
}

/// Several tasks at a time are suspended in the middle of their own unwinding, in a destructor, and
/// unwind and catch in there once more. Without the panic hook: it holds a lock of std, and what
/// waits for a lock needs hand-off.
#[test]
fn tasks_are_suspended_while_they_unwind() {
    struct SpinsInDrop(Others);
    impl Drop for SpinsInDrop {
        fn drop(&mut self) {
            assert!(thread::panicking());
            self.0.spin_until_resumed();
            assert!(thread::panicking(), "the fiber's own count of panics");
            let inner = catch_unwind(AssertUnwindSafe(|| {
                self.0.spin_until_resumed();
                resume_unwind(Box::new("in the destructor"));
            }));
            assert_eq!(text_of(&*inner.unwrap_err()), "in the destructor");
            self.0.spin_until_resumed();
            assert!(thread::panicking());
        }
    }
    on_one_processor(|runtime| {
        let others = Others::spawn(runtime.handle());
        let tasks: Vec<_> = (0..6)
            .map(|number| {
                let their = others.others();
                runtime.spawn(async move {
                    let _in_drop = SpinsInDrop(their.clone());
                    their.spin_until_resumed();
                    resume_unwind(Box::new(format!("task {number}")));
                })
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            let error = runtime.block_on(task).unwrap_err();
            assert_eq!(text_of(&*error.into_panic()), format!("task {number}"));
        }
    });
}

/// As above, with the hook and its lock, and with a checkpoint of no kind.
#[test]
fn tasks_panic_while_others_unwind() {
    struct WorksInDrop;
    impl Drop for WorksInDrop {
        fn drop(&mut self) {
            assert!(thread::panicking());
            work_slices(3);
            let inner = catch_unwind(|| {
                work_slices(1);
                panic!("in the destructor");
            });
            assert_eq!(text_of(&*inner.unwrap_err()), "in the destructor");
            work_slices(3);
            assert!(thread::panicking());
        }
    }
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let tasks: Vec<_> = (0..12)
            .map(|number| {
                runtime.spawn(async move {
                    let _in_drop = WorksInDrop;
                    work_slices(2);
                    if number < 100 {
                        panic!("task {number}");
                    }
                })
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            let error = runtime.block_on(task).unwrap_err();
            assert_eq!(text_of(&*error.into_panic()), format!("task {number}"));
        }
        assert!(runtime.metrics().detaches > 0);
    });
}

/// The hook runs under a lock of std, and so do backtraces.
#[test]
fn panics_with_a_slow_hook_and_backtraces() {
    Child::each_backend(
        "panics_with_a_slow_hook_and_backtraces",
        |backend| {
            std::panic::set_hook(Box::new(|_| work_slices(5)));
            let runtime = builder(backend, 2).build().unwrap();
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for number in 0..8 {
                    tasks.spawn(async move {
                        for _ in 0..10 {
                            let caught = catch_unwind(|| panic!("{number}"));
                            assert_eq!(text_of(&*caught.unwrap_err()), number.to_string());
                            let frames = Backtrace::force_capture().to_string();
                            assert!(!frames.is_empty());
                        }
                        panic!("the end of {number}");
                    });
                }
                while let Some(ended) = tasks.join_next().await {
                    let text = text_of(&*ended.unwrap_err().into_panic());
                    assert!(text.starts_with("the end of"), "{text}");
                }
            });
            assert!(runtime.metrics().detaches > 0);
        },
        |child| child.succeeded(),
    );
}

// ---- shutdown ----

/// What the documentation of `Runtime` says: futures of tasks that wait are dropped, polls that do
/// not end go on until they do. Nothing is left after that.
#[test]
fn a_runtime_is_dropped_with_suspended_polls() {
    let _serial = serial();
    for &backend in backends() {
        for round in 0..20 {
            within(LIMIT, move || {
                const WAITING: usize = 5;
                const HOGS: usize = 6;
                let threads_before = threads();
                let runtime = builder(backend, 1 + round % 2).build().unwrap();
                assert!(threads() > threads_before);
                let (dropped, hogs_dropped) = (Count::default(), Count::default());
                for _ in 0..WAITING {
                    let dropped = CountsDrop(dropped.clone());
                    runtime.spawn(async move {
                        let _dropped = dropped;
                        pending::<()>().await;
                    });
                }
                let (stop, started) = (Stop::new(), Count::default());
                for _ in 0..HOGS {
                    let (stop, dropped) = (stop.signal(), CountsDrop(hogs_dropped.clone()));
                    let started = started.clone();
                    runtime.spawn(async move {
                        let _dropped = dropped;
                        started.add_one();
                        stop.spin();
                    });
                }
                eventually("all polls have begun", || started.get() == HOGS);
                eventually("polls are suspended", || runtime.metrics().detached_polls > 1);
                let handle = runtime.handle().clone();
                match round % 3 {
                    0 => runtime.shutdown_background(),
                    1 => runtime.shutdown_timeout(Duration::from_millis(20)),
                    _ => drop(runtime),
                }
                assert_eq!(dropped.get(), WAITING, "tasks that wait");
                assert_eq!(hogs_dropped.get(), 0, "polls that have not ended");
                let late = handle.spawn(async {});
                drop(stop);
                eventually("the polls end", || hogs_dropped.get() == HOGS);
                assert!(block_on(late).unwrap_err().is_cancelled());
                eventually("all threads end", || threads() <= threads_before);
            });
        }
        within(LIMIT, becomes_quiet);
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Suspended polls that end in time are waited for.
#[test]
fn a_drop_waits_for_suspended_polls_that_end() {
    let _serial = serial();
    for &backend in backends() {
        for _ in 0..20 {
            within(LIMIT, move || {
                let runtime = builder(backend, 2).build().unwrap();
                let (started, ended) = (Count::default(), Count::default());
                for _ in 0..6 {
                    let (started, ended) = (started.clone(), ended.clone());
                    runtime.spawn(async move {
                        started.add_one();
                        work_slices(10);
                        ended.add_one();
                    });
                }
                eventually("all have started", || started.get() == 6);
                runtime.shutdown_timeout(LIMIT);
                assert_eq!(ended.get(), 6);
            });
        }
    }
}

// ---- runtimes inside of runtimes ----

#[test]
fn two_runtimes_with_hogs_side_by_side() {
    on_each(|builder| {
        let runtimes = [builder.build().unwrap(), builder.build().unwrap()];
        let stop = Stop::new();
        for runtime in &runtimes {
            for _ in 0..3 {
                let stop = stop.signal();
                runtime.spawn(async move { stop.spin() });
            }
        }
        for runtime in &runtimes {
            let other = Others::spawn(runtime.handle());
            let their = other.others();
            eventually("its other tasks run", || their.polls() > 100);
            eventually("its hogs are suspended", || runtime.metrics().detaches > 3);
        }
    });
}

#[test]
fn a_task_blocks_on_another_runtime() {
    on_each(|builder| {
        let outer = builder.build().unwrap();
        let inner = builder.build().unwrap();
        let stop = Stop::new();
        for runtime in [&outer, &inner] {
            let stop = stop.signal();
            runtime.spawn(async move { stop.spin() });
        }
        let handle = inner.handle().clone();
        let tasks: Vec<_> = (0..6)
            .map(|number| {
                let handle = handle.clone();
                outer.spawn(async move {
                    let mut sum = 0;
                    for _ in 0..10 {
                        work_slices(1);
                        sum += block_in_place(|| {
                            work_slices(1);
                            let task = handle.spawn(async move {
                                work_slices(2);
                                number
                            });
                            handle.block_on(task).unwrap()
                        });
                        preempt::task::yield_now().await;
                    }
                    sum
                })
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(outer.block_on(task).unwrap(), number * 10);
        }
    });
}

#[test]
fn a_current_thread_runtime_inside_of_a_task() {
    on_each(|builder| {
        let outer = builder.build().unwrap();
        let tasks: Vec<_> = (0..6)
            .map(|number| {
                outer.spawn(async move {
                    block_in_place(|| {
                        let inner = Builder::new_current_thread().build().unwrap();
                        inner.block_on(async move {
                            let task = preempt::spawn(async move {
                                work_slices(3);
                                preempt::time::sleep(Duration::from_micros(100)).await;
                                work_slices(3);
                                number
                            });
                            work_slices(3);
                            task.await.unwrap()
                        })
                    })
                })
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(outer.block_on(task).unwrap(), number);
        }
    });
}
