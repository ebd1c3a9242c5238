//! Goal: a class of tasks goes before the lower ones and takes nothing of what they are guaranteed; a
//! time slice of its own decides how long a poll runs; nothing is lost in the queues of the classes.
//! Method: orders of what one undisturbed worker does; shares of work that hogs count themselves, as
//! ratios; polls that end only if they are preempted. No time is asserted.

mod support;

use preempt::runtime::{Builder, Handle, Runtime};
use preempt::sync::Notify;
use preempt::task::{self, JoinHandle, JoinSet, LocalSet, Priority, yield_now};
use preempt::time::sleep;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::*;

const CLASSES: [Priority; 3] = [Priority::Latency, Priority::Normal, Priority::Batch];

/// Whether a signal suspends polls here.
const HAS_SIGNALS: bool =
    cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"));

/// Those that work here without hand-offs.
fn all_manners() -> impl Iterator<Item = Manners> {
    Manners::ALL.into_iter().filter(|&manners| {
        manners == Manners::AsyncCheckpoint || (HAS_SIGNALS && manners != Manners::AsyncCheckpoint)
    })
}

fn spawn<F>(class: Priority, handle: &Handle, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    task::Builder::new().priority(class).spawn_on(future, handle).expect("spawning never fails")
}

fn alone(body: impl FnOnce() + Send + 'static) {
    let _one = serial();
    within(LIMIT, body);
}

/// What ran, in order.
#[derive(Clone, Default)]
struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Log<T> {
    fn note(&self, entry: T) {
        self.0.lock().unwrap().push(entry);
    }

    fn entries(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

/// A hog that counts what it does.
fn spawn_counting_hog(
    builder: task::Builder<'_>,
    runtime: &Runtime,
    manners: Manners,
    stop: Signal,
) -> Arc<AtomicU64> {
    let done = Arc::new(AtomicU64::new(0));
    let count = done.clone();
    let hog = async move {
        while !stop.is_set() {
            work(100);
            count.fetch_add(1, Relaxed);
            match manners {
                Manners::AsyncCheckpoint => async_checkpoint().await,
                Manners::SyncCheckpoint => preempt::checkpoint(),
                Manners::Unannotated => {}
            }
        }
    };
    drop(builder.spawn_on(hog, runtime.handle()).expect("spawning never fails"));
    done
}

/// What `measure` finds on a runtime of one or more workers on which no poll lost its processor: such a
/// poll goes on beside the others, and is no part of what they share. That happens at a checkpoint when
/// no fiber is ready, as on a busy machine.
fn without_hand_offs<T>(builder: &mut Builder, measure: impl Fn(&Runtime) -> T) -> T {
    loop {
        let runtime = builder.hand_off(false).build().expect("a runtime");
        let measured = measure(&runtime);
        if runtime.metrics().hand_offs == 0 {
            return measured;
        }
    }
}

fn jain(values: &[u64]) -> f64 {
    let sum: f64 = values.iter().map(|&value| value as f64).sum();
    let squares: f64 = values.iter().map(|&value| (value as f64).powi(2)).sum();
    sum * sum / (squares * values.len() as f64)
}

// ---- order ----

/// Keeps the only worker busy until `body` has queued something.
fn while_busy(runtime: &Runtime, body: impl FnOnce()) {
    let (started, release) = (Signal::default(), Signal::default());
    let blocker = runtime.spawn({
        let (started, release) = (started.clone(), release.clone());
        async move {
            started.set();
            release.spin();
        }
    });
    started.wait("the worker is busy");
    body();
    release.set();
    runtime.block_on(blocker).expect("it ends");
}

#[test]
fn higher_classes_go_first() {
    alone(|| {
        let runtime = one_undisturbed_worker();
        let log = Log::default();
        let tasks = Mutex::new(Vec::new());
        while_busy(&runtime, || {
            for round in 0..2 {
                for class in CLASSES.into_iter().rev() {
                    let log = log.clone();
                    let task = async move { log.note((class, round)) };
                    tasks.lock().unwrap().push(spawn(class, runtime.handle(), task));
                }
            }
        });
        for task in tasks.into_inner().unwrap() {
            runtime.block_on(task).expect("it ends");
        }
        let expected: Vec<_> =
            CLASSES.into_iter().flat_map(|class| [(class, 0), (class, 1)]).collect();
        assert_eq!(log.entries(), expected);
    });
}

#[test]
fn a_woken_task_of_a_higher_class_goes_before_one_that_was_woken_earlier() {
    alone(|| {
        let runtime = one_undisturbed_worker();
        let log = Log::default();
        let wakes: Vec<_> = CLASSES.iter().map(|_| Arc::new(Notify::new())).collect();
        let tasks: Vec<_> = CLASSES
            .into_iter()
            .zip(&wakes)
            .map(|(class, wake)| {
                let (log, wake) = (log.clone(), wake.clone());
                spawn(class, runtime.handle(), async move {
                    for _ in 0..10 {
                        wake.notified().await;
                        log.note(class);
                    }
                })
            })
            .collect();
        let seen = log.clone();
        let driver = runtime.spawn(async move {
            for round in 1..=10 {
                // All in one poll, the lowest first.
                wakes.iter().rev().for_each(|wake| wake.notify_one());
                while seen.entries().len() < 3 * round {
                    sleep(Duration::from_millis(1)).await;
                }
            }
        });
        runtime.block_on(driver).expect("it ends");
        for task in tasks {
            runtime.block_on(task).expect("it ends");
        }
        assert_eq!(log.entries(), CLASSES.repeat(10));
    });
}

#[test]
fn a_current_thread_runtime_has_the_same_order() {
    alone(|| {
        let runtime = undisturbed(Builder::new_current_thread());
        let log = Log::default();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for class in CLASSES.into_iter().rev() {
                for _ in 0..2 {
                    let log = log.clone();
                    let builder = tasks.build_task().priority(class).name("noted");
                    builder.spawn(async move { log.note(class) }).expect("spawning never fails");
                }
            }
            while let Some(joined) = tasks.join_next().await {
                joined.expect("it ends");
            }
        });
        let expected: Vec<_> = CLASSES.into_iter().flat_map(|class| [class; 2]).collect();
        assert_eq!(log.entries(), expected);
    });
}

