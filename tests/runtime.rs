//! Goal: a runtime is what its builder says, and each way into it does what tokio's does.
//! Method: small runtimes, one per test; what needs its own environment variables runs this test
//! program again.

mod support;

use preempt::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use preempt::task::{block_in_place, spawn_blocking, yield_now};
use preempt::time::{Duration, sleep};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use support::*;

// ---- building ----

#[test]
fn flavors_are_told() {
    assert_eq!(multi_thread(1).handle().runtime_flavor(), RuntimeFlavor::MultiThread);
    assert_eq!(current_thread().handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
}

#[test]
fn there_are_as_many_processors_as_asked_for() {
    for workers in [1, 2, 7] {
        let metrics = multi_thread(workers).metrics();
        assert_eq!((metrics.processors, metrics.machine_threads), (workers, workers));
    }
    let metrics = current_thread().metrics();
    assert_eq!((metrics.processors, metrics.machine_threads), (1, 0));
}

/// Runs one test of this program again, with `PREEMPT_WORKERS` set.
fn again_with_workers(test: &str, workers: &str) -> bool {
    let itself = std::env::current_exe().expect("this program");
    let output = Command::new(itself)
        .args(["--exact", test, "--ignored"])
        .env("PREEMPT_WORKERS", workers)
        .output()
        .expect("this program runs again");
    assert!(String::from_utf8_lossy(&output.stdout).contains("running 1 test"), "no test {test}");
    output.status.success()
}

#[test]
#[ignore = "run by `the_variable_sets_the_number_of_processors`, with the variable set"]
fn with_the_variable_set_to_3() {
    assert_eq!(Runtime::new().unwrap().metrics().processors, 3);
    assert_eq!(multi_thread(2).metrics().processors, 2, "what the builder says counts more");
    assert_eq!(current_thread().metrics().processors, 1);
}

#[test]
fn the_variable_sets_the_number_of_processors() {
    assert!(again_with_workers("with_the_variable_set_to_3", "3"));
    assert!(again_with_workers("with_the_variable_set_to_3", " 3 "));
    assert!(!again_with_workers("with_the_variable_set_to_3", "4"));
}

#[test]
#[ignore = "run by `a_bad_variable_is_an_error_that_names_it`, with the variable set"]
fn with_the_variable_set_badly() {
    let error = Runtime::new().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let message = error.to_string();
    assert!(message.contains("PREEMPT_WORKERS") && message.contains("from 1 to"), "{message}");
    let variable = std::env::var("PREEMPT_WORKERS").unwrap();
    assert!(message.contains(&variable), "{message}");
    assert_eq!(multi_thread(2).metrics().processors, 2, "nobody asked the variable");
}

#[test]
fn a_bad_variable_is_an_error_that_names_it() {
    for bad in ["0", "-1", "two", "1.5", "99999999999999999999"] {
        assert!(again_with_workers("with_the_variable_set_badly", bad), "{bad}");
    }
}

#[test]
fn threads_have_their_name_and_their_stack() {
    within(LIMIT, || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("named")
            .thread_stack_size(16 << 20)
            .build()
            .unwrap();
        /// Uses a quarter of a megabyte for each level, or twice that.
        fn deep(levels: u32) -> u32 {
            let room = std::hint::black_box([0_u8; 1 << 18]);
            if levels == 0 { u32::from(room[7]) } else { 1 + deep(levels - 1) }
        }
        let task = runtime.spawn(async { (thread::current().name().map(str::to_owned), deep(10)) });
        assert_eq!(runtime.block_on(task).unwrap(), (Some("named".to_owned()), 10));
        let closure = runtime.spawn_blocking(|| deep(10));
        assert_eq!(runtime.block_on(closure).unwrap(), 10);
    });
}

