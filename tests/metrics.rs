//! What a runtime counts.
//!
//! Goal: the numbers are those of what happened, also of each worker, and monitoring systems read them.
//! Method: workloads whose numbers are known; the text for Prometheus is read by another library.

mod support;

use preempt::net::UnixStream;
use preempt::runtime::{Builder, Runtime, RuntimeMetrics};
use preempt::task::{block_in_place, spawn_blocking, yield_now};
use preempt::time::{Duration, Instant, sleep};
use prometheus_parse::{Scrape, Value};
use std::collections::HashMap;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use support::{
    LIMIT, Stop, current_thread, eventually, multi_thread, one_undisturbed_worker, within,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn yields(times: u32) {
    for _ in 0..times {
        yield_now().await;
    }
}

/// When nothing goes on any more, and all of it is counted.
fn settled(runtime: &Runtime, tasks: usize) -> RuntimeMetrics {
    eventually("the tasks are over", || {
        let metrics = runtime.metrics();
        let polls = metrics.workers.iter().map(|worker| worker.poll_count).sum();
        let counted = metrics.poll_time_histogram.map_or(polls, |histogram| histogram.count());
        metrics.live_tasks == tasks
            && metrics.workers.iter().all(|worker| !worker.is_in_poll)
            && counted == polls
    });
    runtime.metrics()
}

#[test]
fn polls_and_tasks_are_counted() {
    within(LIMIT, || {
        let runtime = one_undisturbed_worker();
        assert_eq!(runtime.metrics().workers[0].poll_count, 0);
        for _ in 0..10 {
            runtime.block_on(runtime.spawn(yields(99))).unwrap();
        }
        let metrics = settled(&runtime, 0);
        assert_eq!(metrics.spawned_tasks_count, 10);
        assert_eq!(metrics.worker_poll_count(0), 1_000);
        assert_eq!(metrics.remote_schedule_count, 10, "all came from this thread");
        assert_eq!((metrics.num_workers(), metrics.num_alive_tasks()), (1, 0));
    });
}

#[test]
fn states_add_up() {
    within(LIMIT, || {
        let runtime = one_undisturbed_worker();
        let stop = Stop::new();
        let (never, signal) = (stop.signal(), stop.signal());
        let forever: Vec<_> = (0..5).map(|_| runtime.spawn(std::future::pending::<()>())).collect();
        eventually("they wait", || runtime.metrics().tasks.waiting == 5);
        let started = Arc::new(AtomicBool::new(false));
        let is_started = started.clone();
        runtime.spawn(async move {
            is_started.store(true, SeqCst);
            while !signal.is_set() {
                spin_loop();
            }
        });
        eventually("the hog runs", || started.load(SeqCst));
        for _ in 0..3 {
            let never = never.clone();
            runtime.spawn(async move { assert!(never.is_set(), "the hog is in front of it") });
        }
        let metrics = runtime.metrics();
        let tasks = metrics.tasks;
        assert_eq!((tasks.running, tasks.queued, tasks.detached, tasks.waiting), (1, 3, 0, 5));
        assert_eq!((metrics.injection_queue_depth, metrics.queued_tasks), (3, 3));
        assert!(metrics.workers[0].is_in_poll);
        stop.stop();
        settled(&runtime, 5);
        drop(forever);
    });
}

/// Two plain hogs and more that wait: one after the other is suspended.
#[test]
fn detached_polls_are_a_state() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        for _ in 0..3 {
            let signal = stop.signal();
            runtime.spawn(async move {
                while !signal.is_set() {
                    spin_loop();
                    preempt::checkpoint();
                }
            });
        }
        eventually("some are suspended", || runtime.metrics().tasks.detached >= 2);
        let metrics = runtime.metrics();
        let tasks = metrics.tasks;
        let sum = tasks.running + tasks.queued + tasks.detached + tasks.waiting;
        assert_eq!((sum, metrics.live_tasks), (3, 3));
        stop.stop();
        settled(&runtime, 0);
    });
}

#[test]
fn a_full_queue_overflows() {
    within(LIMIT, || {
        let runtime = one_undisturbed_worker();
        let task = runtime.spawn(async {
            let tasks: Vec<_> = (0..1_000).map(|_| preempt::spawn(async {})).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        runtime.block_on(task).unwrap();
        let metrics = settled(&runtime, 0);
        assert!(metrics.overflow_count >= 129, "half a queue at least: {metrics:?}");
        assert_eq!(metrics.remote_schedule_count, 1);
    });
}

#[test]
fn stealing_and_sleeping_are_counted() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        eventually("both sleep", || runtime.metrics().workers.iter().all(|one| one.park_count > 0));
        let is_stolen = Arc::new(AtomicBool::new(false));
        let task = runtime.spawn({
            let is_stolen = is_stolen.clone();
            async move {
                let other = is_stolen.clone();
                preempt::spawn(async move { other.store(true, SeqCst) });
                // It does not give way, so another worker has to take it.
                preempt::no_preempt(|| {
                    while !is_stolen.load(SeqCst) {
                        spin_loop();
                    }
                });
            }
        });
        runtime.block_on(task).unwrap();
        let metrics = settled(&runtime, 0);
        let steals: u64 = metrics.workers.iter().map(|worker| worker.steal_count).sum();
        // Or the monitor was faster and gave the first worker's place to another thread.
        assert!(steals >= 1 || metrics.hand_offs >= 1, "{metrics:?}");
        for worker in 0..2 {
            let (parks, both) =
                (metrics.worker_park_count(worker), metrics.worker_park_unpark_count(worker));
            assert!((2 * parks..=2 * parks + 1).contains(&both), "{both} of {parks}");
            assert!(metrics.worker_steal_operations(worker) <= metrics.worker_steal_count(worker));
        }
    });
}