#[test]
fn a_class_is_not_inherited() {
    alone(|| {
        let runtime = one_undisturbed_worker();
        let log = Log::default();
        let parent = spawn(Priority::Batch, runtime.handle(), {
            let log = log.clone();
            async move {
                let note = |entry| {
                    let log = log.clone();
                    async move { log.note(entry) }
                };
                let batch =
                    task::Builder::new().priority(Priority::Batch).spawn(note("batch child"));
                let child = preempt::spawn(note("child"));
                child.await.expect("it ends");
                batch.expect("spawning never fails").await.expect("it ends");
            }
        });
        runtime.block_on(parent).expect("it ends");
        assert_eq!(log.entries(), ["child", "batch child"]);
    });
}

#[test]
fn classes_mean_nothing_in_a_local_set_and_for_blocking_work() {
    alone(|| {
        let runtime = current_thread();
        let local = LocalSet::new();
        let log = Log::default();
        local.block_on(&runtime, async {
            let note = |class| {
                let log = log.clone();
                async move { log.note(class) }
            };
            let builder = |class| task::Builder::new().priority(class);
            let tasks = [Priority::Batch, Priority::Latency].map(|class| {
                let timed = builder(class).time_slice(Duration::from_millis(1));
                timed.spawn_local(note(class)).expect("spawning never fails")
            });
            for task in tasks {
                task.await.expect("it ends");
            }
            let blocking = builder(Priority::Batch).spawn_blocking(|| 1).expect("a thread");
            assert_eq!(blocking.await.expect("it ends"), 1);
        });
        assert_eq!(log.entries(), [Priority::Batch, Priority::Latency], "as they were spawned");
        assert_eq!(runtime.metrics().batch.poll_count, 0);
    });
}

// ---- shares ----

