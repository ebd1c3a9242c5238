//! Goal: a poll that does not give way costs the others a time slice and no more: its processor
//! goes on with another thread, nothing is lost or run twice, and the threads are used again.
//! Method: hogs that only the test can stop, and probes that can only run if the processor was
//! handed off; one test at a time. No poll is suspended, except in the storms, where everything
//! happens at once.

#![allow(clippy::async_yields_async, reason = "a task that returns the handle of another")]

mod support;

use futures::StreamExt;
use futures::channel::mpsc;
use preempt::runtime::{Builder, Runtime};
use preempt::task::{JoinHandle, JoinSet, block_in_place, yield_now};
use preempt::time::{Duration, sleep};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::thread;
use support::*;

/// A runtime that suspends no poll, so that only a hand-off helps.
fn multi_thread(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).max_detached(0).build().expect("a runtime")
}

/// Runs one test, alone and with a deadline.
fn alone(body: impl FnOnce() + Send + 'static) {
    let _one = serial();
    within(LIMIT, body);
}

/// Spawns an unannotated hog and waits until it runs.
fn spawn_hog(runtime: &Runtime, stop: &Stop) -> JoinHandle<thread::ThreadId> {
    let (started, ends) = (Signal::default(), stop.signal());
    let running = started.clone();
    let hog = runtime.spawn(async move {
        running.set();
        ends.spin();
        thread::current().id()
    });
    started.wait("the hog runs");
    hog
}

/// Returns when another task has run.
fn probe(runtime: &Runtime) {
    runtime.block_on(runtime.spawn(async {})).expect("the probe runs");
}

// ---- others progress ----

fn others_progress_beside(hogs: usize) {
    alone(move || {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let hogs: Vec<_> = (0..hogs).map(|_| runtime.spawn(endless(stop.signal()))).collect();
        for _ in 0..5 {
            probe(&runtime);
        }
        // A timer, a wake-up, a task spawned by a task.
        let ticks = runtime.spawn(async {
            for _ in 0..10 {
                sleep(Duration::from_millis(1)).await;
                preempt::spawn(yield_now()).await.unwrap();
            }
        });
        runtime.block_on(ticks).unwrap();
        assert!(hogs.iter().all(|hog| !hog.is_finished()), "the hogs were still there");
        assert!(runtime.metrics().hand_offs_by_monitor > 0);
        stop.stop();
        for hog in hogs {
            runtime.block_on(hog).expect("a hog ends in peace");
        }
    });
}

async fn endless(stop: Signal) {
    stop.spin();
}

#[test]
fn others_progress_beside_one_endless_poll() {
    others_progress_beside(1);
}

#[test]
fn others_progress_beside_two_endless_polls() {
    others_progress_beside(2);
}

#[test]
fn others_progress_beside_eight_endless_polls() {
    others_progress_beside(8);
}

#[test]
fn a_sync_checkpoint_hands_off_before_the_monitor_has_to() {
    alone(|| {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let hog = runtime.spawn(Manners::SyncCheckpoint.hog(stop.signal()));
        probe(&runtime);
        stop.stop();
        runtime.block_on(hog).unwrap();
        assert!(runtime.metrics().hand_offs > 0);
    });
}

#[test]
fn a_no_preempt_section_is_not_handed_off_at_its_checkpoints() {
    alone(|| {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let ends = stop.signal();
        let hog = runtime.spawn(async move {
            preempt::no_preempt(|| {
                while !ends.is_set() {
                    preempt::checkpoint();
                }
            });
        });
        probe(&runtime);
        let metrics = runtime.metrics();
        assert_eq!(metrics.hand_offs_at_checkpoint, 0, "{metrics:?}");
        assert!(metrics.hand_offs_by_monitor > 0, "{metrics:?}");
        stop.stop();
        runtime.block_on(hog).unwrap();
    });
}

// ---- the poll that lost its processor ----

#[test]
fn a_handed_off_poll_ends_on_its_own_thread_and_the_task_goes_on() {
    alone(|| {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let (started, ends) = (Signal::default(), stop.signal());
        let running = started.clone();
        let hog = runtime.spawn(async move {
            let before = thread::current().id();
            running.set();
            ends.spin();
            let after = thread::current().id();
            // The next poll may be anywhere.
            for _ in 0..10 {
                yield_now().await;
            }
            sleep(Duration::from_millis(1)).await;
            before == after
        });
        started.wait("the hog runs");
        probe(&runtime);
        stop.stop();
        assert!(runtime.block_on(hog).unwrap(), "a poll stays on its thread");
        probe(&runtime);
    });
}