#[test]
fn hooks_run_on_every_thread_first_and_last() {
    within(LIMIT, || {
        type Threads = Arc<Mutex<Vec<thread::ThreadId>>>;
        let (started, stopped) = (Threads::default(), Threads::default());
        let (starts, stops) = (started.clone(), stopped.clone());
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .on_thread_start(move || starts.lock().unwrap().push(thread::current().id()))
            .on_thread_stop(move || stops.lock().unwrap().push(thread::current().id()))
            .build()
            .unwrap();
        let seen = started.clone();
        let task = runtime.spawn(async move {
            assert!(seen.lock().unwrap().contains(&thread::current().id()));
            let (seen, on_task) = (seen.clone(), thread::current().id());
            spawn_blocking(move || {
                assert!(seen.lock().unwrap().contains(&thread::current().id()));
                assert_ne!(thread::current().id(), on_task);
            })
            .await
            .unwrap();
        });
        runtime.block_on(task).unwrap();
        assert!(stopped.lock().unwrap().is_empty());
        drop(runtime);
        let threads = |list: &Threads| list.lock().unwrap().iter().copied().collect::<HashSet<_>>();
        assert_eq!(threads(&started).len(), 3, "two machines and a thread for blocking work");
        assert_eq!(threads(&started), threads(&stopped), "when drop returns, all have stopped");
        assert_eq!(stopped.lock().unwrap().len(), 3, "each once");
    });
}

// ---- block_on ----

#[test]
fn block_on_returns_the_output_of_a_future_that_need_not_be_send() {
    within(LIMIT, || {
        for runtime in [multi_thread(1), current_thread()] {
            let borrowed = std::cell::Cell::new(1);
            let output = runtime.block_on(async {
                borrowed.set(2);
                yield_now().await;
                sleep(Duration::from_millis(1)).await;
                runtime.spawn(async {}).await.unwrap();
                std::rc::Rc::new(7)
            });
            assert_eq!((*output, borrowed.get()), (7, 2));
        }
    });
}

#[test]
fn a_panic_in_block_on_is_the_callers_and_the_runtime_goes_on() {
    within(LIMIT, || {
        for runtime in [multi_thread(1), current_thread()] {
            for _ in 0..5 {
                let message = panic_message(|| runtime.block_on(async { panic!("on purpose") }));
                assert_eq!(message, "on purpose");
                let message = panic_message(|| {
                    runtime.block_on(async {
                        yield_now().await;
                        panic!("later")
                    });
                });
                assert_eq!(message, "later");
                assert_eq!(
                    runtime.block_on(async { preempt::spawn(async { 7 }).await.unwrap() }),
                    7
                );
                runtime.block_on(async { sleep(Duration::from_micros(10)).await });
            }
        }
    });
}

#[test]
fn several_threads_in_block_on_at_once() {
    within(LIMIT, || {
        for runtime in [multi_thread(2), current_thread()] {
            thread::scope(|scope| {
                for thread in 0..4_u64 {
                    let runtime = &runtime;
                    scope.spawn(move || {
                        for round in 0..50_u64 {
                            let sum = runtime.block_on(async move {
                                let one = preempt::spawn(async move {
                                    yield_now().await;
                                    thread
                                });
                                sleep(Duration::from_micros(50)).await;
                                let two = preempt::spawn(async move { round });
                                one.await.unwrap() + two.await.unwrap()
                            });
                            assert_eq!(sum, thread + round);
                        }
                    });
                }
            });
        }
    });
}

#[test]
fn handle_block_on_runs_on_a_multi_thread_runtime() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let handle = runtime.handle().clone();
        let outside = thread::spawn(move || {
            handle.block_on(async {
                sleep(Duration::from_millis(1)).await;
                preempt::spawn(async { 7 }).await.unwrap()
            })
        });
        assert_eq!(outside.join().unwrap(), 7);
    });
}

// ---- current_thread ----

#[test]
fn current_thread_tasks_run_only_in_block_on_and_on_its_thread() {
    within(LIMIT, || {
        let runtime = current_thread();
        let task = runtime.spawn(async {
            yield_now().await;
            thread::current().id()
        });
        thread::sleep(Duration::from_millis(5));
        assert!(!task.is_finished());
        // `Handle::block_on` runs no tasks.
        let handle = runtime.handle().clone();
        thread::spawn(move || handle.block_on(yield_now())).join().unwrap();
        assert!(!task.is_finished());
        assert_eq!(runtime.block_on(task).unwrap(), thread::current().id());
    });
}