/// Three hogs of each class; the work of each in the time in which those of the lowest have so many
/// turns, in the median. Not in a time by the clock, which also runs while the system lets a worker wait;
/// and in the median, as the monitor may have to wait as well, and a poll runs on meanwhile.
fn work_of_hogs(manners: Manners, runtime: &Runtime) -> [[u64; 3]; 3] {
    const TURNS: u64 = 40;
    let stop = Stop::new();
    let counts = CLASSES.map(|class| {
        let builder = task::Builder::new().priority(class);
        [(); 3].map(|()| spawn_counting_hog(builder, runtime, manners, stop.signal()))
    });
    let mut windows = Vec::new();
    let mut before = [[0; 3]; 3];
    for window in 1..=5 {
        eventually("all have had many turns", || {
            let metrics = runtime.metrics();
            metrics.batch.poll_count >= window * TURNS || metrics.hand_offs > 0
        });
        let now = counts.each_ref().map(|hogs| hogs.each_ref().map(|hog| hog.load(Relaxed)));
        let hogs = |class: usize| [0, 1, 2].map(|hog| now[class][hog] - before[class][hog]);
        windows.push([0, 1, 2].map(hogs));
        before = now;
    }
    let median = |class: usize, hog: usize| {
        let mut work: Vec<_> = windows.iter().map(|window| window[class][hog]).collect();
        work.sort_unstable();
        work[work.len() / 2]
    };
    [0, 1, 2].map(|class| [0, 1, 2].map(|hog| median(class, hog)))
}

fn hogs_share_by_weight(manners: Manners, workers: usize) {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).time_slice(Duration::from_millis(2));
    builder.priority_weights([8, 4, 1]).priority_floors([5, 5, 12]);
    let work = without_hand_offs(&mut builder, |runtime| work_of_hogs(manners, runtime));
    let sums = work.each_ref().map(|hogs| hogs.iter().sum::<u64>() as f64);
    let all: f64 = sums.iter().sum();
    let [latency, normal, batch] = sums.map(|sum| sum / all);
    let told = format!("{manners:?} on {workers}: {latency:.2} {normal:.2} {batch:.2}, {work:?}");
    println!("{told}");
    // 59%, 29%, 12%.
    assert!(batch > 0.06, "{told}");
    assert!(normal > 0.14 && latency > 0.3, "{told}");
    assert!((1.0..4.0).contains(&(latency / normal)), "{told}");
    assert!((1.2..5.0).contains(&(normal / batch)), "{told}");
    for hogs in &work {
        assert!(jain(hogs) >= 0.9, "{told}");
    }
}

#[test]
fn hogs_share_by_weight_and_have_their_floors() {
    let _one = serial();
    for manners in all_manners() {
        for workers in [1, 2] {
            within(LIMIT, move || hogs_share_by_weight(manners, workers));
        }
    }
}

#[test]
fn a_stream_of_short_normal_tasks_does_not_starve_a_batch_task() {
    alone(|| {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let streams = Count::default();
        for _ in 0..3 {
            let (signal, streams) = (stop.signal(), streams.clone());
            runtime.spawn(async move {
                while !signal.is_set() {
                    work(1_000);
                    streams.add_one();
                    yield_now().await;
                }
            });
        }
        let batch = spawn(Priority::Batch, runtime.handle(), async {
            for _ in 0..1_000 {
                work(1_000);
                yield_now().await;
            }
        });
        runtime.block_on(batch).expect("it ends");
        let so_far = streams.get();
        eventually("the stream goes on", || streams.get() > so_far);
    });
}

#[test]
fn latency_hogs_leave_the_others_their_time() {
    alone(|| {
        for manners in all_manners() {
            let runtime = multi_thread(1);
            let stop = Stop::new();
            for _ in 0..3 {
                spawn(Priority::Latency, runtime.handle(), manners.hog(stop.signal()));
            }
            for class in [Priority::Batch, Priority::Normal] {
                runtime.block_on(spawn(class, runtime.handle(), async {})).expect("it ends");
            }
        }
    });
}

#[test]
fn a_latency_ticker_runs_beside_hogs() {
    alone(|| {
        for manners in all_manners() {
            let runtime = multi_thread(2);
            let stop = Stop::new();
            for class in [Priority::Normal, Priority::Batch] {
                for _ in 0..3 {
                    spawn(class, runtime.handle(), manners.hog(stop.signal()));
                }
            }
            let ticker = spawn(Priority::Latency, runtime.handle(), async {
                for _ in 0..100 {
                    sleep(Duration::from_millis(1)).await;
                }
            });
            runtime.block_on(ticker).expect("it ends");
            let metrics = runtime.metrics();
            assert!(metrics.latency.poll_count >= 50, "{metrics:?}");
            assert!(metrics.batch.poll_count > 0 && metrics.normal.poll_count > 0, "{metrics:?}");
        }
    });
}