/// What a poll wakes and spawns after it has lost its processor goes to the others.
#[test]
fn a_handed_off_poll_wakes_and_spawns() {
    alone(|| {
        let runtime = multi_thread(1);
        for _ in 0..5 {
            let stop = Stop::new();
            let (sender, mut receiver) = mpsc::unbounded();
            let (ends, woken) = (stop.signal(), Signal::default());
            let started = Signal::default();
            let (running, was_woken) = (started.clone(), woken.clone());
            let waiter = runtime.spawn(async move { receiver.next().await });
            let hog = runtime.spawn(async move {
                running.set();
                ends.spin();
                sender.unbounded_send(7).unwrap();
                let child = preempt::spawn(async move { was_woken.set() });
                // Still in the same poll: only another machine can run the child.
                woken.spin();
                child.await.unwrap();
            });
            started.wait("the hog runs");
            probe(&runtime);
            stop.stop();
            assert_eq!(runtime.block_on(waiter).unwrap(), Some(7));
            runtime.block_on(hog).unwrap();
        }
    });
}

#[test]
fn a_panic_in_a_handed_off_poll_is_contained() {
    alone(|| {
        let runtime = multi_thread(1);
        for _ in 0..10 {
            let stop = Stop::new();
            let (started, ends) = (Signal::default(), stop.signal());
            let running = started.clone();
            let hog = runtime.spawn(async move {
                running.set();
                ends.spin();
                panic!("on purpose");
            });
            started.wait("the hog runs");
            probe(&runtime);
            stop.stop();
            let error = runtime.block_on(hog).expect_err("it panicked");
            assert!(error.is_panic());
            assert_eq!(text_of(&*error.into_panic()), "on purpose");
        }
        probe(&runtime);
        assert_few_machines(&runtime, 1);
    });
}

/// One for the processor, one for each hog at a time, and some for polls that the kernel kept from
/// running for so long that they looked like hogs.
#[track_caller]
fn assert_few_machines(runtime: &Runtime, hogs: usize) {
    let threads = runtime.metrics().machine_threads;
    assert!(threads <= 1 + hogs + 3, "{threads} threads for {hogs} hogs at a time");
}

#[test]
fn the_machines_of_past_hogs_are_used_again() {
    for hogs in [1, 4] {
        alone(move || {
            let runtime = multi_thread(1);
            for _ in 0..10 {
                let stop = Stop::new();
                let running: Vec<_> = (0..hogs).map(|_| spawn_hog(&runtime, &stop)).collect();
                probe(&runtime);
                stop.stop();
                for hog in running {
                    runtime.block_on(hog).unwrap();
                }
            }
            assert!(runtime.metrics().hand_offs >= 10 * hogs as u64);
            assert_few_machines(&runtime, hogs);
        });
    }
}

