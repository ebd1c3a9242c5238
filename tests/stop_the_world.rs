//! Goal: while the world is stopped no task runs on it; afterwards nothing was lost; and what cannot be
//! stopped is named.
//! Method: tasks that count, and a closure that looks at the count for a while; each caller, each way in
//! which a poll gives way, each backend. Stops that have to succeed have a limit that no busy machine
//! exceeds.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

mod forced_support;

use forced_support::*;
use preempt::no_preempt;
use preempt::runtime::{
    Backend, Builder, Handle, Obstacle, Runtime, StopTheWorldError, UnstoppedTask, World,
};
use preempt::task::{self, Preemption, yield_now};
use preempt::time::sleep;
use std::hint::{black_box, spin_loop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a task that were not stopped to be seen.
const LOOK: Duration = Duration::from_micros(300);

/// The runtimes on which everything is to work.
fn on_many(test: impl Fn(&Runtime) + Clone + Send + 'static) {
    let _serial = serial();
    for &backend in backends() {
        for workers in [1, 2, 4] {
            let test = test.clone();
            println!("backend {backend}, {workers} workers");
            within(LIMIT * 2, move || test(&runtime(backend, workers)));
        }
    }
}

fn runtime(backend: Backend, workers: usize) -> Runtime {
    Builder::new_multi_thread().backend(backend).worker_threads(workers).build().unwrap()
}

/// Stops the world, however long it takes.
#[track_caller]
fn stop<R>(handle: &Handle, work: impl FnOnce(&World<'_>) -> R) -> R {
    handle.stop_the_world_within(LIMIT, work).expect("the world stops")
}

/// Looks at the count for a while, which must not change.
#[track_caller]
fn stands_still(count: &Count) {
    let before = count.get();
    burn(LOOK);
    assert_eq!(count.get(), before, "a task has run");
}

/// Waits until the count has grown, on a thread that may block.
#[track_caller]
fn goes_on(count: &Count) {
    let before = count.get();
    eventually("the count grows", || count.get() > before);
}

#[inline(never)]
#[preempt::preemptible]
fn count_politely(count: &Count, stop: &Signal) {
    while !stop.is_set() {
        count.add_one();
    }
}

#[inline(never)]
fn count_on_and_on(count: &Count, stop: &Signal) {
    while !stop.is_set() {
        count.add_one();
    }
}

/// Two tasks of each kind that count until they are told to stop: async code that yields when it is asked
/// to, sync code with checkpoints, code without, and one that always yields.
fn spawn_counters(handle: &Handle, count: &Count, stop: &Stop) {
    for _ in 0..2 {
        let (own, signal) = (count.clone(), stop.signal());
        handle.spawn(async move {
            while !signal.is_set() {
                own.add_one();
                async_checkpoint().await;
            }
        });
        let (own, signal) = (count.clone(), stop.signal());
        handle.spawn(async move { count_politely(&own, &signal) });
        let (own, signal) = (count.clone(), stop.signal());
        handle.spawn(async move { count_on_and_on(&own, &signal) });
        let (own, signal) = (count.clone(), stop.signal());
        handle.spawn(async move {
            while !signal.is_set() {
                own.add_one();
                yield_now().await;
            }
        });
    }
}

// ---- who is stopped ----

#[test]
fn no_task_runs_while_the_world_is_stopped() {
    on_many(|runtime| {
        let count = Count::default();
        let end = Stop::new();
        spawn_counters(runtime.handle(), &count, &end);
        goes_on(&count);
        for _ in 0..20 {
            stop(runtime.handle(), |world| {
                stands_still(&count);
                assert_eq!(world.asleep(), 0);
                assert_eq!(world.processors(), runtime.metrics().processors);
                // A poll may be suspended after it has queued its task again.
                assert!(world.queued() + world.detached() >= 8, "{world:?}");
            });
            goes_on(&count);
        }
        let metrics = runtime.metrics();
        assert_eq!((metrics.world_stops, metrics.world_stop_failures), (20, 0));
        assert!(metrics.world_stopped_duration >= LOOK * 20);
        assert!(metrics.longest_world_stopping_duration <= metrics.world_stopping_duration);
        assert!(metrics.longest_world_stopping_duration * 20 >= metrics.world_stopping_duration);
    });
}

/// What is not atomic is seen as well: the world is a lock.
#[test]
fn the_closure_sees_what_tasks_wrote_and_they_what_it_wrote() {
    on_many(|runtime| {
        struct Plain(std::cell::UnsafeCell<[u64; 64]>);
        // SAFETY: each task writes to its own element, the closure to all while no task runs.
        unsafe impl Sync for Plain {}
        let plain = Arc::new(Plain(std::cell::UnsafeCell::new([0; 64])));
        let end = Stop::new();
        let written: Vec<_> = (0..8).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let tasks: Vec<_> = (0..8)
            .map(|index| {
                let (plain, signal) = (plain.clone(), end.signal());
                let written = written[index].clone();
                runtime.spawn(async move {
                    let mut rounds = 0;
                    while !signal.is_set() {
                        // SAFETY: see `Plain`. In a section, so that the closure finds no half of it.
                        no_preempt(|| unsafe {
                            let element = (&raw mut (*plain.0.get())[index]).as_mut().unwrap();
                            *element += 1;
                        });
                        rounds += 1;
                        written.store(rounds, SeqCst);
                        if rounds % 64 == 0 {
                            yield_now().await;
                        }
                    }
                    rounds
                })
            })
            .collect();
        let mut taken = [0; 8];
        for _ in 0..50 {
            stop(runtime.handle(), |_| {
                // SAFETY: no task runs.
                let elements = unsafe { &mut *plain.0.get() };
                for (element, taken) in elements.iter_mut().zip(&mut taken) {
                    *taken += std::mem::take(element);
                }
            });
            thread::sleep(Duration::from_micros(100));
        }
        end.stop();
        for (index, task) in tasks.into_iter().enumerate() {
            let rounds = runtime.block_on(task).unwrap();
            // SAFETY: all tasks have ended.
            let left = unsafe { (*plain.0.get())[index] };
            assert_eq!(taken[index] + left, rounds as u64);
        }
    });
}

#[test]
fn an_idle_world_stops_and_wakes_up_afterwards() {
    on_many(|runtime| {
        for _ in 0..50 {
            let ran = Signal::default();
            stop(runtime.handle(), |world| {
                let ran = ran.clone();
                runtime.spawn(async move { ran.set() });
                burn(LOOK);
                assert!(world.queued() > 0);
            });
            ran.wait("a task that was spawned during the stop");
        }
    });
}

#[test]
fn timers_and_wake_ups_during_a_stop_are_not_lost() {
    on_many(|runtime| {
        for round in 0..20 {
            let (sender, mut receiver) = preempt::sync::mpsc::unbounded_channel();
            let received = runtime.spawn(async move {
                let mut sum = 0;
                while let Some(number) = receiver.recv().await {
                    sum += number;
                }
                sum
            });
            let timers: Vec<_> = (0..8)
                .map(|index| {
                    runtime.spawn(async move { sleep(Duration::from_micros(50 * index)).await })
                })
                .collect();
            if round % 2 == 0 {
                thread::sleep(Duration::from_micros(200));
            }
            stop(runtime.handle(), |_| {
                (0..10).for_each(|number| sender.send(number).unwrap());
                burn(LOOK * 2);
            });
            drop(sender);
            assert_eq!(runtime.block_on(received).unwrap(), 45);
            timers.into_iter().for_each(|timer| runtime.block_on(timer).unwrap());
        }
    });
}

// ---- who stops it ----

#[test]
fn a_task_stops_the_world() {
    on_many(|runtime| {
        let count = Count::default();
        let end = Stop::new();
        spawn_counters(runtime.handle(), &count, &end);
        let handle = runtime.handle().clone();
        let own = count.clone();
        let task = runtime.spawn(async move {
            for _ in 0..10 {
                let before = own.get();
                stop(&handle, |_| stands_still(&own));
                while own.get() == before {
                    yield_now().await;
                }
            }
        });
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn block_on_and_blocking_threads_stop_the_world() {
    on_many(|runtime| {
        let count = Count::default();
        let end = Stop::new();
        spawn_counters(runtime.handle(), &count, &end);
        runtime.block_on(async {
            stop(&Handle::current(), |_| stands_still(&count));
            let own = count.clone();
            let blocking = task::spawn_blocking(move || {
                stop(&Handle::current(), |_| stands_still(&own));
            });
            blocking.await.unwrap();
            let own = count.clone();
            let in_place = preempt::spawn(async move {
                let handle = Handle::current();
                task::block_in_place(|| stop(&handle, |_| stands_still(&own)));
                stop(&handle, |_| stands_still(&own));
                stop(&handle, |_| task::block_in_place(|| stands_still(&own)));
            });
            in_place.await.unwrap();
        });
        goes_on(&count);
    });
}

#[test]
fn several_stop_the_world_in_turns() {
    on_many(|runtime| {
        let count = Count::default();
        let end = Stop::new();
        spawn_counters(runtime.handle(), &count, &end);
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stop_often = |handle: Handle, is_stopped: Arc<AtomicBool>, count: Count| {
            for _ in 0..20 {
                stop(&handle, |_| {
                    assert!(!is_stopped.swap(true, SeqCst), "two have stopped it");
                    stands_still(&count);
                    is_stopped.store(false, SeqCst);
                });
            }
        };
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (handle, is_stopped, count) =
                    (runtime.handle().clone(), is_stopped.clone(), count.clone());
                runtime.spawn(async move { stop_often(handle, is_stopped, count) })
            })
            .collect();
        thread::scope(|scope| {
            for _ in 0..2 {
                let (handle, is_stopped, count) =
                    (runtime.handle().clone(), is_stopped.clone(), count.clone());
                scope.spawn(move || stop_often(handle, is_stopped, count));
            }
        });
        tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
        goes_on(&count);
    });
}

#[test]
fn stops_that_follow_each_other_at_once_let_tasks_run_in_between() {
    on_many(|runtime| {
        let count = Count::default();
        let end = Stop::new();
        let (own, signal) = (count.clone(), end.signal());
        runtime.spawn(async move {
            while !signal.is_set() {
                own.add_one();
                yield_now().await;
            }
        });
        let deadline = Instant::now() + LIMIT;
        while count.get() < 100 {
            stop(runtime.handle(), |_| ());
            assert!(Instant::now() < deadline, "only {} polls", count.get());
        }
    });
}

#[test]
fn a_stop_inside_a_stop_is_an_error() {
    on_many(|runtime| {
        let handle = runtime.handle().clone();
        let nested = move || {
            stop(&handle, |_| {
                let error = handle.stop_the_world(|_| ()).unwrap_err();
                assert_eq!(error, StopTheWorldError::Nested);
                assert!(error.to_string().contains("inside the closure of another"), "{error}");
                assert!(error.tasks().is_empty());
            });
            stop(&handle, |_| ());
        };
        nested();
        runtime.block_on(runtime.spawn(async move { nested() })).unwrap();
    });
}

#[test]
fn the_world_of_another_runtime_may_be_stopped_inside() {
    on_many(|runtime| {
        let other = multi_thread(1);
        let (count, end) = (Count::default(), Stop::new());
        spawn_counters(other.handle(), &count, &end);
        spawn_counters(runtime.handle(), &count, &end);
        stop(runtime.handle(), |_| stop(other.handle(), |_| stands_still(&count)));
        goes_on(&count);
    });
}

// ---- a current-thread runtime ----

#[test]
fn a_current_thread_runtime_is_stopped_by_its_own_thread() {
    within(LIMIT, || {
        let runtime = current_thread();
        let count = Count::default();
        let end = Stop::new();
        runtime.block_on(async {
            let (own, signal) = (count.clone(), end.signal());
            preempt::spawn(async move {
                while !signal.is_set() {
                    own.add_one();
                    yield_now().await;
                }
            });
            yield_now().await;
            for _ in 0..10 {
                stop(&Handle::current(), |_| stands_still(&count));
                yield_now().await;
            }
            let own = count.clone();
            let task = preempt::spawn(async move {
                stop(&Handle::current(), |world| {
                    stands_still(&own);
                    assert_eq!(world.processors(), 1);
                });
            });
            task.await.unwrap();
        });
    });
}

#[test]
fn a_current_thread_runtime_is_stopped_by_another_thread() {
    within(LIMIT, || {
        let runtime = Arc::new(current_thread());
        let count = Count::default();
        let end = Stop::new();
        // Nobody is in `block_on`.
        stop(runtime.handle(), |_| stands_still(&count));
        let driver = thread::spawn({
            let (runtime, count, signal) = (runtime.clone(), count.clone(), end.signal());
            move || {
                runtime.block_on(async {
                    let (own, until) = (count.clone(), signal.clone());
                    preempt::spawn(async move {
                        while !until.is_set() {
                            own.add_one();
                            async_checkpoint().await;
                        }
                    });
                    while !signal.is_set() {
                        count.add_one();
                        yield_now().await;
                    }
                });
            }
        });
        goes_on(&count);
        for _ in 0..100 {
            stop(runtime.handle(), |_| stands_still(&count));
            goes_on(&count);
        }
        end.stop();
        driver.join().unwrap();
        stop(runtime.handle(), |_| ());
    });
}

#[test]
fn on_a_current_thread_runtime_two_take_turns() {
    within(LIMIT, || {
        let runtime = Arc::new(current_thread());
        let end = Stop::new();
        let driver = thread::spawn({
            let (runtime, signal) = (runtime.clone(), end.signal());
            move || {
                runtime.block_on(async {
                    let mut stops = 0;
                    while !signal.is_set() || stops == 0 {
                        stop(&Handle::current(), |_| ());
                        stops += 1;
                        yield_now().await;
                    }
                });
            }
        });
        for _ in 0..300 {
            stop(runtime.handle(), |_| ());
        }
        end.stop();
        driver.join().unwrap();
    });
}

#[test]
fn a_current_thread_runtime_has_no_signals() {
    within(LIMIT, || {
        let runtime = Arc::new(current_thread());
        let end = Stop::new();
        let driver = thread::spawn({
            let (runtime, signal) = (runtime.clone(), end.signal());
            move || runtime.block_on(async { preempt::spawn(async move { signal.spin() }).await })
        });
        let mut error = None;
        eventually("the task is in the way", || {
            error = runtime.handle().stop_the_world(|_| ()).err();
            let Some(StopTheWorldError::Unstopped { tasks, .. }) = &error else { return false };
            tasks.first().is_some_and(|task| task.id.is_some())
        });
        assert_eq!(error.unwrap().tasks()[0].obstacle, Obstacle::NoSignals);
        end.stop();
        driver.join().unwrap().unwrap();
    });
}

// ---- who is not stopped ----

/// The task that keeps the world from stopping, with that obstacle, and the text of the error. On a busy
/// machine something else may be in the way within so short a limit, or no signal have come to it.
#[track_caller]
fn kept_by(handle: &Handle, id: task::Id, obstacle: Obstacle) -> (UnstoppedTask, String) {
    let id = id.to_string().parse().unwrap();
    let mut found = None;
    eventually("the task is in the way", || {
        let error = handle.stop_the_world_within(Duration::from_millis(20), |_| ()).unwrap_err();
        let is_it = |task: &&UnstoppedTask| task.id == Some(id) && task.obstacle == obstacle;
        found = error.tasks().iter().find(is_it).map(|task| (task.clone(), error.to_string()));
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn what_may_not_be_preempted_is_named_and_the_world_goes_on() {
    on_many(|runtime| {
        let count = Count::default();
        let end = Stop::new();
        let begun = Signal::default();
        let (signal, begins) = (end.signal(), begun.clone());
        let stubborn = async move {
            begins.set();
            signal.spin();
        };
        let builder = task::Builder::new();
        let builder = builder.name("stubborn").preemption(Preemption::Never);
        let task = builder.spawn_on(stubborn, runtime.handle()).unwrap();
        begun.wait("it begins");
        let (own, signal) = (count.clone(), end.signal());
        runtime.spawn(async move { count_on_and_on(&own, &signal) });
        let (kept, text) = kept_by(runtime.handle(), task.id(), Obstacle::Never);
        assert_eq!(kept.name.as_deref(), Some("stubborn"));
        assert!(kept.spawned_at.unwrap().file().ends_with("stop_the_world.rs"));
        assert!(text.contains("\"stubborn\""), "{text}");
        assert!(text.contains("Preemption::Never"), "{text}");
        goes_on(&count);
        let metrics = runtime.metrics();
        assert!(metrics.world_stops == 0 && metrics.world_stop_failures > 0);
        end.stop();
        runtime.block_on(task).unwrap();
        stop(runtime.handle(), |_| stands_still(&count));
    });
}

#[test]
fn a_protected_section_is_named_and_the_world_goes_on() {
    on_many(|runtime| {
        let end = Stop::new();
        let begun = Signal::default();
        let (signal, begins) = (end.signal(), begun.clone());
        let task = runtime.spawn(async move {
            no_preempt(|| {
                begins.set();
                signal.spin();
            });
        });
        begun.wait("it begins");
        let (_, text) = kept_by(runtime.handle(), task.id(), Obstacle::Section);
        assert!(text.contains("no_preempt"), "{text}");
        end.stop();
        runtime.block_on(task).unwrap();
        stop(runtime.handle(), |_| ());
    });
}

#[test]
fn without_signals_a_loop_without_checkpoints_is_named() {
    let _serial = serial();
    within(LIMIT, || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .forced_preemption(false)
            .hand_off(false)
            .build()
            .unwrap();
        let (count, end) = (Count::default(), Stop::new());
        let (own, signal) = (count.clone(), end.signal());
        let task = runtime.spawn(async move { count_on_and_on(&own, &signal) });
        goes_on(&count);
        let (_, text) = kept_by(runtime.handle(), task.id(), Obstacle::NoSignals);
        assert!(text.contains("forced_preemption"), "{text}");
        end.stop();
        runtime.block_on(task).unwrap();
    });
}

/// Its processor was taken: it runs beside the processors, and is stopped as well.
#[test]
fn a_poll_that_has_lost_its_processor_is_stopped() {
    on_many(|runtime| {
        let (count, end) = (Count::default(), Stop::new());
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (own, signal) = (count.clone(), end.signal());
                runtime.spawn(async move {
                    task::block_in_place(|| ());
                    count_on_and_on(&own, &signal);
                })
            })
            .collect();
        goes_on(&count);
        for _ in 0..10 {
            stop(runtime.handle(), |_| stands_still(&count));
            goes_on(&count);
        }
        end.stop();
        tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
    });
}

#[test]
fn a_poll_that_comes_back_from_blocking_waits_for_the_end_of_the_stop() {
    on_many(|runtime| {
        let (count, end) = (Count::default(), Stop::new());
        let (sender, receiver) = mpsc::channel::<()>();
        let blocks = Signal::default();
        let (own, signal, begun) = (count.clone(), end.signal(), blocks.clone());
        let task = runtime.spawn(async move {
            task::block_in_place(|| {
                begun.set();
                receiver.recv().unwrap();
            });
            count_on_and_on(&own, &signal);
        });
        blocks.wait("it blocks");
        stop(runtime.handle(), |_| {
            sender.send(()).unwrap();
            burn(Duration::from_millis(5));
            assert_eq!(count.get(), 0, "it has come back");
        });
        goes_on(&count);
        end.stop();
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn code_that_has_leave_to_block_goes_on() {
    on_many(|runtime| {
        let (count, end) = (Count::default(), Stop::new());
        let (own, signal) = (count.clone(), end.signal());
        let task = runtime.spawn(async move {
            // Twice: the second time it has no processor to give away.
            task::block_in_place(|| ());
            task::block_in_place(|| count_on_and_on(&own, &signal));
        });
        goes_on(&count);
        stop(runtime.handle(), |_| goes_on(&count));
        end.stop();
        runtime.block_on(task).unwrap();
    });
}

// ---- polls that sleep in the kernel ----

#[test]
fn polls_that_sleep_are_counted() {
    on_many(|runtime| {
        let (sender, receiver) = mpsc::channel::<()>();
        let begun = Signal::default();
        let begins = begun.clone();
        let sleeper = runtime.spawn(async move {
            begins.set();
            receiver.recv().unwrap();
        });
        begun.wait("it begins");
        eventually("it sleeps", || stop(runtime.handle(), |world| world.asleep()) == 1);
        // Also when its processor has gone to another machine.
        let (count, end) = (Count::default(), Stop::new());
        spawn_counters(runtime.handle(), &count, &end);
        goes_on(&count);
        for _ in 0..5 {
            let asleep = stop(runtime.handle(), |world| {
                stands_still(&count);
                world.asleep()
            });
            assert_eq!(asleep, 1);
        }
        sender.send(()).unwrap();
        runtime.block_on(sleeper).unwrap();
    });
}

/// It is woken by the closure itself.
#[test]
fn a_poll_that_wakes_up_is_stopped_again() {
    for has_lost_its_processor in [false, true] {
        on_many(move |runtime| {
            let (count, end) = (Count::default(), Stop::new());
            let (sender, receiver) = mpsc::channel::<()>();
            let begun = Signal::default();
            let (own, signal, begins) = (count.clone(), end.signal(), begun.clone());
            let sleeper = runtime.spawn(async move {
                begins.set();
                receiver.recv().unwrap();
                count_on_and_on(&own, &signal);
            });
            begun.wait("it begins");
            eventually("it sleeps", || stop(runtime.handle(), |world| world.asleep()) == 1);
            if has_lost_its_processor {
                let hand_offs = runtime.metrics().hand_offs;
                (0..8).for_each(|_| drop(runtime.spawn(yield_now())));
                let other = runtime.spawn(async { sleep(Duration::from_millis(1)).await });
                if runtime.metrics().processors == 1 {
                    runtime.block_on(other).unwrap();
                    assert!(runtime.metrics().hand_offs > hand_offs);
                }
            }
            stop(runtime.handle(), |world| {
                assert_eq!(world.asleep(), 1);
                sender.send(()).unwrap();
                // It may be stopped before it has begun to count.
                eventually("it wakes up", || count.get() > 0 || world.detached() > 0);
                // It stands still when the monitor has got to it.
                eventually("it is stopped again", || {
                    let before = count.get();
                    burn(Duration::from_millis(5));
                    count.get() == before
                });
                burn(Duration::from_millis(5));
            });
            goes_on(&count);
            end.stop();
            runtime.block_on(sleeper).unwrap();
        });
    }
}

// ---- panics and shutdown ----

#[test]
fn after_a_panic_the_world_goes_on() {
    on_many(|runtime| {
        let (count, end) = (Count::default(), Stop::new());
        spawn_counters(runtime.handle(), &count, &end);
        let panics = |handle: &Handle| {
            let stops = || handle.stop_the_world_within(LIMIT, |_| panic!("on purpose"));
            let payload = catch_unwind(AssertUnwindSafe(stops)).unwrap_err();
            assert_eq!(text_of(&*payload), "on purpose");
        };
        panics(runtime.handle());
        goes_on(&count);
        let handle = runtime.handle().clone();
        let own = count.clone();
        let task = runtime.spawn(async move {
            panics(&handle);
            stop(&handle, |_| stands_still(&own));
        });
        runtime.block_on(task).unwrap();
        goes_on(&count);
    });
}

#[test]
fn the_runtime_shuts_down_while_the_world_is_stopped() {
    for limit in [Duration::ZERO, Duration::from_millis(20), LIMIT] {
        let _serial = serial();
        for &backend in backends() {
            for workers in [1, 2, 4] {
                within(LIMIT * 2, move || {
                    let runtime = runtime(backend, workers);
                    let handle = runtime.handle().clone();
                    let (count, end) = (Count::default(), Stop::new());
                    spawn_counters(&handle, &count, &end);
                    goes_on(&count);
                    let closer = stop(&handle, |_| {
                        let (begins, begun) = mpsc::channel();
                        let signal = end.signal();
                        let closer = thread::spawn(move || {
                            begins.send(()).unwrap();
                            runtime.shutdown_timeout(limit);
                            signal.set();
                        });
                        begun.recv().unwrap();
                        for _ in 0..20 {
                            stands_still(&count);
                        }
                        closer
                    });
                    end.stop();
                    closer.join().unwrap();
                    let error = handle.stop_the_world(|_| ()).unwrap_err();
                    assert_eq!(error, StopTheWorldError::Closed);
                    assert!(error.to_string().contains("shut down"), "{error}");
                });
            }
        }
    }
}

#[test]
fn stops_and_a_shutdown_at_the_same_time() {
    let _serial = serial();
    for round in 0..30 {
        let backend = backends()[round % backends().len()];
        within(LIMIT * 2, move || {
            let runtime = runtime(backend, 1 + round % 3);
            let handle = runtime.handle().clone();
            let (count, end) = (Count::default(), Stop::new());
            spawn_counters(&handle, &count, &end);
            goes_on(&count);
            let stopper = thread::spawn(move || {
                loop {
                    match handle.stop_the_world_within(LIMIT, |_| stands_still(&count)) {
                        Ok(()) => {}
                        Err(error) => return error,
                    }
                }
            });
            thread::sleep(Duration::from_micros(500 * round as u64));
            runtime.shutdown_timeout(Duration::from_millis(20));
            assert_eq!(stopper.join().unwrap(), StopTheWorldError::Closed);
            end.stop();
        });
    }
}

// ---- all at once ----

/// After Go's TestStopTheWorldDeadlock and MexitSTW: stops against everything that changes who runs where.
#[test]
fn often_beside_everything_that_changes_who_runs_where() {
    on_many(|runtime| {
        let (count, end) = (Count::default(), Stop::new());
        spawn_counters(runtime.handle(), &count, &end);
        let handle = runtime.handle().clone();
        let worlds = Count::default();
        // Tasks that come and go, sleep, and hand their processors off.
        for seed in 0..3 {
            let (handle, signal, count) = (handle.clone(), end.signal(), count.clone());
            let worlds = worlds.clone();
            runtime.spawn(async move {
                let mut random = Random::new(seed);
                while !signal.is_set() {
                    match random.below(6) {
                        0 => sleep(Duration::from_micros(random.below(300))).await,
                        1 => {
                            let short = handle.spawn(async { yield_now().await });
                            short.await.unwrap();
                        }
                        2 => task::block_in_place(|| {
                            thread::sleep(Duration::from_micros(50));
                        }),
                        3 => drop(task::spawn_blocking(|| black_box(1 + 1))),
                        4 => work(random.below(100_000)),
                        _ => stop(&handle, |_| {
                            worlds.add_one();
                            stands_still(&count);
                        }),
                    }
                    yield_now().await;
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            stop(&handle, |_| stands_still(&count));
            worlds.add_one();
            let pause = Instant::now() + Duration::from_micros(100);
            while Instant::now() < pause {
                spin_loop();
            }
        }
        goes_on(&count);
        assert!(worlds.get() > 1);
        end.stop();
    });
}
