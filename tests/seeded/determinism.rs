//! The same seed, the same schedule.

use crate::support::*;
use preempt::preemptible;
use preempt::runtime::{Builder, Runtime};
use preempt::sync::{Mutex as AsyncMutex, mpsc, watch};
use preempt::task::{JoinSet, LocalSet, spawn_blocking, spawn_local, yield_now};
use preempt::time::{Duration, Instant, sleep};
use std::collections::HashSet;
use std::process::Command;
use std::sync::{Arc, Mutex};

pub(crate) fn seeded(seed: u64) -> Runtime {
    Builder::new_seeded(seed).build().unwrap()
}

/// What a program did, in its order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        // Whoever has the lock is not preempted in between.
        preempt::no_preempt(|| self.0.lock().unwrap().push(what.into()));
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Loops of the kinds whose strips are learned from time.
#[preemptible]
fn count(log: &Log, name: &str, limit: u32) -> u32 {
    let mut sum = 0;
    for n in 0..limit {
        sum += step(n);
        if n % 16 == 0 {
            log.note(format!("{name} {n}"));
        }
    }
    let mut left = 20;
    while left > 0 {
        left -= 1;
        sum += step(left);
    }
    sum
}

#[preemptible]
fn step(n: u32) -> u32 {
    n.wrapping_mul(7)
}

#[preemptible]
async fn talk(log: Log, name: String, said: mpsc::Sender<u32>) {
    for n in 0..4 {
        yield_now().await;
        log.note(format!("{name} says {n}"));
        if said.send(n).await.is_err() {
            return;
        }
    }
}

/// A bit of everything.
async fn program(log: Log) {
    let (said, mut heard) = mpsc::channel(2);
    let mut tasks = JoinSet::new();
    for name in 0..3 {
        tasks.spawn(talk(log.clone(), format!("talker {name}"), said.clone()));
    }
    drop(said);
    for name in 0..3 {
        let log = log.clone();
        tasks.spawn(async move {
            count(&log, &format!("counter {name}"), 64);
        });
    }
    for name in 0..2 {
        let log = log.clone();
        tasks.spawn(async move {
            sleep(Duration::from_secs(60)).await;
            log.note(format!("sleeper {name}"));
        });
    }
    let blocking = spawn_blocking({
        let log = log.clone();
        move || count(&log, "blocking", 64)
    });
    while let Some(n) = heard.recv().await {
        log.note(format!("heard {n}"));
        preempt::select! {
            () = yield_now() => log.note("first"),
            () = yield_now() => log.note("second"),
        }
    }
    while let Some(done) = tasks.join_next_with_id().await {
        done.unwrap();
        log.note("joined");
    }
    log.note(format!("sum {}", blocking.await.unwrap()));
}

fn run(seed: u64) -> (Vec<String>, u64) {
    within(LIMIT, move || {
        let runtime = seeded(seed);
        let log = Log::default();
        runtime.block_on(program(log.clone()));
        (log.take(), runtime.schedule_hash().unwrap())
    })
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    let expected = run(7);
    for _ in 0..50 {
        assert_eq!(run(7), expected);
    }
}

#[test]
fn other_seeds_give_other_schedules() {
    let runs: Vec<_> = (0..50).map(run).collect();
    let logs: HashSet<_> = runs.iter().map(|(log, _)| log).collect();
    let hashes: HashSet<_> = runs.iter().map(|(_, hash)| hash).collect();
    assert!(logs.len() >= 45 && hashes.len() == 50, "{} {}", logs.len(), hashes.len());
    let mut sorted: Vec<Vec<String>> = runs.iter().map(|(log, _)| log.clone()).collect();
    for log in &mut sorted {
        log.retain(|line| line != "first" && line != "second");
        log.sort();
        assert_eq!(*log, sorted_first(&runs[0].0), "the same things in another order");
    }
}

fn sorted_first(log: &[String]) -> Vec<String> {
    let mut log: Vec<_> =
        log.iter().filter(|line| *line != "first" && *line != "second").cloned().collect();
    log.sort();
    log
}

/// Prints its hash for the test below, which runs it in other processes.
#[test]
fn print_the_hash() {
    println!("hash={:x} of {} lines", run(7).1, run(7).0.len());
}

#[test]
fn other_processes_have_the_same_schedule() {
    let ours = format!("hash={:x} of", run(7).1);
    for _ in 0..3 {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "determinism::print_the_hash", "--nocapture"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(&ours), "{ours}: {text}");
    }
}

#[test]
fn load_changes_nothing() {
    let expected = run(3);
    let load: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(|| (0..5).for_each(|_| burn(Duration::from_millis(20)))))
        .collect();
    for _ in 0..10 {
        assert_eq!(run(3), expected);
    }
    load.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn many_runtimes_at_a_time_do_not_disturb_each_other() {
    let expected: Vec<_> = (0..4).map(run).collect();
    let threads: Vec<_> = (0..4).map(|seed| std::thread::spawn(move || run(seed))).collect();
    let found: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(found, expected);
}