#[test]
fn a_sleeping_worker_is_not_busy() {
    within(LIMIT, || {
        let began = Instant::now();
        let runtimes = [multi_thread(1), current_thread()];
        for runtime in &runtimes {
            eventually("it sleeps", || runtime.metrics().workers[0].park_count > 0);
        }
        std::thread::sleep(Duration::from_millis(50));
        for runtime in &runtimes {
            let busy = runtime.metrics().worker_total_busy_duration(0);
            assert!(busy + Duration::from_millis(40) < began.elapsed(), "{busy:?}");
        }
        let before = runtimes[1].metrics().worker_total_busy_duration(0);
        runtimes[1].block_on(async {
            let until = Instant::now() + Duration::from_millis(20);
            while Instant::now() < until {
                spin_loop();
            }
        });
        let after = runtimes[1].metrics().worker_total_busy_duration(0);
        assert!(after - before >= Duration::from_millis(19), "{before:?} {after:?}");
    });
}

#[test]
fn timers_and_events_are_counted() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let before = runtime.metrics();
        assert_eq!((before.live_timers, before.fired_timers, before.io_sources), (0, 0, 0));
        let sleeper = runtime.spawn(async { sleep(Duration::from_secs(3600)).await });
        eventually("it is set", || runtime.metrics().live_timers == 1);
        for _ in 0..7 {
            runtime
                .block_on(runtime.spawn(async { sleep(Duration::from_millis(20)).await }))
                .unwrap();
        }
        // One that was over before it was polled for the first time has set no timer.
        assert!((1..=7).contains(&runtime.metrics().fired_timers));
        sleeper.abort();
        eventually("it is taken back", || runtime.metrics().live_timers == 0);
        let task = runtime.spawn(async {
            let (mut one, mut other) = UnixStream::pair().unwrap();
            let echo = preempt::spawn(async move {
                let mut byte = [0];
                while other.read_exact(&mut byte).await.is_ok() {
                    other.write_all(&byte).await.unwrap();
                }
            });
            for _ in 0..20 {
                one.write_all(b"x").await.unwrap();
                one.read_exact(&mut [0]).await.unwrap();
            }
            let sources = preempt::runtime::Handle::current().metrics().io_sources;
            drop(one);
            echo.await.unwrap();
            sources
        });
        assert_eq!(runtime.block_on(task).unwrap(), 2);
        let after = runtime.metrics();
        assert_eq!(after.io_sources, 0);
        assert!(after.io_driver_ready_count >= 20, "{after:?}");
        assert!(after.io_driver_poll_count > before.io_driver_poll_count);
    });
}

#[test]
fn blocking_threads_are_counted() {
    within(LIMIT, || {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).max_blocking_threads(1).build().unwrap();
        let stop = Stop::new();
        let signal = stop.signal();
        let _entered = runtime.enter();
        let first = spawn_blocking(move || eventually("it may end", || signal.is_set()));
        let second = spawn_blocking(|| {});
        eventually("one runs and one waits", || {
            let metrics = runtime.metrics();
            (metrics.num_blocking_threads(), metrics.blocking_queue_depth) == (1, 1)
        });
        stop.stop();
        runtime.block_on(async {
            first.await.unwrap();
            second.await.unwrap();
        });
        eventually("the thread waits", || runtime.metrics().num_idle_blocking_threads() == 1);
    });
}

#[test]
fn there_are_no_histograms_unless_they_are_asked_for() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        runtime.block_on(runtime.spawn(yields(10))).unwrap();
        let metrics = runtime.metrics();
        assert!(metrics.poll_time_histogram.is_none() && !metrics.poll_time_histogram_enabled());
        assert!(metrics.schedule_latency_histogram.is_none());
        assert_eq!(metrics.worker_mean_poll_time(0), Duration::ZERO);
        assert!(!metrics.to_prometheus().contains("histogram"));
    });
}

fn with_histograms(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers);
    builder.enable_metrics_poll_time_histogram();
    builder.enable_metrics_schedule_latency_histogram();
    support::undisturbed(builder)
}