#[test]
fn an_abort_takes_effect_when_the_handed_off_poll_ends() {
    alone(|| {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let (started, ends, drops) = (Signal::default(), stop.signal(), Count::default());
        let (running, dropped) = (started.clone(), CountsDrop(drops.clone()));
        let hog = runtime.spawn(async move {
            let _dropped = dropped;
            running.set();
            ends.spin();
            std::future::pending::<()>().await;
        });
        started.wait("the hog runs");
        probe(&runtime);
        hog.abort();
        probe(&runtime);
        assert!(!hog.is_finished());
        assert_eq!(drops.get(), 0, "nobody drops a future that is being polled");
        stop.stop();
        assert!(runtime.block_on(hog).unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
    });
}

// ---- when nobody waits ----

#[test]
fn a_lone_hog_is_left_alone() {
    for workers in [1, 2] {
        alone(move || {
            let runtime = multi_thread(workers);
            let stop = Stop::new();
            let hog = spawn_hog(&runtime, &stop);
            thread::sleep(Duration::from_millis(200));
            let metrics = runtime.metrics();
            assert_eq!((metrics.requests, metrics.hand_offs), (0, 0), "{metrics:?}");
            assert_eq!(metrics.machine_threads, workers);
            stop.stop();
            runtime.block_on(hog).unwrap();
        });
    }
}

/// Beside a hog there is a processor for whoever else comes: nobody has to give way.
#[test]
fn a_hog_with_a_free_processor_beside_it_keeps_its_own() {
    alone(|| {
        let runtime = multi_thread(2);
        let stop = Stop::new();
        let hog = spawn_hog(&runtime, &stop);
        for _ in 0..50 {
            probe(&runtime);
            thread::sleep(Duration::from_micros(500));
        }
        // Not none at all: the kernel may keep the other thread from running for a while.
        let metrics = runtime.metrics();
        assert!(metrics.hand_offs <= 5, "{metrics:?}");
        stop.stop();
        runtime.block_on(hog).unwrap();
    });
}

#[test]
fn without_hand_off_an_endless_poll_keeps_its_processor() {
    alone(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .hand_off(false)
            .max_detached(0)
            .build()
            .unwrap();
        let stop = Stop::new();
        let hog = spawn_hog(&runtime, &stop);
        let probe = runtime.spawn(async {});
        thread::sleep(Duration::from_millis(100));
        assert!(!probe.is_finished());
        stop.stop();
        runtime.block_on(async {
            hog.await.unwrap();
            probe.await.unwrap();
        });
        assert_eq!(runtime.metrics().hand_offs, 0);
    });
}

// ---- block_in_place ----

#[test]
fn block_in_place_hands_the_processor_off_at_once() {
    alone(|| {
        // So long a slice that the monitor does nothing.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .time_slice(Duration::from_secs(60))
            .preempt_on_wake(false)
            .build()
            .unwrap();
        for _ in 0..20 {
            let (sender, receiver) = std::sync::mpsc::channel();
            let blocked = runtime.spawn(async move {
                let other = preempt::spawn(async move { sender.send(7).unwrap() });
                let received = block_in_place(|| receiver.recv().unwrap());
                other.await.unwrap();
                received
            });
            assert_eq!(runtime.block_on(blocked).unwrap(), 7);
        }
        let metrics = runtime.metrics();
        assert_eq!((metrics.hand_offs, metrics.hand_offs_by_monitor), (20, 0), "{metrics:?}");
        assert_few_machines(&runtime, 1);
    });
}

#[test]
fn block_in_place_hands_off_also_where_the_monitor_may_not() {
    alone(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .hand_off(false)
            .max_detached(0)
            .build()
            .unwrap();
        let blocked = runtime.spawn(async {
            let (sender, receiver) = std::sync::mpsc::channel();
            preempt::spawn(async move { sender.send(7).unwrap() });
            block_in_place(|| receiver.recv().unwrap())
        });
        assert_eq!(runtime.block_on(blocked).unwrap(), 7);
    });
}

#[test]
fn block_in_place_nests() {
    alone(|| {
        let runtime = multi_thread(1);
        let task = runtime.spawn(async {
            let inner = block_in_place(|| {
                block_in_place(|| preempt::runtime::Handle::current().block_on(async { 7 }))
            });
            yield_now().await;
            inner
        });
        assert_eq!(runtime.block_on(task).unwrap(), 7);
        assert_eq!(runtime.metrics().hand_offs, 1);
    });
}

/// After a current-thread runtime was driven inside `block_in_place`, the thread is again one whose
/// checkpoints work.
#[test]
fn checkpoints_work_after_another_runtime_was_driven_on_the_thread() {
    alone(|| {
        // Without the monitor's hand-off only a checkpoint lets anybody past a hog.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .hand_off(false)
            .max_detached(0)
            .build()
            .unwrap();
        for _ in 0..4 {
            let visit = runtime.spawn(async {
                block_in_place(|| {
                    let inner = current_thread();
                    inner.block_on(async { inner.spawn(async { 7 }).await.unwrap() })
                })
            });
            assert_eq!(runtime.block_on(visit).unwrap(), 7);
            let stop = Stop::new();
            let hog = runtime.spawn(Manners::SyncCheckpoint.hog(stop.signal()));
            probe(&runtime);
            stop.stop();
            runtime.block_on(hog).unwrap();
        }
        let metrics = runtime.metrics();
        assert!(metrics.hand_offs_at_checkpoint > 0, "{metrics:?}");
    });
}