// ---- preemption by wake-ups ----

/// No slice ends by itself.
fn endless_slices() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).time_slice(Duration::from_secs(60)).hand_off(false);
    builder.build().expect("a runtime")
}

#[test]
fn a_wake_up_of_a_higher_class_preempts_a_poll() {
    alone(|| {
        for manners in all_manners() {
            for (hog, woken) in [
                (Priority::Batch, Priority::Normal),
                (Priority::Batch, Priority::Latency),
                (Priority::Normal, Priority::Latency),
            ] {
                let runtime = endless_slices();
                let stop = Stop::new();
                spawn(hog, runtime.handle(), manners.hog(stop.signal()));
                let woken = spawn(woken, runtime.handle(), async {
                    for _ in 0..10 {
                        sleep(Duration::from_millis(1)).await;
                    }
                });
                runtime.block_on(woken).expect("it ends");
                assert!(runtime.metrics().requests > 0, "the hog was asked");
            }
        }
    });
}

#[test]
fn a_lower_class_waits_for_the_slice() {
    alone(|| {
        for (hog, woken) in [
            (Priority::Latency, Priority::Normal),
            (Priority::Latency, Priority::Batch),
            (Priority::Normal, Priority::Batch),
        ] {
            let runtime = endless_slices();
            let (started, stop) = (Signal::default(), Stop::new());
            let has_ended = Signal::default();
            let hog = spawn(hog, runtime.handle(), {
                let (started, stop, has_ended) =
                    (started.clone(), stop.signal(), has_ended.clone());
                async move {
                    started.set();
                    stop.spin();
                    has_ended.set();
                }
            });
            started.wait("the hog runs");
            let woken = spawn(woken, runtime.handle(), async move { has_ended.is_set() });
            thread::sleep(Duration::from_millis(50));
            assert_eq!(runtime.metrics().requests, 0);
            stop.stop();
            assert!(runtime.block_on(woken).expect("it ends"), "it went before the hog");
            runtime.block_on(hog).expect("it ends");
        }
    });
}

/// Combinators have wakers of their own, which a task calls: one of the highest class.
#[test]
fn a_latency_task_behind_a_combinator_is_woken_beside_hogs_of_the_normal_class() {
    alone(|| {
        let runtime = endless_slices();
        let stop = Stop::new();
        spawn(Priority::Normal, runtime.handle(), Manners::AsyncCheckpoint.hog(stop.signal()));
        let both = spawn(Priority::Latency, runtime.handle(), async {
            for _ in 0..10 {
                let sleeps = (1..3).map(|ms| sleep(Duration::from_millis(ms)));
                futures::future::join_all(sleeps).await;
                let many = (0..40).map(|_| sleep(Duration::from_millis(1)));
                futures::future::join_all(many).await;
            }
        });
        runtime.block_on(both).expect("it ends");
    });
}

// ---- time slices ----

/// A slice that is long beside the time for which the system may let the monitor wait on a busy machine.
const LONG_MS: u64 = 300;