/// Each poll is in the histograms, a long one in the right bucket.
#[test]
fn every_poll_is_in_the_histograms() {
    within(LIMIT, || {
        let runtime = with_histograms(1);
        runtime.block_on(runtime.spawn(yields(99))).unwrap();
        let long = runtime.spawn(async { std::thread::sleep(Duration::from_millis(20)) });
        runtime.block_on(long).unwrap();
        let metrics = settled(&runtime, 0);
        let polls = metrics.poll_time_histogram.clone().unwrap();
        assert_eq!(polls.count(), 101);
        assert_eq!(polls.count(), metrics.worker_poll_count(0));
        let is_long = |bucket: &usize| {
            metrics.poll_time_histogram_bucket_range(*bucket).end > Duration::from_millis(19)
        };
        let buckets = 0..metrics.poll_time_histogram_num_buckets();
        let count = |bucket| metrics.poll_time_histogram_bucket_count(0, bucket);
        assert!(buckets.filter(is_long).map(count).sum::<u64>() >= 1);
        assert!(polls.sum() >= Duration::from_millis(20));
        assert_eq!(metrics.schedule_latency_histogram.unwrap().count(), 101);
    });
}

/// The time from a wake-up to the poll: that of a task behind a long poll is long.
#[test]
fn a_task_behind_a_long_poll_has_a_long_latency() {
    within(LIMIT, || {
        let runtime = with_histograms(1);
        let task = runtime.spawn(async {
            let behind = preempt::spawn(async {});
            std::thread::sleep(Duration::from_millis(20));
            behind.await.unwrap();
        });
        runtime.block_on(task).unwrap();
        let latency = settled(&runtime, 0).schedule_latency_histogram.unwrap();
        assert!(latency.percentile(100.0) >= Duration::from_millis(19), "{latency:?}");
    });
}

/// A poll whose processor is taken away is counted once, for all workers together.
#[test]
fn a_poll_that_loses_its_processor_is_in_the_histogram() {
    within(LIMIT, || {
        let runtime = with_histograms(1);
        let task = runtime.spawn(async {
            block_in_place(|| std::thread::sleep(Duration::from_millis(20)));
        });
        runtime.block_on(task).unwrap();
        eventually("the thread is spare", || runtime.metrics().spare_machine_threads == 1);
        let metrics = settled(&runtime, 0);
        let (all, worker) =
            (metrics.poll_time_histogram.unwrap(), &metrics.workers[0].poll_time_histogram);
        assert_eq!(all.count(), 1);
        assert!(all.sum() >= Duration::from_millis(20));
        assert_eq!(worker.as_ref().unwrap().count(), 0);
    });
}

/// All of it is what another library reads: each number is the snapshot's.
#[test]
fn prometheus_reads_the_text() {
    within(LIMIT, || {
        let runtime = with_histograms(2);
        for _ in 0..5 {
            runtime.block_on(runtime.spawn(yields(20))).unwrap();
        }
        runtime.block_on(runtime.spawn(async { sleep(Duration::from_micros(100)).await })).unwrap();
        let metrics = settled(&runtime, 0);
        let text = metrics.to_prometheus();
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).expect("it is valid");
        let read = |name: &str, label: &str, value: &str| {
            let mut found = scrape.samples.iter().filter(|sample| {
                sample.metric == name
                    && (label.is_empty() || sample.labels.get(label) == Some(value))
            });
            let sample = found.next().unwrap_or_else(|| panic!("{name} {label}={value}"));
            assert!(found.next().is_none(), "each sample is there once: {name}");
            match sample.value {
                Value::Counter(value) | Value::Gauge(value) => value,
                ref other => panic!("{name}: {other:?}"),
            }
        };
        assert_eq!(read("preempt_workers", "", ""), 2.0);
        assert_eq!(read("preempt_spawned_tasks_total", "", ""), 6.0);
        assert_eq!(read("preempt_tasks", "state", "waiting"), 0.0);
        assert_eq!(read("preempt_timers_fired_total", "", ""), metrics.fired_timers as f64);
        assert_eq!(read("preempt_signal_refusals_total", "reason", "text"), 0.0);
        for (index, worker) in metrics.workers.iter().enumerate() {
            let polls = read("preempt_polls_total", "worker", &index.to_string());
            assert_eq!(polls, worker.poll_count as f64);
        }
        let histograms: HashMap<_, _> = scrape
            .samples
            .iter()
            .filter_map(|sample| match &sample.value {
                Value::Histogram(buckets) => Some((sample.metric.as_str(), buckets)),
                _ => None,
            })
            .collect();
        let polls = histograms["preempt_poll_seconds"];
        assert_eq!(polls.last().unwrap().count, 107.0);
        assert!(polls.last().unwrap().less_than.is_infinite());
        assert!(polls.windows(2).all(|pair| pair[0].count <= pair[1].count));
        assert!(histograms.contains_key("preempt_schedule_latency_seconds"));
        // Every family has its help and its type.
        let types = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        let helps = text.lines().filter(|line| line.starts_with("# HELP ")).count();
        assert!(types == helps && types > 20, "{types} {helps}");
    });
}
