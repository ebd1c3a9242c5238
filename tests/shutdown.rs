//! Goal: a runtime can be dropped at any time and anywhere: it comes back, drops every future
//! exactly once, and leaves no thread behind.
//! Method: futures that count their drops, hogs that only the test can stop, and the kernel's list
//! of this process's threads. Shutdown "comes back" if it does before the test's deadline.

#![allow(clippy::async_yields_async, reason = "the future itself is what the test is about")]

mod support;

use preempt::runtime::{Builder, Handle, Runtime};
use preempt::task::{JoinHandle, yield_now};
use preempt::time::{Duration, Instant, sleep};
use std::future::{Future, pending};
use std::sync::mpsc::channel;
use std::thread;
use support::*;

/// Spawns a task that never ends by itself, and waits until it has begun.
fn spawn_idle(runtime: &Runtime, drops: &Count) -> JoinHandle<()> {
    let (started, dropped) = (Signal::default(), CountsDrop(drops.clone()));
    let running = started.clone();
    let handle = runtime.spawn(async move {
        let _dropped = dropped;
        running.set();
        pending::<()>().await;
    });
    started.wait("the task runs");
    handle
}

/// Spawns a hog that only `stop` ends, and waits until it has begun.
fn spawn_hog(runtime: &Runtime, manners: Manners, stop: &Stop, drops: &Count) -> JoinHandle<()> {
    let (started, ends, dropped) = (Signal::default(), stop.signal(), CountsDrop(drops.clone()));
    let running = started.clone();
    let handle = runtime.spawn(async move {
        let _dropped = dropped;
        running.set();
        manners.hog(ends).await;
    });
    // Several hogs on few processors: the others are handed off or yield.
    started.wait("the hog runs");
    handle
}

/// Waits for a future on a thread without a runtime.
fn wait_outside<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

/// The ways to shut a runtime down that wait for a bounded time.
const SHUTDOWNS: [fn(Runtime); 3] = [
    drop,
    |runtime| runtime.shutdown_timeout(Duration::from_millis(100)),
    Runtime::shutdown_background,
];

// ---- idle tasks ----

#[test]
fn every_idle_future_is_dropped_once() {
    for shut_down in SHUTDOWNS {
        within(LIMIT, move || {
            let runtime = multi_thread(2);
            let drops = Count::default();
            let handles: Vec<_> = (0..1_000)
                .map(|_| {
                    let dropped = CountsDrop(drops.clone());
                    runtime.spawn(async move {
                        let _dropped = dropped;
                        pending::<()>().await;
                    })
                })
                .collect();
            shut_down(runtime);
            for handle in handles {
                assert!(wait_outside(handle).unwrap_err().is_cancelled());
            }
            assert_eq!(drops.get(), 1_000);
        });
    }
}

#[test]
fn tasks_that_wait_for_timers_and_for_each_other_are_dropped() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        let drops = Count::default();
        let mut last = spawn_idle(&runtime, &drops);
        for nth in 0..100 {
            let (previous, dropped) = (last, CountsDrop(drops.clone()));
            last = runtime.spawn(async move {
                let _dropped = dropped;
                if nth % 2 == 0 {
                    sleep(Duration::from_secs(3_600)).await;
                }
                previous.await.expect("it never ends");
            });
        }
        drop(runtime);
        let _ = wait_outside(last).expect_err("it was cancelled");
        assert_eq!(drops.get(), 101);
    });
}

