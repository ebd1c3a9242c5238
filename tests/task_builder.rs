//! Goal: what `task::Builder` sets for one task holds for it, whatever runs beside it: its name, and
//! how far its polls may be preempted.
//! Method: on one processor without hand-off, other tasks run in the middle of a poll only if it was
//! suspended. Where the counters of the whole runtime are compared with zero, all of its tasks have
//! the same setting, as the machine may stop any poll for long.

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use preempt::runtime::{Builder as RuntimeBuilder, Handle, Runtime};
use preempt::task::{Builder, JoinHandle, JoinSet, Preemption, yield_now};
use preempt_checkpoint::preempt_requested;
use std::future::Future;
use std::hint::spin_loop;
use std::thread;

fn spawn<F>(preemption: Preemption, runtime: &Handle, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Builder::new().preemption(preemption).spawn_on(future, runtime).unwrap()
}

/// Spawns a task of short polls that counts them until `stop` is set.
fn spawn_counter(preemption: Preemption, runtime: &Handle, stop: &Stop) -> Count {
    let (polls, stopped) = (Count::default(), stop.signal());
    let counted = polls.clone();
    spawn(preemption, runtime, async move {
        while !stopped.is_set() {
            counted.add_one();
            yield_now().await;
        }
    });
    polls
}

/// Waits until the task has gone on for `more` polls.
#[track_caller]
fn goes_on(polls: &Count, more: usize) {
    let before = polls.get();
    eventually("the other task goes on", || polls.get() >= before + more);
}

// ---- never ----

/// Hogs for all processors, in which every kind of checkpoint is tried.
#[test]
fn what_is_left_alone_is_handed_off_and_notices_nothing() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let stop = Stop::new();
        let polls = spawn_counter(Preemption::Never, runtime.handle(), &stop);
        let hogs: Vec<_> = (0..runtime.metrics().processors)
            .map(|_| {
                let stopped = stop.signal();
                spawn(Preemption::Never, runtime.handle(), async move {
                    let here = || (thread::current().id(), kernel_thread());
                    let start = here();
                    while !stopped.is_set() {
                        preempt::checkpoint();
                        preempt::no_preempt(|| ());
                        assert!(!preempt_requested());
                        async_checkpoint().await;
                        assert_eq!(here(), start);
                    }
                })
            })
            .collect();
        eventually("a hand-off", || runtime.metrics().hand_offs_by_monitor > 0);
        goes_on(&polls, 1_000);
        let metrics = runtime.metrics();
        let disturbances = (metrics.requests, metrics.signals, metrics.detaches);
        assert_eq!(disturbances, (0, 0, 0), "{metrics:?}");
        stop.stop();
        for hog in hogs {
            runtime.block_on(hog).unwrap();
        }
    });
}

/// The section that a poll of `Never` runs in ends with it, also if it panics.
#[test]
fn polls_after_one_that_was_left_alone_can_be_suspended() {
    on_one_processor(|runtime| {
        let others = Others::spawn(runtime.handle());
        for _ in 0..10 {
            let left_alone = spawn(Preemption::Never, runtime.handle(), async {
                work_slices(2);
                yield_now().await;
                panic!("on purpose");
            });
            assert!(runtime.block_on(left_alone).unwrap_err().is_panic());
            let their = others.others();
            runtime.block_on(runtime.spawn(async move { their.spin_until_resumed() })).unwrap();
        }
    });
}

// ---- cooperative ----

/// A stretch without checkpoints is never suspended, and each checkpoint may be, in turns. The rest
/// of a poll that was suspended is as cooperative as its beginning.
#[test]
fn what_cooperates_is_suspended_at_checkpoints_only() {
    on_one_processor(|runtime| {
        let stop = Stop::new();
        let polls = spawn_counter(Preemption::Cooperative, runtime.handle(), &stop);
        let hog = spawn(Preemption::Cooperative, runtime.handle(), async move {
            for _ in 0..20 {
                let before = polls.get();
                work_slices(5);
                assert_eq!(polls.get(), before, "something else ran on the only processor");
                while polls.get() < before + 2 {
                    preempt::checkpoint();
                }
            }
        });
        runtime.block_on(hog).unwrap();
        let metrics = runtime.metrics();
        assert!(metrics.requests > 0 && metrics.detaches >= 20, "{metrics:?}");
        assert_eq!(metrics.signals, 0, "{metrics:?}");
    });
}

#[test]
fn what_cooperates_in_async_code_yields() {
    on_one_processor(|runtime| {
        let stop = Stop::new();
        let polls = spawn_counter(Preemption::Cooperative, runtime.handle(), &stop);
        let stopped = stop.signal();
        let hog = spawn(Preemption::Cooperative, runtime.handle(), async move {
            while !stopped.is_set() {
                async_checkpoint().await;
            }
        });
        eventually("it yields", || runtime.metrics().yields_on_request > 0);
        goes_on(&polls, 1_000);
        stop.stop();
        runtime.block_on(hog).unwrap();
        let metrics = runtime.metrics();
        assert_eq!((metrics.signals, metrics.detaches), (0, 0), "{metrics:?}");
    });
}

