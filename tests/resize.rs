//! Goal: the number of processors can change at any time; no task, timer, event or wake-up is lost, no
//! more tasks run at a time than there are processors, and threads without one become spare.
//! Method: changes from outside and from tasks, beside idle workers, hogs and storms of tasks; machines
//! are counted by the metrics.

mod support;

use preempt::io::{AsyncReadExt, AsyncWriteExt};
use preempt::net::{TcpListener, TcpStream};
use preempt::runtime::{Builder, Handle, Runtime};
use preempt::sync::Notify;
use preempt::task::{JoinHandle, JoinSet, block_in_place, yield_now};
use preempt::time::sleep;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use support::*;

/// Runs one test, alone and with a deadline.
fn alone(body: impl FnOnce() + Send + 'static) {
    let _one = serial();
    within(LIMIT, body);
}

/// Waits until so many machines have a processor, in a runtime without polls that have lost theirs.
fn wait_for_machines(handle: &Handle, count: usize) {
    eventually("the machines follow", || {
        let metrics = handle.metrics();
        metrics.machine_threads - metrics.spare_machine_threads == count
    });
}

/// Returns when another task has run.
fn probe(runtime: &Runtime) {
    runtime.block_on(runtime.spawn(async {})).expect("the probe runs");
}

// ---- the number ----

#[test]
fn idle_processors_retire_and_come_back() {
    alone(|| {
        let runtime = multi_thread(4);
        for count in [1, 3, 2, 4, 1, 4] {
            runtime.handle().set_processors(count).unwrap();
            assert_eq!(runtime.metrics().num_workers(), count);
            wait_for_machines(runtime.handle(), count);
            probe(&runtime);
        }
        assert_eq!(runtime.metrics().machine_threads, 4, "the threads are used again");
    });
}

/// `tasks` tasks that end when all of them run at the same moment.
fn meeting(runtime: &Runtime, tasks: usize) -> Vec<JoinHandle<()>> {
    let here = Count::default();
    let task = || {
        let here = here.clone();
        runtime.spawn(async move {
            here.add_one();
            while here.get() < tasks {
                std::hint::spin_loop();
            }
        })
    };
    (0..tasks).map(|_| task()).collect()
}

#[test]
fn so_many_tasks_run_at_the_same_moment() {
    alone(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(4).max_detached(0).hand_off(false);
        let runtime = undisturbed(builder);
        runtime.handle().set_processors(1).unwrap();
        wait_for_machines(runtime.handle(), 1);
        runtime.handle().set_processors(3).unwrap();
        for task in meeting(&runtime, 3) {
            runtime.block_on(task).unwrap();
        }
    });
}

#[test]
fn no_more_tasks_run_at_a_time_than_there_are_processors() {
    alone(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(4).max_detached(0).hand_off(false);
        let runtime = undisturbed(builder);
        let [running, most] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let stop = Stop::new();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (running, most, ends) = (running.clone(), most.clone(), stop.signal());
                runtime.spawn(async move {
                    while !ends.is_set() {
                        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                        work(2_000);
                        running.fetch_sub(1, SeqCst);
                        yield_now().await;
                    }
                })
            })
            .collect();
        eventually("more than two at a time", || most.load(SeqCst) > 2);
        for count in [2, 1, 2] {
            runtime.handle().set_processors(count).unwrap();
            wait_for_machines(runtime.handle(), count);
            most.store(0, SeqCst);
            eventually("all that may", || most.load(SeqCst) >= count);
            std::thread::sleep(Duration::from_millis(20));
            assert!(most.load(SeqCst) <= count, "{} instead of {count}", most.load(SeqCst));
        }
        stop.stop();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}

#[test]
fn a_task_takes_its_own_processor_away() {
    alone(|| {
        let runtime = multi_thread(4);
        let change = |count| async move {
            Handle::current().set_processors(count).unwrap();
            yield_now().await;
            Handle::current().metrics().num_workers()
        };
        for count in [1, 4, 2, 3, 1] {
            let task = runtime.spawn(change(count));
            assert_eq!(runtime.block_on(task).unwrap(), count);
        }
        wait_for_machines(runtime.handle(), 1);
    });
}