/// What a loop has learned from time is shared by the process; here it must not matter.
#[test]
fn what_other_runtimes_have_learned_about_a_loop_does_not_matter() {
    #[preemptible]
    fn spin(limit: u64) -> u64 {
        let mut sum = 0_u64;
        for n in 0..limit {
            sum = sum.wrapping_add(std::hint::black_box(n));
        }
        sum
    }
    let hash = || {
        let runtime = seeded(1);
        runtime.block_on(async {
            let tasks = [(); 2].map(|()| preempt::spawn(async { spin(5_000) }));
            for task in tasks {
                task.await.unwrap();
            }
        });
        (runtime.schedule_hash().unwrap(), runtime.metrics().detaches)
    };
    let before = hash();
    assert!(before.1 > 100, "it is preempted in the loop: {before:?}");
    multi_thread(1).block_on(async { preempt::spawn(async { spin(30_000_000) }).await.unwrap() });
    assert_eq!(hash(), before);
}

#[test]
fn the_first_branch_of_a_select_follows_the_seed() {
    let branches = |seed| {
        seeded(seed).block_on(async {
            let mut taken = Vec::new();
            for _ in 0..40 {
                taken.push(preempt::select! {
                    () = async {} => 0,
                    () = async {} => 1,
                    () = async {} => 2,
                });
            }
            taken
        })
    };
    let first = branches(5);
    assert_eq!(first, branches(5));
    assert_ne!(first, branches(6));
    for branch in 0..3 {
        assert!(first.contains(&branch), "{first:?}");
    }
}

#[test]
fn a_biased_select_and_one_with_an_else_stay_what_they_are() {
    seeded(0).block_on(async {
        for _ in 0..20 {
            let taken = preempt::select! {
                biased;
                () = async {} => 0,
                () = async {} => 1,
            };
            assert_eq!(taken, 0);
            let off = false;
            let taken = preempt::select! {
                Some(n) = async { None::<u32> } => n,
                n = async { 3 }, if off => n,
                else => 9,
            };
            assert_eq!(taken, 9);
        }
    });
}

#[test]
fn tasks_of_a_local_set_follow_the_seed() {
    let order = |seed| {
        within(LIMIT, move || {
            let log = Log::default();
            let tasks = {
                let log = log.clone();
                async move {
                    let tasks = [0, 1, 2, 3].map(|name| {
                        let log = log.clone();
                        spawn_local(async move {
                            for n in 0..3 {
                                log.note(format!("{name} {n}"));
                                yield_now().await;
                            }
                        })
                    });
                    for task in tasks {
                        task.await.unwrap();
                    }
                }
            };
            LocalSet::new().block_on(&seeded(seed), tasks);
            log.take()
        })
    };
    assert_eq!(order(4), order(4));
    let orders: HashSet<_> = (0..20).map(order).collect();
    assert!(orders.len() > 10, "{}", orders.len());
}

/// `watch` wakes those who wait in an order that it draws itself.
#[test]
fn the_order_in_which_tasks_are_woken_does_not_matter() {
    let hash = |is_local: bool| {
        within(LIMIT, move || {
            let runtime = seeded(2);
            let log = Log::default();
            let watch = {
                let log = log.clone();
                async move {
                    let (sender, receiver) = watch::channel(0);
                    let tasks = [0, 1, 2, 3, 4, 5, 6, 7].map(|name| {
                        let (mut receiver, log) = (receiver.clone(), log.clone());
                        let task = async move {
                            while receiver.changed().await.is_ok() {
                                log.note(format!("{name} sees {}", *receiver.borrow_and_update()));
                            }
                        };
                        if is_local { spawn_local(task) } else { preempt::spawn(task) }
                    });
                    for n in 1..5 {
                        sleep(Duration::from_secs(1)).await;
                        sender.send(n).unwrap();
                    }
                    drop(sender);
                    for task in tasks {
                        task.await.unwrap();
                    }
                }
            };
            if is_local {
                LocalSet::new().block_on(&runtime, watch);
            } else {
                runtime.block_on(watch);
            }
            (runtime.schedule_hash(), log.take())
        })
    };
    for is_local in [false, true] {
        let expected = hash(is_local);
        for _ in 0..20 {
            assert_eq!(hash(is_local), expected);
        }
    }
}

#[test]
fn time_is_the_same_in_each_run() {
    let times = || {
        seeded(9).block_on(async {
            let start = Instant::now();
            let mut times = Vec::new();
            for _ in 0..10 {
                let lock = Arc::new(AsyncMutex::new(()));
                sleep(Duration::from_nanos(12_345_678)).await;
                drop(lock.lock().await);
                times.push(start.elapsed());
            }
            times
        })
    };
    let expected: Vec<_> = (1..=10).map(|n| n * Duration::from_nanos(12_345_678)).collect();
    assert_eq!(times(), expected);
}

/// Goes on until its task is aborted.
#[preemptible(cancel)]
fn compute_on(log: &Log) {
    for n in 0_u64.. {
        if step(n as u32).is_multiple_of(64) {
            log.note(format!("computes {n}"));
        }
    }
}

#[test]
fn a_task_that_computes_is_aborted_at_the_same_checkpoint() {
    let run = |seed| {
        let runtime = seeded(seed);
        let log = Log::default();
        let error = runtime.block_on(async {
            let computes = preempt::spawn({
                let log = log.clone();
                async move { compute_on(&log) }
            });
            // The clock stands still while the task computes.
            for _ in 0..5 {
                yield_now().await;
            }
            computes.abort();
            computes.await.unwrap_err()
        });
        assert!(error.is_cancelled());
        (runtime.schedule_hash(), log.take())
    };
    within(LIMIT, move || {
        let different: HashSet<_> = (0..20).map(|seed| run(seed).1).collect();
        assert!(different.len() > 1, "seeds have it aborted at different places");
        for seed in 0..5 {
            assert_eq!(run(seed), run(seed));
        }
    });
}