// ---- storms ----

/// What the storms count.
#[derive(Default)]
struct Tally {
    runs: Vec<AtomicU32>,
    sent: AtomicUsize,
    received: AtomicUsize,
    children: AtomicUsize,
}

/// Each task sends to others, spawns children, and burns now and then more than a slice. Every
/// task runs to its end exactly once, every message arrives.
fn storm(workers: usize, slice: Duration, manners: &'static [Manners], seed: u64) {
    const TASKS: usize = 100;
    const ROUNDS: u64 = 20;
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .time_slice(slice)
        .build()
        .expect("a runtime");
    let tally = Arc::new(Tally {
        runs: (0..TASKS).map(|_| AtomicU32::new(0)).collect(),
        ..Tally::default()
    });
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..TASKS).map(|_| tokio::sync::mpsc::unbounded_channel::<usize>()).unzip();
    let senders: Arc<[_]> = senders.into();
    let mut tasks = JoinSet::new();
    for (index, mut receiver) in receivers.into_iter().enumerate() {
        let (tally, senders) = (tally.clone(), senders.clone());
        let task = async move {
            let mut random = Random::new(seed * 1_000 + index as u64);
            let mut children = Vec::new();
            for _ in 0..ROUNDS {
                let to = random.below(TASKS as u64) as usize;
                tally.sent.fetch_add(1, SeqCst);
                senders[to].send(index).expect("receivers outlive the senders");
                match random.below(8) {
                    0 => storm_burn(manners, &mut random).await,
                    1 => sleep(Duration::from_micros(random.below(500))).await,
                    2 => yield_now().await,
                    3 => {
                        let tally = tally.clone();
                        children.push(preempt::spawn(async move {
                            yield_now().await;
                            tally.children.fetch_add(1, SeqCst);
                        }));
                    }
                    _ => {
                        while receiver.try_recv().is_ok() {
                            tally.received.fetch_add(1, SeqCst);
                        }
                    }
                }
            }
            drop(senders);
            while receiver.recv().await.is_some() {
                tally.received.fetch_add(1, SeqCst);
            }
            let spawned = children.len();
            for child in children {
                child.await.expect("a child runs to its end");
            }
            tally.runs[index].fetch_add(1, SeqCst);
            spawned
        };
        tasks.spawn_on(task, runtime.handle());
    }
    drop(senders);
    let spawned: usize = runtime.block_on(tasks.join_all()).into_iter().sum();
    assert!(tally.runs.iter().all(|runs| runs.load(SeqCst) == 1));
    assert_eq!(tally.received.load(SeqCst), tally.sent.load(SeqCst));
    assert_eq!(tally.children.load(SeqCst), spawned);
    eventually("no task is left", || runtime.metrics().live_tasks == 0);
}

/// Burns up to 3 ms, in one of the given manners.
async fn storm_burn(manners: &[Manners], random: &mut Random) {
    let time = Duration::from_micros(random.below(3_000));
    match manners[random.below(manners.len() as u64) as usize] {
        Manners::Unannotated => burn(time),
        Manners::SyncCheckpoint => {
            for _ in 0..100 {
                burn(time / 100);
                preempt::checkpoint();
            }
        }
        Manners::AsyncCheckpoint => {
            for _ in 0..100 {
                burn(time / 100);
                async_checkpoint().await;
            }
        }
    }
}

fn storms(workers: usize, slice_us: u64, manners: &'static [Manners]) {
    alone(move || {
        for seed in 0..4 {
            storm(workers, Duration::from_micros(slice_us), manners, seed);
        }
    });
}

#[test]
fn nothing_is_lost_in_a_storm_on_one_processor() {
    storms(1, 100, &Manners::ALL);
}

#[test]
fn nothing_is_lost_in_a_storm_on_two_processors() {
    storms(2, 300, &Manners::ALL);
}

#[test]
fn nothing_is_lost_in_a_storm_on_four_processors() {
    storms(4, 1_000, &Manners::ALL);
}

#[test]
fn nothing_is_lost_in_a_storm_of_unannotated_polls() {
    storms(2, 100, &[Manners::Unannotated]);
}

#[test]
fn nothing_is_lost_in_a_storm_of_sync_checkpoints() {
    storms(2, 100, &[Manners::SyncCheckpoint]);
}