// ---- errors ----

#[test]
fn a_number_out_of_range_is_refused_with_the_range() {
    alone(|| {
        let runtime = multi_thread(4);
        for wrong in [0, 40_000] {
            let error = runtime.handle().set_processors(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(text.contains("must be 1 to") && text.contains(&wrong.to_string()));
        }
        assert_eq!(runtime.metrics().num_workers(), 4, "nothing has changed");
    });
}

#[test]
fn a_current_thread_runtime_has_one() {
    let error = current_thread().handle().set_processors(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("new_multi_thread"));
}

#[test]
fn after_shutdown_there_are_none() {
    alone(|| {
        let runtime = multi_thread(2);
        let handle = runtime.handle().clone();
        drop(runtime);
        assert!(handle.set_processors(1).unwrap_err().to_string().contains("shut down"));
    });
}

// ---- nothing is lost ----

#[test]
fn the_processor_that_waits_for_events_retires() {
    alone(|| {
        let runtime = multi_thread(4);
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            for round in 0_u8..40 {
                let echo = preempt::spawn(async move {
                    let mut peer = TcpStream::connect(addr).await.unwrap();
                    let mut byte = [0];
                    peer.read_exact(&mut byte).await.unwrap();
                    byte[0]
                });
                let (mut stream, _) = listener.accept().await.unwrap();
                // All workers go to sleep, one of them until there is an event.
                sleep(Duration::from_millis(2)).await;
                Handle::current().set_processors(1 + usize::from(round) % 4).unwrap();
                stream.write_all(&[round]).await.unwrap();
                assert_eq!(echo.await.unwrap(), round);
            }
        });
    });
}

#[test]
fn timers_of_a_retired_processor_fire() {
    alone(|| {
        let runtime = multi_thread(4);
        let fired = Count::default();
        let timers: Vec<_> = (0..400)
            .map(|index| {
                let fired = fired.clone();
                runtime.spawn(async move {
                    sleep(Duration::from_micros(100 * index)).await;
                    fired.add_one();
                })
            })
            .collect();
        for count in [1, 4, 1, 2, 1] {
            runtime.handle().set_processors(count).unwrap();
            std::thread::sleep(Duration::from_millis(8));
        }
        for timer in timers {
            runtime.block_on(timer).unwrap();
        }
        assert_eq!(fired.get(), 400);
    });
}

fn hogs_go_on(manners: Manners) {
    alone(move || {
        let runtime = multi_thread(4);
        let stop = Stop::new();
        let hogs: Vec<_> = (0..6).map(|_| runtime.spawn(manners.hog(stop.signal()))).collect();
        for count in [1, 4, 2, 1, 3] {
            runtime.handle().set_processors(count).unwrap();
            for _ in 0..5 {
                probe(&runtime);
            }
        }
        stop.stop();
        for hog in hogs {
            runtime.block_on(hog).unwrap();
        }
        wait_for_machines(runtime.handle(), 3);
    });
}

#[test]
fn hogs_with_async_checkpoints_go_on() {
    hogs_go_on(Manners::AsyncCheckpoint);
}

#[test]
fn hogs_with_sync_checkpoints_go_on() {
    hogs_go_on(Manners::SyncCheckpoint);
}

#[test]
fn unannotated_hogs_go_on() {
    hogs_go_on(Manners::Unannotated);
}

#[test]
fn a_poll_that_nobody_waits_behind_gives_its_processor_up() {
    alone(|| {
        let runtime = multi_thread(2);
        let stop = Stop::new();
        let hogs: Vec<_> =
            (0..2).map(|_| runtime.spawn(Manners::Unannotated.hog(stop.signal()))).collect();
        eventually("both run", || runtime.metrics().tasks.running == 2);
        runtime.handle().set_processors(1).unwrap();
        wait_for_machines(runtime.handle(), 1);
        stop.stop();
        for hog in hogs {
            runtime.block_on(hog).unwrap();
        }
    });
}