#[test]
fn tasks_that_never_ran_are_dropped() {
    within(LIMIT, || {
        let runtime = current_thread();
        let drops = Count::default();
        let dropped = CountsDrop(drops.clone());
        let handle = runtime.spawn(async move { drop(dropped) });
        drop(runtime);
        assert!(wait_outside(handle).unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn outputs_that_nobody_took_are_dropped_once() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        let drops = Count::default();
        let output = CountsDrop(drops.clone());
        let handle = runtime.spawn(async move { output });
        eventually("the task is done", || handle.is_finished());
        drop(runtime);
        assert_eq!(drops.get(), 0, "the handle owns it");
        drop(handle);
        assert_eq!(drops.get(), 1);
    });
}

// ---- hogs ----

fn comes_back_beside_hogs(manners: Manners) {
    for shut_down in SHUTDOWNS {
        for workers in [1, 2] {
            within(LIMIT, move || {
                let runtime = multi_thread(workers);
                let (stop, drops) = (Stop::new(), Count::default());
                let hogs: Vec<_> =
                    (0..2 * workers).map(|_| spawn_hog(&runtime, manners, &stop, &drops)).collect();
                shut_down(runtime);
                stop.stop();
                for hog in hogs {
                    // Which of the two depends on who was first.
                    if let Err(error) = wait_outside(hog) {
                        assert!(error.is_cancelled(), "{error}");
                    }
                }
                assert_eq!(drops.get(), 2 * workers);
            });
        }
    }
}

#[test]
fn comes_back_beside_hogs_with_async_checkpoints() {
    comes_back_beside_hogs(Manners::AsyncCheckpoint);
}

#[test]
fn comes_back_beside_hogs_with_sync_checkpoints() {
    comes_back_beside_hogs(Manners::SyncCheckpoint);
}

#[test]
fn comes_back_beside_unannotated_hogs() {
    comes_back_beside_hogs(Manners::Unannotated);
}

/// A hog with async checkpoints is asked to end, though nobody waits behind it.
#[test]
fn a_hog_with_async_checkpoints_ends_with_the_runtime() {
    within(LIMIT, || {
        for workers in [1, 2] {
            let runtime = multi_thread(workers);
            let (stop, drops) = (Stop::new(), Count::default());
            let hog = spawn_hog(&runtime, Manners::AsyncCheckpoint, &stop, &drops);
            // Waits for as long as it takes: without the request that would be for ever.
            runtime.shutdown_timeout(Duration::MAX);
            assert_eq!(drops.get(), 1);
            assert!(wait_outside(hog).unwrap_err().is_cancelled());
        }
    });
}

/// What a poll does after its runtime is gone harms nobody: it spawns, wakes, sleeps and returns.
#[test]
fn a_poll_that_outlives_its_runtime_ends_in_peace() {
    within(LIMIT, || {
        for workers in [1, 2] {
            let runtime = multi_thread(workers);
            let (stop, started, ends) = (Stop::new(), Signal::default(), Signal::default());
            let (running, over, stopped) = (started.clone(), ends.clone(), stop.signal());
            let idle = spawn_idle(&runtime, &Count::default());
            let hog = runtime.spawn(async move {
                running.set();
                stopped.spin();
                idle.abort();
                let late = preempt::spawn(async {});
                let refused = late.await.unwrap_err().is_cancelled();
                over.set();
                refused
            });
            started.wait("the hog runs");
            runtime.shutdown_background();
            stop.stop();
            assert!(wait_outside(hog).unwrap(), "a task spawned too late is cancelled");
            assert!(ends.is_set());
        }
    });
}

#[test]
fn shutdown_waits_for_a_poll_that_ends_soon() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (started, ended) = (Signal::default(), Signal::default());
        let (running, over) = (started.clone(), ended.clone());
        runtime.spawn(async move {
            running.set();
            thread::sleep(Duration::from_millis(50));
            over.set();
        });
        started.wait("the task runs");
        runtime.shutdown_timeout(LIMIT);
        assert!(ended.is_set());
    });
}

#[test]
fn shutdown_in_the_background_waits_for_nobody() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (stop, drops) = (Stop::new(), Count::default());
        spawn_hog(&runtime, Manners::Unannotated, &stop, &drops);
        let (started, ends) = (Signal::default(), stop.signal());
        let running = started.clone();
        let blocking = runtime.spawn_blocking(move || {
            running.set();
            ends.spin();
        });
        started.wait("the closure runs");
        runtime.shutdown_background();
        assert!(!stop.signal().is_set() && drops.get() == 0, "both go on");
        stop.stop();
        wait_outside(blocking).unwrap();
        eventually("the hog ends", || drops.get() == 1);
    });
}

