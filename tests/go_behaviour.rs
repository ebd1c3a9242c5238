//! Goal: what Go's own tests prove of its scheduler holds here too.
//! Method: Go's tests re-expressed (`runtime/proc_test.go`, `time/sleep_test.go`); each names its
//! origin. They are built so that an unfair scheduler never finishes, so most of them assert no
//! more than that they end. Tests run one at a time: the load of one is not to be the time slice
//! of another.

#![allow(clippy::async_yields_async, reason = "the future itself is what the test is about")]

mod support;

use futures::StreamExt;
use futures::channel::mpsc;
use preempt::runtime::{Builder, Runtime};
use preempt::task::{JoinHandle, JoinSet, yield_now};
use preempt::time::{Duration, sleep};
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use support::*;

/// Runs one test, alone and with a deadline.
fn alone(body: impl FnOnce() + Send + 'static) {
    let _one = serial();
    within(LIMIT, body);
}

/// A runtime whose processors can only be had by those who give way: what needs `workers` tasks to
/// run at the same time is not helped by a hand-off.
fn without_hand_off(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).hand_off(false).build().expect("a runtime")
}

// ---- TestPreemption: two spinners that wait for each other, one processor ----

/// Turns the number from `mine` to the other's, `rounds` times, and spins while it is not its turn.
async fn pass_the_number(number: Arc<AtomicUsize>, mine: usize, rounds: usize, manners: Manners) {
    for _ in 0..rounds {
        while number.load(SeqCst) != mine {
            match manners {
                Manners::AsyncCheckpoint => async_checkpoint().await,
                Manners::SyncCheckpoint => preempt::checkpoint(),
                Manners::Unannotated => spin_loop(),
            }
        }
        number.store(1 - mine, SeqCst);
    }
}

fn two_spinners_finish(manners: Manners) {
    alone(move || {
        let runtime = multi_thread(1);
        let number = Arc::new(AtomicUsize::new(0));
        let [first, second] =
            [0, 1].map(|mine| runtime.spawn(pass_the_number(number.clone(), mine, 5, manners)));
        runtime.block_on(async {
            first.await.unwrap();
            second.await.unwrap();
        });
    });
}

#[test]
fn two_spinners_with_async_checkpoints_both_finish_on_one_processor() {
    two_spinners_finish(Manners::AsyncCheckpoint);
}

#[test]
fn two_spinners_with_sync_checkpoints_both_finish_on_one_processor() {
    two_spinners_finish(Manners::SyncCheckpoint);
}

#[test]
fn two_spinners_without_checkpoints_both_finish_on_one_processor() {
    two_spinners_finish(Manners::Unannotated);
}

// ---- TestGoroutineParallelism: P tasks run at the same moment ----

/// Task `nth` of `tasks` waits for its number, three times. Only if all of them run at the same
/// moment does the number go round.
fn take_turns(number: &AtomicUsize, nth: usize, tasks: usize) {
    for round in 0..3 {
        let mine = round * tasks + nth;
        while number.load(SeqCst) != mine {
            // To the kernel, not to the runtime: the machine may have fewer processors.
            thread::yield_now();
        }
        number.store(mine + 1, SeqCst);
    }
}

fn spawn_turns(tasks: usize, spawn: impl Fn(usize, Arc<AtomicUsize>) -> JoinHandle<()>) -> JoinAll {
    let number = Arc::new(AtomicUsize::new(0));
    (0..tasks).map(|nth| spawn(nth, number.clone())).collect()
}

type JoinAll = Vec<JoinHandle<()>>;

async fn join(handles: JoinAll) {
    for handle in handles {
        handle.await.expect("no task fails");
    }
}

fn tasks_run_at_the_same_moment(workers: usize) {
    alone(move || {
        let runtime = without_hand_off(workers);
        for _ in 0..100 {
            let turns = spawn_turns(workers, |nth, number| {
                runtime.spawn(async move { take_turns(&number, nth, workers) })
            });
            runtime.block_on(join(turns));
        }
    });
}

#[test]
fn two_tasks_run_at_the_same_moment() {
    tasks_run_at_the_same_moment(2);
}

#[test]
fn four_tasks_run_at_the_same_moment() {
    tasks_run_at_the_same_moment(4);
}