#[test]
fn current_thread_tasks_stay_where_they_are_between_two_block_ons() {
    within(LIMIT, || {
        let runtime = current_thread();
        let count = Count::default();
        let counted = count.clone();
        let stop = Stop::new();
        let ends = stop.signal();
        let task = runtime.spawn(async move {
            while !ends.is_set() {
                counted.add_one();
                yield_now().await;
            }
        });
        for _ in 0..10 {
            let before = count.get();
            runtime.block_on(async {
                while count.get() < before + 3 {
                    yield_now().await;
                }
            });
            let after = count.get();
            thread::sleep(Duration::from_millis(1));
            assert_eq!(count.get(), after, "nobody is in `block_on`");
        }
        stop.stop();
        runtime.block_on(task).unwrap();
    });
}

/// A task that was spawned while nobody was in `block_on` wakes nobody, and must not keep later
/// ones from doing so.
#[test]
fn a_current_thread_runtime_wakes_up_for_tasks_from_outside() {
    within(LIMIT, || {
        let runtime = current_thread();
        let early = runtime.spawn(async {});
        let handle = runtime.handle().clone();
        let (sender, receiver) = futures::channel::oneshot::channel();
        let asleep = Signal::default();
        let sleeps = asleep.clone();
        let outside = thread::spawn(move || {
            sleeps.wait("the runtime is about to sleep");
            thread::sleep(Duration::from_millis(20));
            handle.spawn(async move { sender.send(7).unwrap() });
        });
        let answer = runtime.block_on(async {
            early.await.unwrap();
            asleep.set();
            receiver.await.unwrap()
        });
        assert_eq!(answer, 7);
        outside.join().unwrap();
    });
}

/// The thread that runs the tasks leaves; another one that waits goes on with them.
#[test]
fn the_next_thread_in_block_on_goes_on_with_the_tasks() {
    within(LIMIT, || {
        for _ in 0..100 {
            let runtime = Arc::new(current_thread());
            let (go, first_is_in) = (Signal::default(), Signal::default());
            let (goes, is_in) = (go.clone(), first_is_in.clone());
            // Held by the first thread's seat until it leaves.
            let first = thread::spawn({
                let runtime = runtime.clone();
                move || {
                    runtime.block_on(async move {
                        is_in.set();
                        while !goes.is_set() {
                            yield_now().await;
                        }
                    });
                }
            });
            first_is_in.wait("the first thread has the seat");
            let second = thread::spawn({
                let runtime = runtime.clone();
                move || {
                    runtime.block_on(async {
                        for _ in 0..3 {
                            preempt::spawn(sleep(Duration::from_micros(20))).await.unwrap();
                        }
                    });
                }
            });
            go.set();
            first.join().unwrap();
            second.join().unwrap();
        }
    });
}

#[test]
fn block_in_place_is_refused_where_nobody_could_go_on() {
    within(LIMIT, || {
        let runtime = current_thread();
        let message = runtime.block_on(async {
            preempt::spawn(async { panic_message(|| block_in_place(|| ())) }).await.unwrap()
        });
        assert!(
            message.contains("current-thread") && message.contains("spawn_blocking"),
            "{message}"
        );
    });
}

// ---- contexts ----

#[test]
fn enter_guards_nest() {
    within(LIMIT, || {
        let (outer, inner) = (multi_thread(1), current_thread());
        assert!(Handle::try_current().is_err());
        {
            let _outer = outer.enter();
            assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
            {
                let _inner = inner.enter();
                assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
            }
            assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
            assert_eq!(outer.block_on(preempt::spawn(async { 7 })).unwrap(), 7);
        }
        assert!(Handle::try_current().is_err());
    });
}