/// Two hogs take turns, each turn a slice: the work of each in so many.
fn work_in_turns(
    builders: [task::Builder<'_>; 2],
    runtime: &Runtime,
    manners: Manners,
    turns: u64,
) -> [u64; 2] {
    let stop = Stop::new();
    let hogs = builders.map(|builder| spawn_counting_hog(builder, runtime, manners, stop.signal()));
    let preemptions = || {
        let metrics = runtime.metrics();
        metrics.detaches + metrics.yields_on_request
    };
    eventually("some turns", || preemptions() >= turns || runtime.metrics().hand_offs > 0);
    hogs.map(|hog| hog.load(Relaxed))
}

#[test]
fn a_time_slice_of_its_own_decides_how_long_a_poll_runs() {
    alone(|| {
        for manners in all_manners() {
            for class in [Priority::Normal, Priority::Batch] {
                let [short, long] =
                    without_hand_offs(Builder::new_multi_thread().worker_threads(1), |runtime| {
                        let builder = |ms| {
                            let builder = task::Builder::new().priority(class);
                            builder.time_slice(Duration::from_millis(ms))
                        };
                        work_in_turns([builder(1), builder(LONG_MS)], runtime, manners, 12)
                    });
                assert!(short > 0 && long > 3 * short, "{manners:?} {class:?}: {short} {long}");
            }
        }
    });
}

#[test]
fn a_short_time_slice_has_hogs_preempted_more_often() {
    alone(|| {
        let work = [1, LONG_MS].map(|ms| {
            without_hand_offs(Builder::new_multi_thread().worker_threads(1), |runtime| {
                let builder = task::Builder::new().time_slice(Duration::from_millis(ms));
                let work = work_in_turns([builder; 2], runtime, Manners::AsyncCheckpoint, 12);
                work.iter().sum::<u64>()
            })
        });
        assert!(work[1] > 3 * work[0], "for as many preemptions: {work:?}");
    });
}

// ---- nothing is lost ----

#[test]
fn tasks_of_every_class_can_be_aborted_in_every_state() {
    alone(|| {
        for class in CLASSES {
            let runtime = multi_thread(1);
            let (stop, drops) = (Stop::new(), Count::default());
            let guarded = |future| {
                let guard = CountsDrop(drops.clone());
                async move {
                    let _guard = guard;
                    let () = Box::into_pin(future).await;
                }
            };
            type Boxed = Box<dyn Future<Output = ()> + Send>;
            let mut tasks = Vec::new();
            for _ in 0..3 {
                let futures: [Boxed; 4] = [
                    Box::new(pending()),
                    Box::new(Manners::AsyncCheckpoint.hog(stop.signal())),
                    Box::new(Manners::SyncCheckpoint.hog(stop.signal())),
                    Box::new(async {
                        loop {
                            yield_now().await;
                        }
                    }),
                ];
                for future in futures {
                    tasks.push(spawn(class, runtime.handle(), guarded(future)));
                }
            }
            eventually("some were preempted", || {
                let metrics = runtime.metrics();
                metrics.yields_on_request > 3 && (!HAS_SIGNALS || metrics.detaches > 3)
            });
            tasks.iter().for_each(JoinHandle::abort);
            stop.stop();
            for task in tasks {
                // A hog may have come to its end.
                if let Err(error) = runtime.block_on(task) {
                    assert!(error.is_cancelled());
                }
            }
            assert_eq!(drops.get(), 12);
            eventually("nothing is queued", || runtime.metrics().queued_tasks == 0);
        }
    });
}

#[test]
fn a_panic_is_its_tasks_own() {
    alone(|| {
        let runtime = multi_thread(1);
        for class in CLASSES {
            let task = spawn(class, runtime.handle(), async {
                yield_now().await;
                panic!("as it should");
            });
            let error = runtime.block_on(task).expect_err("it panics");
            assert_eq!(text_of(&*error.into_panic()), "as it should");
            let task = spawn(class, runtime.handle(), async { 1 });
            assert_eq!(runtime.block_on(task).expect("it ends"), 1);
        }
    });
}

#[test]
fn a_shutdown_finds_the_tasks_of_every_class() {
    alone(|| {
        for _ in 0..5 {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(2).time_slice(Duration::from_millis(1));
            let runtime = builder.build().expect("a runtime");
            let (stop, drops) = (Stop::new(), Count::default());
            for class in CLASSES {
                for manners in Manners::ALL {
                    let (guard, hog) = (CountsDrop(drops.clone()), manners.hog(stop.signal()));
                    spawn(class, runtime.handle(), async move {
                        let _guard = guard;
                        hog.await;
                    });
                }
                for _ in 0..10 {
                    let guard = CountsDrop(drops.clone());
                    spawn(class, runtime.handle(), async move {
                        let _guard = guard;
                        loop {
                            yield_now().await;
                        }
                    });
                }
            }
            eventually("some are suspended", || {
                !HAS_SIGNALS || runtime.metrics().detached_polls > 2
            });
            let signal = stop.signal();
            let stopper = thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                signal.set();
            });
            runtime.shutdown_timeout(LIMIT);
            stopper.join().expect("it ends");
            assert_eq!(drops.get(), 39);
        }
    });
}