fn tasks_of_one_task_run_at_the_same_moment(workers: usize) {
    alone(move || {
        let runtime = without_hand_off(workers);
        for _ in 0..100 {
            let parent = runtime.spawn(async move {
                join(spawn_turns(workers, |nth, number| {
                    preempt::spawn(async move { take_turns(&number, nth, workers) })
                }))
                .await;
            });
            runtime.block_on(parent).unwrap();
        }
    });
}

#[test]
fn two_tasks_spawned_by_a_task_run_at_the_same_moment() {
    tasks_of_one_task_run_at_the_same_moment(2);
}

#[test]
fn four_tasks_spawned_by_a_task_run_at_the_same_moment() {
    tasks_of_one_task_run_at_the_same_moment(4);
}

/// The spawning task takes part itself: whatever it spawned has to be stolen, the LIFO slot too.
#[test]
fn a_task_and_its_children_run_at_the_same_moment() {
    alone(|| {
        let runtime = without_hand_off(4);
        for _ in 0..100 {
            let parent = runtime.spawn(async {
                let number = Arc::new(AtomicUsize::new(0));
                for nth in 1..4 {
                    let number = number.clone();
                    preempt::spawn(async move { take_turns(&number, nth, 4) });
                }
                take_turns(&number, 0, 4);
            });
            runtime.block_on(parent).unwrap();
        }
    });
}

/// As above, beside tasks that sleep and wake and keep the machines going to sleep and up again.
#[test]
fn tasks_run_at_the_same_moment_beside_sleepers() {
    alone(|| {
        let runtime = without_hand_off(4);
        let stop = Stop::new();
        for _ in 0..8 {
            let stop = stop.signal();
            runtime.spawn(async move {
                while !stop.is_set() {
                    sleep(Duration::from_micros(300)).await;
                }
            });
        }
        for _ in 0..50 {
            let turns = spawn_turns(4, |nth, number| {
                runtime.spawn(async move { take_turns(&number, nth, 4) })
            });
            runtime.block_on(join(turns));
        }
    });
}

// ---- a task behind a hog, in the slot that its machine would run next ----

#[test]
fn a_task_in_the_lifo_slot_of_a_hog_is_stolen() {
    alone(|| {
        let runtime = without_hand_off(2);
        for _ in 0..100 {
            let hog = runtime.spawn(async {
                let has_run = Signal::default();
                let neighbour = has_run.clone();
                preempt::spawn(async move { neighbour.set() });
                has_run.spin();
            });
            runtime.block_on(hog).unwrap();
        }
    });
}

// ---- TestPingPongHog ----

/// The units of work of the light pair's turns, and those that are counted at once.
const LIGHT: usize = 1_000;

async fn burn_light(manners: Manners) {
    for unit in 0..LIGHT {
        black_box(unit);
        match manners {
            Manners::AsyncCheckpoint => async_checkpoint().await,
            Manners::SyncCheckpoint => preempt::checkpoint(),
            Manners::Unannotated => {}
        }
    }
}

/// Two tasks that hand a token to each other and burn `units` of work each time they have it.
/// Counts the units that the pair has done. A multiple of `LIGHT`.
fn spawn_pair(runtime: &Runtime, units: usize, manners: Manners, stop: &Stop) -> Count {
    let done = Count::default();
    let (to_second, to_first) = (mpsc::unbounded(), mpsc::unbounded());
    to_first.0.unbounded_send(()).unwrap();
    for (sender, mut receiver) in [(to_second.0, to_first.1), (to_first.0, to_second.1)] {
        let (done, stop) = (done.clone(), stop.signal());
        runtime.spawn(async move {
            while receiver.next().await.is_some() && !stop.is_set() {
                for _ in 0..units / LIGHT {
                    burn_light(manners).await;
                    done.add(LIGHT);
                }
                if sender.unbounded_send(()).is_err() {
                    return;
                }
            }
        });
    }
    done
}

fn pairs_get_similar_shares(manners: Manners) {
    alone(move || {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let hogs = spawn_pair(&runtime, 1_000 * LIGHT, manners, &stop);
        let light = spawn_pair(&runtime, LIGHT, manners, &stop);
        // A background task has its turn once in ten time slices: several of those.
        thread::sleep(Duration::from_millis(1_000));
        let (hogs, light) = (hogs.get(), light.get());
        assert!(hogs / 20 <= light && light / 20 <= hogs, "hogs {hogs}, light {light}");
    });
}