/// Without a checkpoint it loses its processor, and is not signalled afterwards either. At its first
/// checkpoint it is suspended, and takes its turns with the others; or it goes on alone, if it was not
/// one of those that had lost theirs, and no stack was ready.
#[test]
fn what_does_not_cooperate_is_handed_off() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let (stop, reached) = (Stop::new(), Stop::new());
        let polls = spawn_counter(Preemption::Cooperative, runtime.handle(), &stop);
        let hogs: Vec<_> = (0..runtime.metrics().processors)
            .map(|_| {
                let (stopped, reached) = (stop.signal(), reached.signal());
                spawn(Preemption::Cooperative, runtime.handle(), async move {
                    reached.spin();
                    while !stopped.is_set() {
                        preempt::checkpoint();
                        spin_loop();
                    }
                })
            })
            .collect();
        eventually("a hand-off", || runtime.metrics().hand_offs_by_monitor > 0);
        goes_on(&polls, 1_000);
        let metrics = runtime.metrics();
        assert_eq!((metrics.signals, metrics.detaches), (0, 0), "{metrics:?}");
        reached.stop();
        eventually("a hog gives way", || {
            let metrics = runtime.metrics();
            metrics.detaches + metrics.hand_offs_at_checkpoint > 0
        });
        goes_on(&polls, 1_000);
        stop.stop();
        for hog in hogs {
            runtime.block_on(hog).unwrap();
        }
        assert_eq!(runtime.metrics().signals, 0, "{:?}", runtime.metrics());
    });
}

// ---- side by side ----

/// A signal may come late, and then finds another task's poll. Short polls of all three kinds follow
/// each other, so that there is no lack of late ones.
#[test]
fn a_signal_that_comes_late_suspends_nobody_else() {
    on_one_processor(|runtime| {
        let polls = Count::default();
        let mut tasks = JoinSet::new();
        for task in 0..12 {
            let preemption = match task % 3 {
                0 => Preemption::Forced,
                1 => Preemption::Cooperative,
                _ => Preemption::Never,
            };
            let task = spawn(preemption, runtime.handle(), short_polls(preemption, polls.clone()));
            tasks.spawn_on(async { task.await.unwrap() }, runtime.handle());
        }
        runtime.block_on(tasks.join_all());
        assert!(runtime.metrics().signals > 0, "{:?}", runtime.metrics());
    });
}

/// Each poll adds itself at both ends. In between nothing else does, unless it may be suspended.
async fn short_polls(preemption: Preemption, polls: Count) {
    for _ in 0..100 {
        let before = polls.add_one();
        work_slices(1);
        let others = polls.add_one() - before - 1;
        assert!(others == 0 || preemption == Preemption::Forced, "{preemption:?}: {others}");
        yield_now().await;
    }
}

#[test]
fn on_a_current_thread_runtime_a_task_is_left_alone_or_asked() {
    /// Whether one of `polls` polls of five slices is asked to give way while another task waits.
    fn is_asked(runtime: &Runtime, preemption: Preemption, polls: usize) -> bool {
        let stop = Stop::new();
        spawn_counter(Preemption::Forced, runtime.handle(), &stop);
        let task = spawn(preemption, runtime.handle(), async move {
            for _ in 0..polls {
                work_slices(5);
                if preempt_requested() {
                    return true;
                }
                yield_now().await;
            }
            false
        });
        runtime.block_on(task).unwrap()
    }
    within(LIMIT, || {
        let runtime = RuntimeBuilder::new_current_thread().time_slice(SLICE).build().unwrap();
        assert!(is_asked(&runtime, Preemption::Forced, usize::MAX));
        assert!(is_asked(&runtime, Preemption::Cooperative, usize::MAX));
        assert!(!is_asked(&runtime, Preemption::Never, 100));
    });
}

// ---- names and kinds of tasks ----

#[test]
fn a_name_is_shown_by_the_handles() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let named = {
            let name = String::from("sums up");
            Builder::new().name(&name).spawn_on(async { 7 }, runtime.handle()).unwrap()
        };
        assert!(format!("{named:?}").contains("sums up"), "{named:?}");
        let abort = named.abort_handle();
        assert_eq!(runtime.block_on(named).unwrap(), 7);
        assert!(format!("{abort:?}").contains("sums up"), "{abort:?}");
        let unnamed = runtime.spawn(async {});
        assert!(!format!("{unnamed:?}").contains("name"), "{unnamed:?}");
    });
}

#[test]
fn blocking_work_has_a_name_too() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (builder, go) = (Builder::new().name("reads"), Signal::default());
        let goes = go.clone();
        let work = builder.spawn_blocking_on(move || goes.spin(), runtime.handle()).unwrap();
        assert!(format!("{work:?}").contains("reads"), "{work:?}");
        go.set();
        runtime.block_on(work).unwrap();
        let work = runtime.block_on(async { builder.spawn_blocking(|| 7).unwrap().await });
        assert_eq!(work.unwrap(), 7);
    });
}

#[test]
fn a_builder_needs_a_runtime_or_a_handle() {
    let message = panic_message(|| drop(Builder::new().spawn(async {})));
    assert!(message.contains("no preempt runtime"), "{message}");
}

#[test]
fn a_task_of_a_builder_is_dropped_at_shutdown() {
    within(LIMIT, || {
        let (runtime, drops) = (multi_thread(1), Count::default());
        let counts = CountsDrop(drops.clone());
        let task = Builder::new().name("waits").spawn_on(
            async move {
                let _counts = counts;
                std::future::pending::<()>().await;
            },
            runtime.handle(),
        );
        drop(runtime);
        assert_eq!(drops.get(), 1);
        assert!(multi_thread(1).block_on(task.unwrap()).unwrap_err().is_cancelled());
    });
}