#[test]
fn drop_waits_for_blocking_closures_that_have_begun() {
    within(LIMIT, || {
        for runtime in [multi_thread(1), current_thread()] {
            let (started, ended) = (Signal::default(), Signal::default());
            let (running, over) = (started.clone(), ended.clone());
            runtime.spawn_blocking(move || {
                running.set();
                thread::sleep(Duration::from_millis(50));
                over.set();
            });
            started.wait("the closure runs");
            drop(runtime);
            assert!(ended.is_set());
        }
    });
}

#[test]
fn shutdown_timeout_does_not_wait_longer_for_blocking_closures() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (stop, started) = (Stop::new(), Signal::default());
        let (running, ends) = (started.clone(), stop.signal());
        let blocking = runtime.spawn_blocking(move || {
            running.set();
            ends.spin();
        });
        started.wait("the closure runs");
        runtime.shutdown_timeout(Duration::from_millis(10));
        assert!(!blocking.is_finished());
        stop.stop();
        wait_outside(blocking).expect("it goes on to its end");
    });
}

// ---- where it is dropped ----

#[test]
fn a_runtime_dropped_by_its_own_task() {
    for workers in [1, 2] {
        within(LIMIT, move || {
            let runtime = multi_thread(workers);
            let drops = Count::default();
            let idle = spawn_idle(&runtime, &drops);
            let (sender, receiver) = channel::<Runtime>();
            let suicide = runtime.spawn(async move {
                drop(receiver.recv().unwrap());
                assert!(preempt::spawn(async {}).await.unwrap_err().is_cancelled());
            });
            sender.send(runtime).unwrap();
            drop(wait_outside(suicide));
            assert!(wait_outside(idle).unwrap_err().is_cancelled());
            assert_eq!(drops.get(), 1);
        });
    }
}

#[test]
fn a_runtime_dropped_by_a_task_of_another() {
    within(LIMIT, || {
        let (outer, inner) = (multi_thread(1), multi_thread(1));
        let (stop, drops) = (Stop::new(), Count::default());
        spawn_hog(&inner, Manners::Unannotated, &stop, &drops);
        let idle = spawn_idle(&inner, &drops);
        outer.block_on(outer.spawn(async move { drop(inner) })).unwrap();
        assert!(outer.block_on(idle).unwrap_err().is_cancelled());
        stop.stop();
        eventually("the hog is dropped", || drops.get() == 2);
        outer.block_on(outer.spawn(async {})).expect("the outer runtime goes on");
    });
}

#[test]
fn a_runtime_dropped_inside_block_on() {
    within(LIMIT, || {
        for outer in [multi_thread(1), current_thread()] {
            let inner = multi_thread(1);
            let (stop, drops) = (Stop::new(), Count::default());
            spawn_hog(&inner, Manners::Unannotated, &stop, &drops);
            let idle = spawn_idle(&inner, &drops);
            outer.block_on(async move {
                drop(inner);
                assert!(idle.await.unwrap_err().is_cancelled());
                sleep(Duration::from_millis(1)).await;
            });
            stop.stop();
            eventually("the hog is dropped", || drops.get() == 2);
        }
    });
}

#[test]
fn a_current_thread_runtime_dropped_inside_a_task() {
    within(LIMIT, || {
        let outer = multi_thread(1);
        let drops = Count::default();
        let dropped = CountsDrop(drops.clone());
        let task = outer.spawn(async move {
            let inner = current_thread();
            inner.spawn(async move { drop(dropped) });
            drop(inner);
        });
        outer.block_on(task).unwrap();
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_runtime_dropped_by_a_blocking_closure_of_its_own() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let handle = runtime.handle().clone();
        let (sender, receiver) = channel::<Runtime>();
        let suicide = handle.spawn_blocking(move || {
            let runtime = receiver.recv().unwrap();
            // `drop` would wait for this very closure, as it would in tokio.
            runtime.shutdown_timeout(Duration::from_millis(10));
        });
        sender.send(runtime).unwrap();
        wait_outside(suicide).unwrap();
    });
}

// ---- what comes too late ----