#[test]
fn a_pair_of_hogs_with_async_checkpoints_and_a_light_pair_get_similar_shares() {
    pairs_get_similar_shares(Manners::AsyncCheckpoint);
}

#[test]
fn a_pair_of_hogs_with_sync_checkpoints_and_a_light_pair_get_similar_shares() {
    pairs_get_similar_shares(Manners::SyncCheckpoint);
}

/// Equal hogs take equal numbers of turns: whoever was preempted goes behind all that were before.
#[test]
fn preempted_hogs_take_turns() {
    alone(|| {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let turns: Vec<_> = (0..8)
            .map(|_| {
                let (turns, stop) = (Count::default(), stop.signal());
                let own = turns.clone();
                runtime.spawn(async move {
                    while !stop.is_set() {
                        if preempt_checkpoint::preempt_requested() {
                            own.add_one();
                            yield_now().await;
                        }
                    }
                });
                turns
            })
            .collect();
        eventually("the first hog has had ten turns", || turns[0].get() >= 10);
        let turns: Vec<_> = turns.iter().map(Count::get).collect();
        let (least, most) = (turns.iter().min().unwrap(), turns.iter().max().unwrap());
        assert!(most - least <= 2, "{turns:?}");
    });
}

// ---- TestTimerFairness, TestGCFairness: timers beside those who do not wait ----

/// A ticker gets through its ticks while the load goes on.
fn ticker_advances(runtime: &Runtime) {
    let ticker = runtime.spawn(async {
        for _ in 0..20 {
            sleep(Duration::from_millis(1)).await;
        }
    });
    runtime.block_on(ticker).unwrap();
}

fn timers_fire_beside_hogs(workers: usize, manners: Manners) {
    alone(move || {
        let runtime = multi_thread(workers);
        let stop = Stop::new();
        for _ in 0..2 * workers {
            runtime.spawn(manners.hog(stop.signal()));
        }
        ticker_advances(&runtime);
    });
}

#[test]
fn timers_fire_beside_hogs_with_async_checkpoints() {
    timers_fire_beside_hogs(1, Manners::AsyncCheckpoint);
    timers_fire_beside_hogs(2, Manners::AsyncCheckpoint);
}

#[test]
fn timers_fire_beside_hogs_with_sync_checkpoints() {
    timers_fire_beside_hogs(1, Manners::SyncCheckpoint);
    timers_fire_beside_hogs(2, Manners::SyncCheckpoint);
}

#[test]
fn timers_fire_beside_unannotated_hogs() {
    timers_fire_beside_hogs(1, Manners::Unannotated);
    timers_fire_beside_hogs(2, Manners::Unannotated);
}

#[test]
fn timers_fire_beside_a_yield_storm() {
    for workers in [1, 2] {
        alone(move || {
            let runtime = multi_thread(workers);
            let stop = Stop::new();
            for _ in 0..4 {
                let stop = stop.signal();
                runtime.spawn(async move {
                    while !stop.is_set() {
                        yield_now().await;
                    }
                });
            }
            ticker_advances(&runtime);
        });
    }
}

/// Two tasks on channels that never run empty: neither ever waits for anything but the other.
fn spawn_channel_storm(runtime: &Runtime, stop: &Stop) {
    let (to_second, mut from_first) = tokio::sync::mpsc::channel(2);
    let (to_first, mut from_second) = tokio::sync::mpsc::channel(2);
    let (ends, echo_ends) = (stop.signal(), stop.signal());
    runtime.spawn(async move {
        while !ends.is_set() && to_second.send(()).await.is_ok() {
            from_second.recv().await;
        }
    });
    runtime.spawn(async move {
        while !echo_ends.is_set() && from_first.recv().await.is_some() {
            if to_first.send(()).await.is_err() {
                return;
            }
        }
    });
}

#[test]
fn timers_fire_beside_a_channel_storm() {
    for workers in [1, 2] {
        alone(move || {
            let runtime = multi_thread(workers);
            let stop = Stop::new();
            for _ in 0..4 {
                spawn_channel_storm(&runtime, &stop);
            }
            ticker_advances(&runtime);
        });
    }
}