#[test]
fn a_poll_that_is_blocked_gives_its_processor_up() {
    alone(|| {
        let runtime = multi_thread(2);
        let (started, ends) = (Signal::default(), Stop::new());
        let (running, over) = (started.clone(), ends.signal());
        let blocked = runtime.spawn(async move {
            running.set();
            over.wait("the test lets it go");
        });
        started.wait("it runs");
        runtime.handle().set_processors(1).unwrap();
        for _ in 0..20 {
            probe(&runtime);
        }
        ends.stop();
        runtime.block_on(blocked).unwrap();
        wait_for_machines(runtime.handle(), 1);
    });
}

/// One task of a storm: a chain of what tasks do.
async fn storm_task(seed: u64, all: Arc<Notify>, done: Count) {
    let mut random = Random::new(seed);
    for _ in 0..20 {
        match random.below(7) {
            0 => sleep(Duration::from_micros(random.below(500))).await,
            1 => preempt::spawn(async {}).await.expect("a child"),
            2 => burn(Duration::from_micros(random.below(300))),
            3 => all.notify_one(),
            4 => block_in_place(|| std::thread::sleep(Duration::from_micros(50))),
            _ => yield_now().await,
        }
    }
    done.add_one();
}

fn storm(builder: &mut Builder, seed: u64) {
    let runtime = builder.build().expect("a runtime");
    let (all, done) = (Arc::new(Notify::new()), Count::default());
    let mut random = Random::new(seed);
    let mut tasks = JoinSet::new();
    for index in 0..400 {
        tasks.spawn_on(storm_task(seed + index, all.clone(), done.clone()), runtime.handle());
        if random.below(10) == 0 {
            runtime.handle().set_processors(1 + random.below(4) as usize).unwrap();
        }
    }
    while done.get() < 400 && !tasks.is_empty() {
        runtime.handle().set_processors(1 + random.below(4) as usize).unwrap();
        std::thread::sleep(Duration::from_micros(random.below(2_000)));
        while tasks.try_join_next().is_some() {}
    }
    let ended = runtime.block_on(tasks.join_all());
    drop(ended);
    assert_eq!(done.get(), 400);
}

#[test]
fn a_storm_of_tasks_loses_none() {
    alone(|| {
        for seed in 0..4 {
            storm(Builder::new_multi_thread().worker_threads(4), seed);
        }
    });
}

#[test]
fn a_storm_with_short_slices_loses_none() {
    alone(|| {
        let slice = Duration::from_micros(200);
        for seed in 10..14 {
            storm(Builder::new_multi_thread().worker_threads(4).time_slice(slice), seed);
        }
    });
}

#[test]
fn a_storm_without_fibers_loses_none() {
    alone(|| {
        for seed in 20..24 {
            storm(Builder::new_multi_thread().worker_threads(4).max_detached(0), seed);
        }
    });
}

#[test]
fn the_world_stops_while_processors_come_and_go() {
    alone(|| {
        let runtime = multi_thread(4);
        let handle = runtime.handle().clone();
        let (stop, beats) = (Stop::new(), Count::default());
        let tasks: Vec<_> = (0..6)
            .map(|index| {
                let (ends, beats) = (stop.signal(), beats.clone());
                runtime.spawn(async move {
                    while !ends.is_set() {
                        beats.add_one();
                        match index % 3 {
                            0 => yield_now().await,
                            1 => preempt::checkpoint(),
                            _ => work(100),
                        }
                    }
                })
            })
            .collect();
        let mut random = Random::new(5);
        for _ in 0..100 {
            handle.set_processors(1 + random.below(4) as usize).unwrap();
            let stood_still = handle.stop_the_world_within(LIMIT, |_| {
                let before = beats.get();
                // Also while it stands still.
                handle.set_processors(1 + random.below(4) as usize).unwrap();
                std::thread::sleep(Duration::from_micros(500));
                beats.get() == before
            });
            assert!(stood_still.unwrap());
        }
        stop.stop();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}

#[test]
fn a_runtime_shuts_down_while_processors_retire() {
    alone(|| {
        for round in 0..20 {
            let runtime = multi_thread(4);
            let stop = Stop::new();
            for _ in 0..6 {
                drop(runtime.spawn(Manners::AsyncCheckpoint.hog(stop.signal())));
            }
            runtime.handle().set_processors(1 + round % 4).unwrap();
            stop.stop();
            drop(runtime);
        }
    });
}