#[test]
fn a_task_spawned_after_shutdown_is_cancelled() {
    within(LIMIT, || {
        for runtime in [multi_thread(1), current_thread()] {
            let handle = runtime.handle().clone();
            drop(runtime);
            let drops = Count::default();
            let dropped = CountsDrop(drops.clone());
            let late = handle.spawn(async move { drop(dropped) });
            assert!(late.is_finished());
            assert!(wait_outside(late).unwrap_err().is_cancelled());
            assert_eq!(drops.get(), 1);
            let late = handle.spawn_blocking(|| {});
            assert!(wait_outside(late).unwrap_err().is_cancelled());
            assert_eq!(handle.block_on(async { 7 }), 7, "what needs no task still works");
        }
    });
}

#[test]
fn a_future_that_spawns_when_it_is_dropped() {
    struct SpawnsOnDrop(Option<CountsDrop>);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            let child = CountsDrop(self.0.take().unwrap().0.clone());
            let handle = preempt::spawn(async move {
                let _child = child;
                pending::<()>().await;
            });
            drop(handle);
        }
    }
    within(LIMIT, || {
        for runtime in [multi_thread(2), current_thread()] {
            let drops = Count::default();
            for _ in 0..100 {
                let spawner = SpawnsOnDrop(Some(CountsDrop(drops.clone())));
                runtime.spawn(async move {
                    let _spawner = spawner;
                    pending::<()>().await;
                });
            }
            drop(runtime);
            assert_eq!(drops.get(), 200, "each task's own and its child's");
        }
    });
}

#[test]
fn a_future_whose_drop_panics_does_not_keep_the_others() {
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    within(LIMIT, || {
        let runtime = multi_thread(2);
        let (drops, armed) = (Count::default(), Count::default());
        let mut handles = Vec::new();
        for _ in 0..10 {
            let armed = armed.clone();
            handles.push(runtime.spawn(async move {
                let _bomb = PanicsOnDrop;
                armed.add_one();
                pending::<()>().await;
            }));
            spawn_idle(&runtime, &drops);
        }
        eventually("the bombs are armed", || armed.get() == 10);
        drop(runtime);
        assert_eq!(drops.get(), 10);
        for handle in handles {
            assert!(wait_outside(handle).unwrap_err().is_panic());
        }
    });
}

#[test]
fn a_timer_that_is_waited_for_after_shutdown_panics_and_says_why() {
    within(LIMIT, || {
        for runtime in [multi_thread(1), current_thread()] {
            let mut fresh = Box::pin(runtime.block_on(async { sleep(LIMIT) }));
            let mut waited = Box::pin(runtime.block_on(async { sleep(LIMIT) }));
            let mut over = Box::pin(runtime.block_on(async { sleep(Duration::ZERO) }));
            assert!(poll_once(&mut waited).is_pending());
            drop(runtime);
            for timer in [&mut fresh, &mut waited] {
                let message = panic_message(|| assert!(poll_once(timer).is_ready()));
                assert!(message.contains("shut down"), "{message}");
                assert!(message.contains("keep the `Runtime`"), "{message}");
            }
            assert!(poll_once(&mut over).is_ready(), "its time had come before");
        }
    });
}

#[test]
fn a_block_on_that_sleeps_on_a_handle_ends_with_the_runtime() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let handle = runtime.handle().clone();
        let waiting = Signal::default();
        let waits = waiting.clone();
        let sleeper = thread::spawn(move || {
            panic_message(|| {
                handle.block_on(async {
                    let mut nap = Box::pin(sleep(LIMIT));
                    assert!(poll_once(&mut nap).is_pending());
                    waits.set();
                    nap.await;
                })
            })
        });
        waiting.wait("the timer is set");
        drop(runtime);
        assert!(sleeper.join().unwrap().contains("shut down"));
    });
}

#[test]
fn wakers_and_handles_outlive_their_runtime() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (sender, receiver) = channel();
        let task = runtime.spawn(std::future::poll_fn(move |cx| {
            sender.send(cx.waker().clone()).unwrap();
            std::task::Poll::<()>::Pending
        }));
        let waker = receiver.recv().unwrap();
        let abort = task.abort_handle();
        drop(runtime);
        waker.wake_by_ref();
        let clone = waker.clone();
        thread::spawn(move || clone.wake()).join().unwrap();
        abort.abort();
        assert!(abort.is_finished());
        assert!(wait_outside(task).unwrap_err().is_cancelled());
        waker.wake();
    });
}