#[test]
fn the_limit_of_suspended_polls_is_for_all_classes_together() {
    alone(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).max_detached(3).hand_off(false);
        builder.time_slice(Duration::from_millis(1));
        let runtime = builder.build().expect("a runtime");
        let stop = Stop::new();
        for class in CLASSES {
            for _ in 0..3 {
                spawn(class, runtime.handle(), Manners::SyncCheckpoint.hog(stop.signal()));
            }
        }
        if HAS_SIGNALS {
            eventually("as many as may be are suspended", || runtime.metrics().detached_polls == 3);
        }
        for _ in 0..100 {
            assert!(runtime.metrics().detached_polls <= 3);
            thread::sleep(Duration::from_micros(500));
        }
    });
}

#[test]
fn bursts_from_everywhere_all_run() {
    alone(|| {
        let runtime = multi_thread(4);
        let done = Count::default();
        let threads: Vec<_> = (0..3)
            .map(|seed| {
                let (handle, done) = (runtime.handle().clone(), done.clone());
                thread::spawn(move || {
                    let mut random = Random::new(seed);
                    for _ in 0..300 {
                        let class = CLASSES[random.below(3) as usize];
                        let (done, inner) = (done.clone(), CLASSES[random.below(3) as usize]);
                        spawn(class, &handle, async move {
                            yield_now().await;
                            let child = task::Builder::new().priority(inner).spawn(async move {
                                sleep(Duration::from_micros(200)).await;
                                done.add_one();
                            });
                            child.expect("spawning never fails").await.expect("it ends");
                        });
                        if random.below(8) == 0 {
                            thread::sleep(Duration::from_micros(random.below(300)));
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("it ends");
        }
        eventually("all have run", || done.get() == 900);
        eventually("nothing is left", || runtime.metrics().live_tasks == 0);
        let metrics = runtime.metrics();
        let queued =
            [metrics.latency, metrics.normal, metrics.batch].map(|class| class.queue_depth);
        assert_eq!((queued, metrics.queued_tasks), ([0; 3], 0));
    });
}

// ---- seen and misused ----

#[test]
fn what_waits_and_ran_is_counted_by_class() {
    alone(|| {
        let runtime = one_undisturbed_worker();
        let tasks = Mutex::new(Vec::new());
        while_busy(&runtime, || {
            for (class, count) in CLASSES.into_iter().zip([3, 2, 1]) {
                for _ in 0..count {
                    tasks.lock().unwrap().push(spawn(class, runtime.handle(), async {}));
                }
            }
            let metrics = runtime.metrics();
            let depths = [metrics.latency, metrics.normal, metrics.batch].map(|c| c.queue_depth);
            assert_eq!(depths, [3, 2, 1]);
            assert_eq!((metrics.queued_tasks, metrics.injection_queue_depth), (6, 6));
        });
        for task in tasks.into_inner().unwrap() {
            runtime.block_on(task).expect("it ends");
        }
        let metrics = runtime.metrics();
        let polls = [metrics.latency, metrics.normal, metrics.batch].map(|class| class.poll_count);
        // And the one that kept the worker busy.
        assert_eq!(polls, [3, 3, 1]);
        let text = metrics.to_prometheus();
        for line in [
            "preempt_priority_polls_total{priority=\"latency\"} 3",
            "preempt_priority_queue_depth{priority=\"batch\"} 0",
        ] {
            assert!(text.contains(line), "{text}");
        }
    });
}

#[track_caller]
fn is_told(parts: &[&str], body: impl FnOnce()) {
    let told = panic_message(body);
    assert!(parts.iter().all(|part| told.contains(part)), "{told}");
}

#[test]
fn what_cannot_be_is_refused_with_the_range() {
    for slice in [Duration::ZERO, Duration::from_micros(99), Duration::from_millis(60_001)] {
        is_told(&["time_slice", "100 us to 60 s", &format!("{slice:?}")], || {
            let _builder = task::Builder::new().time_slice(slice);
        });
    }
    for weights in [[0, 1, 1], [1, 10_001, 1]] {
        is_told(&["priority_weights", "1 to 10000", &format!("{weights:?}")], || {
            Builder::new_multi_thread().priority_weights(weights);
        });
    }
    for floors in [[0, 5, 5], [50, 50, 1], [u32::MAX, 1, 1]] {
        is_told(&["priority_floors", "1% to 98%", "100%", &format!("{floors:?}")], || {
            Builder::new_multi_thread().priority_floors(floors);
        });
    }
    Builder::new_multi_thread().priority_weights([10_000, 1, 1]).priority_floors([98, 1, 1]);
    assert_eq!(Priority::default(), Priority::Normal);
}