/// TestAfterFuncStarvation: a timer that ends a conversation of two tasks which never let their
/// processor idle.
#[test]
fn a_timer_ends_a_conversation_that_never_pauses() {
    alone(|| {
        let runtime = multi_thread(1);
        for _ in 0..100 {
            let stop = Stop::new();
            let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
            let (ends, timer) = (stop.signal(), stop.signal());
            let producer = runtime.spawn(async move {
                while !ends.is_set() {
                    sender.send(()).await.expect("the consumer waits for the last message");
                }
            });
            let consumer = runtime.spawn(async move { while receiver.recv().await.is_some() {} });
            runtime.spawn(async move {
                sleep(Duration::from_micros(1)).await;
                timer.set();
            });
            runtime.block_on(join(vec![producer, consumer]));
        }
    });
}

// ---- TestYieldProgress and the order of the queues ----

#[test]
fn yielding_makes_progress_on_one_processor() {
    alone(|| {
        let runtime = multi_thread(1);
        let (question, answered) = (Signal::default(), Signal::default());
        let (asked, answer) = (question.clone(), answered.clone());
        let yielder = runtime.spawn(async move {
            while !asked.is_set() {
                yield_now().await;
            }
            answer.set();
        });
        thread::sleep(Duration::from_millis(10));
        runtime.spawn(async move { question.set() });
        answered.wait("the yielding task has seen what another did");
        runtime.block_on(yielder).unwrap();
    });
}

/// A queue of tasks that is never empty does not keep the injector waiting: every 61st pick looks
/// there first.
#[test]
fn a_busy_local_queue_does_not_starve_the_injector() {
    alone(|| {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let polls = Count::default();
        for _ in 0..2 {
            let (polls, stop) = (polls.clone(), stop.signal());
            runtime.spawn(async move {
                while !stop.is_set() {
                    polls.add_one();
                    yield_now().await;
                }
            });
        }
        // Injected by a thread that one of the processor's tasks waits for, so that the number of
        // polls from then on is the scheduler's choice and not the kernel's.
        let (handle, count) = (runtime.handle().clone(), polls.clone());
        let injected = runtime.spawn(async move {
            yield_now().await;
            thread::spawn(move || {
                let before = count.get();
                handle.spawn(async move { count.get() - before })
            })
            .join()
            .unwrap()
        });
        let waited = runtime.block_on(async { injected.await.unwrap().await.unwrap() });
        assert!(waited <= 610, "the injected task waited for {waited} polls, not about 61");
    });
}

/// Two tasks that wake each other through the LIFO slot leave room for the rest of the queue.
#[test]
fn lifo_neighbours_do_not_starve_the_queue() {
    alone(|| {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let rounds = spawn_pair(&runtime, LIGHT, Manners::Unannotated, &stop);
        eventually("the pair is at work", || rounds.get() > 100 * LIGHT);
        let counted = rounds.clone();
        let third = runtime.spawn(async move {
            let before = counted.get();
            for _ in 0..1_000 {
                yield_now().await;
            }
            counted.get() - before
        });
        let turns = runtime.block_on(third).unwrap() / LIGHT;
        assert!(turns <= 40_000, "the pair had {turns} turns for 1,000 of the third task");
    });
}

/// TestPreemptionAfterSyscall: tasks that keep leaving their processor for a blocking call do not
/// end the others' progress, nor theirs.
#[test]
fn tasks_progress_beside_blocking_calls() {
    for call_us in [10, 100, 1_000] {
        alone(move || {
            let runtime = multi_thread(2);
            let stop = Stop::new();
            let mut callers = JoinSet::new();
            for _ in 0..8 {
                let stop = stop.signal();
                let caller = async move {
                    let mut calls = 0;
                    while !stop.is_set() {
                        let call = Duration::from_micros(call_us);
                        preempt::task::block_in_place(|| thread::sleep(call));
                        calls += 1;
                        yield_now().await;
                    }
                    calls
                };
                callers.spawn_on(caller, runtime.handle());
            }
            runtime.spawn(Manners::AsyncCheckpoint.hog(stop.signal()));
            ticker_advances(&runtime);
            stop.stop();
            let calls = runtime.block_on(callers.join_all());
            assert!(calls.iter().all(|&calls| calls > 0), "{calls:?}");
        });
    }
}