#[test]
fn a_handle_can_be_awaited_on_another_runtime_while_its_own_shuts_down() {
    within(LIMIT, || {
        let (first, second) = (multi_thread(1), multi_thread(1));
        let idle = spawn_idle(&first, &Count::default());
        let waiter = second.spawn(idle);
        drop(first);
        assert!(second.block_on(waiter).unwrap().unwrap_err().is_cancelled());
    });
}

/// Spawning from many threads while the runtime goes away: each task either runs or is cancelled.
#[test]
fn spawning_races_with_shutdown() {
    within(LIMIT, || {
        for _ in 0..50 {
            let runtime = multi_thread(2);
            let (drops, begun) = (Count::default(), Count::default());
            let spawners: Vec<_> = (0..2)
                .map(|_| {
                    let handle: Handle = runtime.handle().clone();
                    let (drops, begun) = (drops.clone(), begun.clone());
                    thread::spawn(move || {
                        (0..200)
                            .map(|_| {
                                let dropped = CountsDrop(drops.clone());
                                begun.add_one();
                                handle.spawn(async move {
                                    yield_now().await;
                                    drop(dropped);
                                })
                            })
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            eventually("they spawn", || begun.get() > 20);
            drop(runtime);
            for spawner in spawners {
                for task in spawner.join().unwrap() {
                    if let Err(error) = wait_outside(task) {
                        assert!(error.is_cancelled());
                    }
                }
            }
            assert_eq!(drops.get(), 400);
        }
    });
}

// ---- threads ----

/// The threads of this process whose name begins with `prefix`.
#[cfg(target_os = "linux")]
fn threads_named(prefix: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the list of threads");
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    // A thread may end while the list is read.
    tasks.filter_map(|task| name(task.ok()?).ok()).filter(|name| name.starts_with(prefix)).count()
}

#[cfg(target_os = "linux")]
#[test]
fn runtimes_that_come_and_go_leave_no_thread() {
    within(LIMIT, || {
        for round in 0..50 {
            let runtime = Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("come-and-go")
                .build()
                .unwrap();
            let (stop, drops) = (Stop::new(), Count::default());
            if round % 10 == 0 {
                for _ in 0..3 {
                    spawn_hog(&runtime, Manners::Unannotated, &stop, &drops);
                }
                stop.stop();
            }
            let blocking = runtime.spawn_blocking(|| thread::current().name().map(str::to_owned));
            let name = runtime.block_on(blocking).unwrap();
            assert_eq!(name.as_deref(), Some("come-and-go"));
            assert!(threads_named("come-and-go") >= 3);
            drop(runtime);
        }
        // Shutdown waits until they have done their work; the kernel takes its time for the rest.
        eventually("all threads have ended", || threads_named("come-and-go") == 0);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn current_thread_runtimes_that_come_and_go_leave_no_thread() {
    // Nobody else in this file has a monitor under this condition: the test runs in a process of
    // its own.
    let alone = std::env::args().any(|arg| arg == "--exact");
    if !alone {
        let itself = std::env::current_exe().unwrap();
        let status = std::process::Command::new(itself)
            .args(["--exact", "current_thread_runtimes_that_come_and_go_leave_no_thread"])
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    within(LIMIT, || {
        let before = threads_named("");
        for _ in 0..200 {
            let runtime = current_thread();
            runtime.block_on(async { runtime.spawn(yield_now()).await.unwrap() });
        }
        eventually("all threads have ended", || threads_named("") <= before);
    });
}

/// Shutdown that waits does so for a bounded time, even if a poll never ends.
#[test]
fn drop_gives_up_on_an_endless_poll() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (stop, drops) = (Stop::new(), Count::default());
        spawn_hog(&runtime, Manners::Unannotated, &stop, &drops);
        let begun = Instant::now();
        drop(runtime);
        assert!(begun.elapsed() < Duration::from_secs(10), "not after about a second");
        assert_eq!(drops.get(), 0);
        stop.stop();
        eventually("the hog's future is dropped at last", || drops.get() == 1);
    });
}
