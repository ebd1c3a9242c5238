//! Goal: with more hogs than may be suspended all go on, with many hogs each gets its share, and a
//! storm of everything ends.
//! Method: counters of work; ratios between them, never times.

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use preempt::runtime::Backend;
use preempt::task::{JoinError, JoinHandle, yield_now};
use preempt::time::{sleep, timeout};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Hogs that count their work until they are told to stop.
fn spawn_hogs(runtime: &preempt::runtime::Runtime, hogs: usize, stop: &Stop) -> Vec<Count> {
    let counts: Vec<Count> = (0..hogs).map(|_| Count::default()).collect();
    for count in &counts {
        let (count, stop) = (count.clone(), stop.signal());
        runtime.spawn(async move {
            while !stop.is_set() {
                work(1_000);
                count.add_one();
            }
        });
    }
    counts
}

#[test]
fn more_hogs_than_may_be_suspended() {
    on_each(|builder| {
        const HOGS: usize = 16;
        const MOST_DETACHED: usize = 4;
        let runtime = builder.max_detached(MOST_DETACHED).build().unwrap();
        let threads_before = threads();
        let stop = Stop::new();
        let counts = spawn_hogs(&runtime, HOGS, &stop);
        for _ in 0..3 {
            let before: Vec<usize> = counts.iter().map(Count::get).collect();
            eventually("all go on", || {
                let metrics = runtime.metrics();
                assert!(metrics.detached_polls <= MOST_DETACHED, "{metrics:?}");
                assert!(metrics.machine_threads <= metrics.processors + HOGS + 1, "{metrics:?}");
                counts.iter().zip(&before).all(|(count, before)| count.get() > *before)
            });
        }
        let metrics = runtime.metrics();
        assert!(metrics.detaches > 0 && metrics.hand_offs > 0, "{metrics:?}");
        // A machine is a thread and its fiber another.
        assert!(threads() - threads_before <= 2 * (HOGS + metrics.processors) + MOST_DETACHED + 8);
    });
}

#[test]
fn hogs_share_one_processor() {
    let _serial = serial();
    for &backend in backends() {
        within(LIMIT, move || {
            let runtime = builder(backend, 1).time_slice(Duration::from_millis(1)).build().unwrap();
            let stop = Stop::new();
            let counts = spawn_hogs(&runtime, 8, &stop);
            let deadline = Instant::now() + LIMIT / 2;
            // Many turns of each, however busy the machine is.
            while Instant::now() < deadline && runtime.metrics().detaches < 2_000 {
                thread::sleep(Duration::from_millis(10));
            }
            drop(stop);
            let work: Vec<f64> = counts.iter().map(|count| count.get() as f64).collect();
            let (sum, squares) =
                work.iter().fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
            let mean = sum / work.len() as f64;
            // Jain, Chiu and Hawe: A Quantitative Measure of Fairness, 1984.
            let index = sum * sum / (work.len() as f64 * squares);
            println!("{backend}: Jain's index {index:.3}, {work:?}, {:?}", runtime.metrics());
            assert!(work.iter().all(|w| (0.5..=2.0).contains(&(w / mean))), "{work:?}");
            assert!(index > 0.9, "{index}");
        });
    }
}

// ---- everything at once ----

/// What a task of the storm does; how it has to end.
async fn something(kind: u64, seed: u64, lock: Arc<Mutex<u64>>) -> u64 {
    let mut random = Random::new(seed);
    let slices = random.below(8);
    match kind {
        0 => work_slices(slices),
        1 => {
            work_slices(slices);
            panic!("on purpose");
        }
        2 => {
            let mut guard = lock.lock().unwrap();
            *guard += 1;
            let before = *guard;
            work_slices(slices);
            assert_eq!(*guard, before);
        }
        3 => {
            let late = timeout(Duration::from_micros(slices * 100), async {
                loop {
                    work_slices(1);
                    yield_now().await;
                }
            });
            let _elapsed: Result<(), _> = late.await;
        }
        4 => {
            for _ in 0..slices {
                sleep(Duration::from_micros(random.below(500))).await;
                work_slices(1);
            }
        }
        5 => {
            let inner = preempt::spawn(something_small(seed));
            work_slices(slices);
            if random.below(2) == 0 {
                inner.abort();
            } else if let Ok(found) = inner.await {
                assert_eq!(found, seed);
            }
        }
        6 => preempt::no_preempt(|| work_slices(slices)),
        7 => preempt::task::block_in_place(|| work_slices(slices)),
        8 => thread::sleep(Duration::from_micros(slices * 100)),
        _ => {
            let numbers: Vec<String> = (0..slices * 50).map(|number| number.to_string()).collect();
            let sum: u64 = numbers.iter().map(|text| text.parse::<u64>().unwrap()).sum();
            assert_eq!(sum, (slices * 50) * (slices * 50).saturating_sub(1) / 2);
        }
    }
    seed
}

async fn something_small(seed: u64) -> u64 {
    work_slices(1);
    yield_now().await;
    seed
}

/// Runtimes come, are stormed and go, also in the middle of the storm.
fn everything_at_once(backend: Backend, seed: u64) {
    const TASKS: u64 = 120;
    let mut random = Random::new(seed);
    for round in 0..6 {
        let runtime = builder(backend, 1 + (round % 2)).build().unwrap();
        let lock = Arc::new(Mutex::new(0));
        let mut tasks: Vec<(u64, u64, bool, JoinHandle<u64>)> = Vec::new();
        for _ in 0..TASKS {
            let (kind, seed) = (random.below(10), random.below(u64::MAX >> 33));
            let task = runtime.spawn(something(kind, seed, lock.clone()));
            let aborted = random.below(5) == 0;
            if aborted {
                task.abort();
            }
            tasks.push((kind, seed, aborted, task));
        }
        if round % 3 == 2 {
            // In the middle of it: every task still has an end.
            runtime.shutdown_timeout(Duration::from_micros(random.below(3_000)));
            let waits = preempt::runtime::Builder::new_current_thread().build().unwrap();
            for (kind, seed, _, task) in tasks {
                check(kind, seed, true, waits.block_on(task));
            }
        } else {
            for (kind, seed, aborted, task) in tasks {
                check(kind, seed, aborted, runtime.block_on(task));
            }
        }
    }
}

fn check(kind: u64, seed: u64, may_be_cancelled: bool, end: Result<u64, JoinError>) {
    match end {
        Ok(value) => assert_eq!((value, kind == 1), (seed, false)),
        Err(error) if error.is_cancelled() => assert!(may_be_cancelled, "kind {kind}"),
        Err(error) => {
            let text = text_of(&*error.into_panic());
            // A runtime that has shut down has no timers for the polls that go on.
            let without_timers = may_be_cancelled && text.contains("runtime has shut down");
            let expected = if kind == 1 { text == "on purpose" } else { without_timers };
            assert!(expected, "kind {kind}: {text}");
        }
    }
}

#[test]
fn a_storm_of_everything() {
    Child::each_backend(
        "a_storm_of_everything",
        |backend| {
            std::panic::set_hook(Box::new(|info| {
                let text = text_of(info.payload());
                if text != "on purpose" && !text.contains("runtime has shut down") {
                    eprintln!("{info}");
                }
            }));
            for seed in [1, 20_261_123] {
                everything_at_once(backend, seed);
            }
        },
        |child| child.succeeded(),
    );
}