#[test]
fn every_place_of_a_runtime_has_its_context() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let flavor = || Handle::current().runtime_flavor();
        let expected = RuntimeFlavor::MultiThread;
        assert_eq!(runtime.block_on(async { flavor() }), expected);
        assert_eq!(
            runtime.block_on(async move { preempt::spawn(async move { flavor() }).await }).unwrap(),
            expected
        );
        assert_eq!(
            runtime.block_on(async move { spawn_blocking(flavor).await }).unwrap(),
            expected
        );
        let nested = runtime.spawn(async move { block_in_place(flavor) });
        assert_eq!(runtime.block_on(nested).unwrap(), expected);
        assert!(Handle::try_current().is_err(), "and nobody else does");
        let panicked =
            catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { panic!("on purpose") })));
        assert!(panicked.is_err());
        assert!(Handle::try_current().is_err(), "also after a panic");
    });
}

#[test]
fn block_on_is_allowed_in_block_in_place_and_in_blocking_closures() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let other = Arc::new(multi_thread(1));
        let inner = other.clone();
        let place = runtime.spawn(async move { block_in_place(|| inner.block_on(async { 1 })) });
        assert_eq!(runtime.block_on(place).unwrap(), 1);
        let inner = other.clone();
        let closure = runtime.spawn_blocking(move || inner.block_on(async { 2 }));
        assert_eq!(runtime.block_on(closure).unwrap(), 2);
        assert_eq!(runtime.block_on(async { block_in_place(|| other.block_on(async { 3 })) }), 3);
        let closure = runtime.spawn_blocking(|| {
            Handle::current().block_on(async { preempt::spawn(async { 4 }).await })
        });
        assert_eq!(runtime.block_on(closure).unwrap().unwrap(), 4);
    });
}

#[test]
fn block_in_place_outside_a_runtime_just_calls() {
    assert_eq!(block_in_place(|| 7), 7);
}

// ---- spawn_blocking ----

#[test]
fn a_blocking_closure_returns_its_output_or_its_panic() {
    within(LIMIT, || {
        for runtime in [multi_thread(1), current_thread()] {
            assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 7)).unwrap(), 7);
            let panics = runtime.spawn_blocking(|| panic!("on purpose"));
            let error: preempt::task::JoinError =
                runtime.block_on(panics).map(|(): ()| ()).unwrap_err();
            assert_eq!(text_of(&*error.into_panic()), "on purpose");
            assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 8)).unwrap(), 8);
        }
    });
}

/// A runtime with one thread for blocking work, which is at work until `stop`.
fn busy_blocking_pool(stop: &Stop) -> Runtime {
    let runtime =
        Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().unwrap();
    let (started, ends) = (Signal::default(), stop.signal());
    let running = started.clone();
    runtime.spawn_blocking(move || {
        running.set();
        ends.wait("the test lets the closure end");
    });
    started.wait("the closure runs");
    runtime
}

#[test]
fn a_blocking_closure_can_be_aborted_before_it_runs() {
    within(LIMIT, || {
        let stop = Stop::new();
        let runtime = busy_blocking_pool(&stop);
        let drops = Count::default();
        let dropped = CountsDrop(drops.clone());
        let queued = runtime.spawn_blocking(move || drop(dropped));
        let next = runtime.spawn_blocking(|| 7);
        queued.abort();
        stop.stop();
        assert!(runtime.block_on(queued).unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
        assert_eq!(runtime.block_on(next).unwrap(), 7);
    });
}

#[test]
fn a_blocking_closure_that_runs_is_not_aborted() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (stop, started) = (Stop::new(), Signal::default());
        let (running, ends) = (started.clone(), stop.signal());
        let closure = runtime.spawn_blocking(move || {
            running.set();
            ends.spin();
            7
        });
        started.wait("the closure runs");
        closure.abort();
        stop.stop();
        assert_eq!(runtime.block_on(closure).unwrap(), 7);
    });
}

#[test]
fn blocking_closures_queue_for_the_threads_that_there_may_be() {
    within(LIMIT, || {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).max_blocking_threads(3).build().unwrap();
        let (now, most) = (Count::default(), Arc::new(Mutex::new(0)));
        let running = Arc::new(Mutex::new(0_usize));
        let closures: Vec<_> = (0..50)
            .map(|_| {
                let (done, most, running) = (now.clone(), most.clone(), running.clone());
                runtime.spawn_blocking(move || {
                    {
                        let mut running = running.lock().unwrap();
                        *running += 1;
                        let mut most = most.lock().unwrap();
                        *most = (*most).max(*running);
                    }
                    thread::sleep(Duration::from_micros(500));
                    *running.lock().unwrap() -= 1;
                    done.add_one();
                })
            })
            .collect();
        for closure in closures {
            runtime.block_on(closure).unwrap();
        }
        assert_eq!(now.get(), 50);
        assert!(*most.lock().unwrap() <= 3);
        assert!(runtime.metrics().blocking_threads <= 3);
    });
}

#[test]
fn an_idle_blocking_thread_is_used_again_and_ends_when_it_has_waited_long_enough() {
    within(LIMIT, || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_keep_alive(Duration::from_millis(200))
            .build()
            .unwrap();
        let mut threads = HashSet::new();
        for _ in 0..20 {
            threads.insert(
                runtime.block_on(runtime.spawn_blocking(|| thread::current().id())).unwrap(),
            );
            thread::sleep(Duration::from_millis(1));
        }
        assert!(threads.len() < 10, "{} threads for one closure at a time", threads.len());
        eventually("the idle threads end", || runtime.metrics().blocking_threads == 0);
        assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 7)).unwrap(), 7);
    });
}

#[test]
fn shutdown_cancels_queued_blocking_closures() {
    within(LIMIT, || {
        let stop = Stop::new();
        let runtime = busy_blocking_pool(&stop);
        let drops = Count::default();
        let queued: Vec<_> = (0..10)
            .map(|_| {
                let dropped = CountsDrop(drops.clone());
                runtime.spawn_blocking(move || drop(dropped))
            })
            .collect();
        runtime.shutdown_background();
        assert_eq!(drops.get(), 10);
        for closure in queued {
            assert!(futures::executor::block_on(closure).unwrap_err().is_cancelled());
        }
    });
}

/// Many closures from many tasks: each runs once.
#[test]
fn a_storm_of_blocking_closures() {
    within(LIMIT, || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(4)
            .thread_keep_alive(Duration::from_micros(100))
            .build()
            .unwrap();
        let runs = Count::default();
        let tasks: Vec<_> = (0..20)
            .map(|task| {
                let runs = runs.clone();
                runtime.spawn(async move {
                    for call in 0..50 {
                        let runs = runs.clone();
                        let sent = (task, call);
                        let received = spawn_blocking(move || {
                            runs.add_one();
                            sent
                        });
                        assert_eq!(received.await.unwrap(), sent);
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        assert_eq!(runs.get(), 1_000);
    });
}

// ---- metrics ----

#[test]
fn metrics_count_live_and_queued_tasks() {
    within(LIMIT, || {
        let runtime = current_thread();
        let tasks: Vec<_> = (0..10).map(|_| runtime.spawn(yield_now())).collect();
        let metrics = runtime.metrics();
        assert_eq!((metrics.live_tasks, metrics.queued_tasks), (10, 10));
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        let metrics = runtime.metrics();
        assert_eq!((metrics.live_tasks, metrics.queued_tasks), (0, 0));
    });
}

#[test]
fn metrics_count_what_the_monitor_does() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let hogs = [0, 1].map(|_| runtime.spawn(Manners::AsyncCheckpoint.hog(stop.signal())));
        eventually("both hogs have yielded", || runtime.metrics().yields_on_request >= 4);
        let metrics = runtime.metrics();
        assert!(metrics.requests >= metrics.yields_on_request, "{metrics:?}");
        stop.stop();
        for hog in hogs {
            runtime.block_on(hog).unwrap();
        }
        let (sender, receiver) = channel();
        runtime
            .block_on(runtime.spawn(async move {
                let waker = preempt::spawn(async move { sender.send(()).unwrap() });
                block_in_place(|| receiver.recv().unwrap());
                waker.await.unwrap();
            }))
            .unwrap();
        assert!(runtime.metrics().hand_offs >= 1);
    });
}
