//! Goal: aborting a task, a timeout and a shutdown end code that computes, in functions with
//! `#[preemptible(cancel)]`, at the next check and nowhere else; destructors run, nothing is printed, and
//! nobody else is ended.
//! Method: endless loops with checks, which only the test can stop, on runtimes whose monitor asks
//! nobody to give way where that would help; a panic hook that counts.

mod support;

use preempt::runtime::{Builder, Runtime};
use preempt::task::{JoinError, JoinHandle, JoinSet, LocalSet, block_in_place, is_cancelled};
use preempt::time::{Duration, Instant, sleep, timeout};
use preempt::{no_preempt, preemptible};
use std::future::pending;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use support::*;

/// What the panic hook was told of.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Runs one test, alone and with a deadline. No panic is announced in it.
#[track_caller]
fn alone(body: impl FnOnce() + Send + 'static) {
    static COUNT_PANICS: Once = Once::new();
    let _one = serial();
    COUNT_PANICS.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, SeqCst);
            print(info);
        }));
    });
    let before = PANICS.load(SeqCst);
    within(LIMIT, body);
    assert_eq!(PANICS.load(SeqCst), before, "somebody was told of a panic");
}

/// A runtime that asks nobody to give way.
fn unasked(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers);
    undisturbed(builder)
}

/// Loops until `stop`, with a check each time.
#[preemptible(cancel)]
fn spin_with_cancel(stop: &Signal) {
    while !stop.is_set() {
        spin_loop();
    }
}

/// The same, with checks that do not cancel.
#[preemptible]
fn spin_with_checks(stop: &Signal) {
    while !stop.is_set() {
        spin_loop();
    }
}

/// So many iterations with a check each time.
#[preemptible(cancel, every = 1)]
fn count_with_cancel(iterations: u64) -> u64 {
    let mut count = 0;
    for _ in 0..iterations {
        count = std::hint::black_box(count + 1);
    }
    count
}

/// A loop without end, and what it is told and tells.
#[derive(Clone, Default)]
struct Hog {
    started: Signal,
    stop: Signal,
    drops: Count,
}

impl Hog {
    /// Runs until it is unwound.
    fn run(&self) {
        let _counts = CountsDrop(self.drops.clone());
        self.started.set();
        spin_with_cancel(&self.stop);
    }

    fn spawn(&self, runtime: &Runtime) -> JoinHandle<()> {
        let hog = self.clone();
        let handle = runtime.spawn(async move { hog.run() });
        self.started.wait("the hog runs");
        handle
    }
}

/// The loop ends with its test, also if that fails.
impl Drop for Hog {
    fn drop(&mut self) {
        if thread::panicking() {
            self.stop.set();
        }
    }
}

#[track_caller]
fn assert_cancelled<T: std::fmt::Debug>(result: Result<T, JoinError>) {
    let error = result.expect_err("it was cancelled");
    assert!(error.is_cancelled(), "{error}");
}

// ---- aborting ----

fn an_abort_ends_a_loop_on(workers: usize) {
    alone(move || {
        let runtime = unasked(workers);
        for _ in 0..20 {
            let hog = Hog::default();
            let handle = hog.spawn(&runtime);
            handle.abort();
            assert_cancelled(runtime.block_on(handle));
            assert_eq!(hog.drops.get(), 1);
        }
    });
}

#[test]
fn an_abort_ends_a_loop_on_one_worker() {
    an_abort_ends_a_loop_on(1);
}

#[test]
fn an_abort_ends_a_loop_on_two_workers() {
    an_abort_ends_a_loop_on(2);
}

#[test]
fn an_abort_by_another_task_ends_a_loop_and_no_other() {
    alone(|| {
        let runtime = unasked(3);
        let (hog, other) = (Hog::default(), Hog::default());
        let (handle, others) = (hog.spawn(&runtime), other.spawn(&runtime));
        let abort = handle.abort_handle();
        runtime.block_on(runtime.spawn(async move { abort.abort() })).unwrap();
        assert_cancelled(runtime.block_on(handle));
        assert!(!others.is_finished());
        other.stop.set();
        runtime.block_on(others).unwrap();
    });
}

#[test]
fn a_task_that_aborts_itself_ends_at_its_next_check() {
    alone(|| {
        let runtime = unasked(1);
        let (sender, receiver) = std::sync::mpsc::channel::<preempt::task::AbortHandle>();
        let handle = runtime.spawn(async move {
            receiver.recv().unwrap().abort();
            assert!(is_cancelled());
            spin_with_cancel(&Signal::default());
        });
        sender.send(handle.abort_handle()).unwrap();
        assert_cancelled(runtime.block_on(handle));
    });
}

#[test]
fn on_a_current_thread_runtime() {
    alone(|| {
        let runtime = current_thread();
        // Before the poll.
        let hog = Hog::default();
        let before = runtime.spawn({
            let hog = hog.clone();
            async move { hog.run() }
        });
        before.abort();
        assert_cancelled(runtime.block_on(before));
        assert!(!hog.started.is_set());
        // During the poll, from another thread.
        let during = runtime.spawn({
            let hog = hog.clone();
            async move { hog.run() }
        });
        let abort = during.abort_handle();
        let started = hog.started.clone();
        let other = thread::spawn(move || {
            started.wait("the hog runs");
            abort.abort();
        });
        assert_cancelled(runtime.block_on(during));
        assert_eq!(hog.drops.get(), 1);
        other.join().unwrap();
    });
}

#[test]
fn async_code_that_is_asked_by_an_abort_ends_at_its_await() {
    #[preemptible]
    async fn spin() {
        loop {
            async {}.await;
        }
    }
    alone(|| {
        let runtime = unasked(1);
        let started = Signal::default();
        let handle = runtime.spawn({
            let started = started.clone();
            async move {
                started.set();
                spin().await;
            }
        });
        started.wait("it runs");
        handle.abort();
        assert_cancelled(runtime.block_on(handle));
    });
}

#[test]
fn sync_code_inside_of_async_code_is_unwound() {
    #[preemptible(cancel)]
    async fn spin(hog: Hog) {
        let _counts = CountsDrop(hog.drops.clone());
        async {}.await;
        hog.started.set();
        while !hog.stop.is_set() {
            spin_loop();
        }
    }
    alone(|| {
        let runtime = unasked(1);
        let hog = Hog::default();
        let handle = runtime.spawn(spin(hog.clone()));
        hog.started.wait("it runs");
        handle.abort();
        assert_cancelled(runtime.block_on(handle));
        assert_eq!(hog.drops.get(), 1);
    });
}

#[test]
fn functions_without_the_attribute_in_between_are_unwound_through() {
    #[preemptible(cancel)]
    fn outer(hog: &Hog) {
        let _counts = CountsDrop(hog.drops.clone());
        between(hog);
    }
    fn between(hog: &Hog) {
        let _counts = CountsDrop(hog.drops.clone());
        annotated(hog);
    }
    #[preemptible]
    fn annotated(hog: &Hog) {
        let _counts = CountsDrop(hog.drops.clone());
        let inner = || hog.run();
        inner();
    }
    alone(|| {
        let runtime = unasked(1);
        let hog = Hog::default();
        let handle = runtime.spawn({
            let hog = hog.clone();
            async move { outer(&hog) }
        });
        hog.started.wait("it runs");
        handle.abort();
        assert_cancelled(runtime.block_on(handle));
        assert_eq!(hog.drops.get(), 4);
    });
}

#[test]
fn every_kind_of_loop_ends() {
    #[preemptible(cancel)]
    fn strips(hog: &Hog) -> u64 {
        let mut sum = 0_u64;
        for value in 0..u64::MAX {
            sum = std::hint::black_box(sum ^ value);
        }
        drop(hog.clone());
        sum
    }
    #[preemptible(cancel, every = 100)]
    fn fixed(_: &Hog) -> u64 {
        let mut i = 0_u64;
        while i < u64::MAX {
            i = std::hint::black_box(i + 1);
        }
        i
    }
    #[preemptible(cancel)]
    fn calls(hog: &Hog) -> u64 {
        let mut sum = 0;
        for value in 0..u64::MAX {
            sum += u64::from(hog.stop.is_set()) + value % 2;
        }
        sum
    }
    #[preemptible(cancel, loops = false)]
    fn entry(depth: u64) -> u64 {
        if depth == 0 { 1 } else { entry(depth - 1) + entry(depth - 1) }
    }
    alone(|| {
        let runtime = unasked(1);
        let loops: [fn(&Hog) -> u64; 4] = [strips, fixed, calls, |_| entry(60)];
        for body in loops {
            let hog = Hog::default();
            let handle = runtime.spawn({
                let hog = hog.clone();
                async move {
                    hog.started.set();
                    body(&hog)
                }
            });
            hog.started.wait("it runs");
            handle.abort();
            assert_cancelled(runtime.block_on(handle));
        }
    });
}

#[test]
fn a_function_without_the_option_goes_on_and_can_look_itself() {
    alone(|| {
        let runtime = unasked(1);
        let (hog, saw) = (Hog::default(), Signal::default());
        let handle = runtime.spawn({
            let (hog, saw) = (hog.clone(), saw.clone());
            async move {
                hog.started.set();
                while !is_cancelled() {
                    spin_loop();
                }
                saw.set();
                spin_with_checks(&hog.stop);
                7
            }
        });
        hog.started.wait("it runs");
        assert!(!is_cancelled(), "not here");
        handle.abort();
        saw.wait("it looks itself");
        thread::sleep(Duration::from_millis(5));
        assert!(!handle.is_finished());
        hog.stop.set();
        assert_eq!(runtime.block_on(handle).unwrap(), 7, "it was ready");
    });
}

#[test]
fn an_ordinary_check_does_not_take_the_cancellation_away() {
    alone(|| {
        let runtime = unasked(1);
        let started = Signal::default();
        let handle = runtime.spawn({
            let started = started.clone();
            async move {
                started.set();
                while !is_cancelled() {
                    preempt::checkpoint();
                }
                for _ in 0..1000 {
                    preempt::checkpoint();
                }
                count_with_cancel(1)
            }
        });
        started.wait("it runs");
        handle.abort();
        assert_cancelled(runtime.block_on(handle));
    });
}

#[test]
fn a_no_preempt_section_is_not_left() {
    alone(|| {
        let runtime = unasked(1);
        let (started, done) = (Signal::default(), Count::default());
        let handle = runtime.spawn({
            let (started, done) = (started.clone(), done.clone());
            async move {
                no_preempt(|| {
                    started.set();
                    while !is_cancelled() {
                        count_with_cancel(10);
                    }
                    done.add(count_with_cancel(10) as usize);
                });
                done.add_one();
                spin_with_cancel(&Signal::default());
            }
        });
        started.wait("it runs");
        handle.abort();
        assert_cancelled(runtime.block_on(handle));
        assert_eq!(done.get(), 11);
    });
}

/// Counts in its destructor, with checks.
struct CountsWithCancel(Count);

impl Drop for CountsWithCancel {
    fn drop(&mut self) {
        self.0.add(count_with_cancel(10) as usize);
    }
}

#[test]
fn a_destructor_is_not_left_while_its_thread_unwinds() {
    alone(|| {
        let runtime = unasked(1);
        for panics in [true, false] {
            let (started, count) = (Signal::default(), Count::default());
            let handle = runtime.spawn({
                let (started, count) = (started.clone(), count.clone());
                async move {
                    let _counts = CountsWithCancel(count);
                    started.set();
                    while !is_cancelled() {
                        preempt::checkpoint();
                    }
                    if panics {
                        resume_unwind(Box::new("on purpose"));
                    }
                    spin_with_cancel(&Signal::default());
                }
            });
            started.wait("it runs");
            handle.abort();
            let error = runtime.block_on(handle).unwrap_err();
            assert_eq!(error.is_panic(), panics, "{error}");
            assert_eq!(count.get(), 10);
        }
    });
}

#[test]
fn a_destructor_of_a_future_that_is_dropped_is_not_left() {
    alone(|| {
        let runtime = unasked(1);
        // Aborted while it waits; in its poll; and in its last one.
        for place in 0..3 {
            let count = Count::default();
            let (sender, receiver) = std::sync::mpsc::channel::<preempt::task::AbortHandle>();
            let handle = runtime.spawn({
                let mut counts = Some(CountsWithCancel(count.clone()));
                std::future::poll_fn(move |_| {
                    let _kept = &mut counts;
                    if place > 0 {
                        receiver.recv().unwrap().abort();
                    }
                    if place == 2 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                })
            });
            sender.send(handle.abort_handle()).unwrap();
            if place == 0 {
                // Its only poll is likely to be over.
                thread::sleep(Duration::from_millis(5));
                handle.abort();
            }
            let result = runtime.block_on(handle);
            assert_eq!(result.is_ok(), place == 2);
            if let Err(error) = result {
                assert!(error.is_cancelled(), "{error}");
            }
            assert_eq!(count.get(), 10);
        }
    });
}

#[test]
fn code_that_catches_panics_ends_again_at_its_next_check() {
    alone(|| {
        let runtime = unasked(1);
        let (started, caught) = (Signal::default(), Count::default());
        let handle = runtime.spawn({
            let (started, caught) = (started.clone(), caught.clone());
            async move {
                started.set();
                while caught.get() < 3 {
                    catch_unwind(AssertUnwindSafe(|| spin_with_cancel(&Signal::default())))
                        .unwrap_err();
                    caught.add_one();
                }
                7
            }
        });
        started.wait("it runs");
        handle.abort();
        assert_eq!(runtime.block_on(handle).unwrap(), 7);
    });
}

#[test]
fn a_lock_is_poisoned_as_by_a_panic() {
    alone(|| {
        let runtime = unasked(1);
        let (hog, lock) = (Hog::default(), Arc::new(Mutex::new(1)));
        let handle = runtime.spawn({
            let (hog, lock) = (hog.clone(), lock.clone());
            async move {
                let _guard = lock.lock().unwrap();
                hog.run();
            }
        });
        hog.started.wait("it runs");
        handle.abort();
        assert_cancelled(runtime.block_on(handle));
        assert!(lock.is_poisoned());
    });
}

// ---- where the poll is meanwhile ----

/// Occupies the only worker, which then is not asked to give way.
fn occupy(runtime: &Runtime) -> (JoinHandle<()>, Stop) {
    let (started, release) = (Signal::default(), Stop::new());
    let handle = runtime.spawn({
        let (started, release) = (started.clone(), release.signal());
        async move {
            no_preempt(|| {
                started.set();
                release.spin();
            });
        }
    });
    started.wait("the hog has given way");
    (handle, release)
}

fn one_worker_without_hand_off() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).hand_off(false).build().unwrap()
}

#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn a_poll_that_is_detached_at_a_check_ends_when_it_goes_on() {
    alone(|| {
        let runtime = one_worker_without_hand_off();
        let hog = Hog::default();
        let handle = hog.spawn(&runtime);
        let (occupant, release) = occupy(&runtime);
        handle.abort();
        assert!(!handle.is_finished());
        release.stop();
        assert_cancelled(runtime.block_on(handle));
        assert_eq!(hog.drops.get(), 1);
        runtime.block_on(occupant).unwrap();
    });
}

#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn a_poll_that_is_detached_by_a_signal_ends_at_its_next_check() {
    alone(|| {
        let runtime = one_worker_without_hand_off();
        let (hog, goes_on) = (Hog::default(), Signal::default());
        let handle = runtime.spawn({
            let (hog, goes_on) = (hog.clone(), goes_on.clone());
            async move {
                hog.started.set();
                goes_on.spin();
                spin_with_cancel(&hog.stop);
            }
        });
        hog.started.wait("it runs");
        let (occupant, release) = occupy(&runtime);
        handle.abort();
        goes_on.set();
        release.stop();
        assert_cancelled(runtime.block_on(handle));
        runtime.block_on(occupant).unwrap();
    });
}

#[test]
fn a_poll_that_was_handed_off_ends() {
    alone(|| {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).max_detached(0).build().unwrap();
        for _ in 0..10 {
            let hog = Hog::default();
            let handle = hog.spawn(&runtime);
            // It runs when the processor was handed off.
            runtime.block_on(runtime.spawn(async {})).unwrap();
            handle.abort();
            assert_cancelled(runtime.block_on(handle));
            assert_eq!(hog.drops.get(), 1);
        }
        assert!(runtime.metrics().hand_offs >= 10);
    });
}

#[test]
fn an_abort_during_the_hand_off() {
    alone(|| {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).max_detached(0).build().unwrap();
        let mut random = Random::new(3);
        for _ in 0..100 {
            let hog = Hog::default();
            let handle = hog.spawn(&runtime);
            let probe = runtime.spawn(async {});
            work(random.below(200_000));
            handle.abort();
            assert_cancelled(runtime.block_on(handle));
            runtime.block_on(probe).unwrap();
        }
    });
}

#[test]
fn a_poll_in_block_in_place_ends() {
    alone(|| {
        let runtime = unasked(1);
        let hog = Hog::default();
        let handle = runtime.spawn({
            let hog = hog.clone();
            async move { block_in_place(|| hog.run()) }
        });
        hog.started.wait("it runs");
        handle.abort();
        assert_cancelled(runtime.block_on(handle));
    });
}

// ---- sets and shutdown ----

#[test]
fn dropping_a_set_ends_its_loops() {
    alone(|| {
        let runtime = unasked(2);
        let hog = Hog::default();
        let mut set = JoinSet::new();
        for _ in 0..2 {
            let hog = hog.clone();
            set.spawn_on(async move { hog.run() }, runtime.handle());
        }
        hog.started.wait("one runs");
        drop(set);
        let probe = runtime.spawn(async {});
        runtime.block_on(probe).unwrap();
        eventually("all have ended", || runtime.metrics().live_tasks == 0);
        assert!(hog.drops.get() >= 1);
    });
}

#[test]
fn a_shutdown_ends_loops() {
    alone(|| {
        let runtime = unasked(3);
        let (hog, in_place) = (Hog::default(), Hog::default());
        let handle = hog.spawn(&runtime);
        let second = runtime.spawn({
            let hog = in_place.clone();
            async move { block_in_place(|| hog.run()) }
        });
        in_place.started.wait("it runs");
        runtime.shutdown_timeout(LIMIT);
        assert_eq!((hog.drops.get(), in_place.drops.get()), (1, 1));
        let other = current_thread();
        assert_cancelled(other.block_on(handle));
        assert_cancelled(other.block_on(second));
    });
}

#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn a_shutdown_ends_loops_that_are_detached() {
    alone(|| {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let hogs: Vec<_> = (0..4).map(|_| Hog::default()).collect();
        for hog in &hogs {
            drop(hog.spawn(&runtime));
        }
        runtime.shutdown_timeout(LIMIT);
        assert!(hogs.iter().all(|hog| hog.drops.get() == 1));
    });
}

// ---- timeouts ----

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(3600);

/// A future that computes until it is unwound.
async fn endless(hog: Hog) -> u32 {
    hog.run();
    0
}

#[test]
fn a_timeout_ends_a_loop() {
    async fn check() -> u32 {
        let hog = Hog::default();
        let begun = Instant::now();
        let elapsed = timeout(SHORT, endless(hog.clone())).await;
        assert!(elapsed.is_err());
        assert!(begun.elapsed() >= SHORT);
        assert_eq!(hog.drops.get(), 1);
        // The task itself was not cancelled.
        assert!(!is_cancelled());
        sleep(Duration::from_millis(1)).await;
        count_with_cancel(1000) as u32
    }
    alone(|| {
        for workers in [1, 2] {
            let runtime = unasked(workers);
            assert_eq!(runtime.block_on(runtime.spawn(check())).unwrap(), 1000);
        }
        let runtime = current_thread();
        assert_eq!(runtime.block_on(runtime.spawn(check())).unwrap(), 1000);
        assert_eq!(runtime.block_on(check()), 1000);
    });
}

#[test]
fn code_that_is_done_first_has_its_result() {
    alone(|| {
        let runtime = unasked(1);
        let task = async { timeout(LONG, async { count_with_cancel(100_000) }).await };
        assert_eq!(runtime.block_on(runtime.spawn(task)).unwrap(), Ok(100_000));
        // Without a check it is not ended, and what is ready wins.
        let task = async {
            timeout(Duration::from_millis(1), async {
                burn(Duration::from_millis(5));
                7
            })
            .await
        };
        assert_eq!(runtime.block_on(runtime.spawn(task)).unwrap(), Ok(7));
    });
}

#[test]
fn of_two_timeouts_the_one_that_is_over_ends() {
    alone(|| {
        let runtime = unasked(1);
        let inner = async {
            let inner = timeout(SHORT, endless(Hog::default()));
            timeout(LONG, async { (inner.await.is_err(), count_with_cancel(10)) }).await
        };
        assert_eq!(runtime.block_on(runtime.spawn(inner)).unwrap(), Ok((true, 10)));
        let outer = async {
            let inner = timeout(LONG, endless(Hog::default()));
            timeout(SHORT, async { inner.await.is_err() }).await.is_err()
        };
        assert!(runtime.block_on(runtime.spawn(outer)).unwrap());
    });
}

#[test]
fn if_both_are_over_the_outer_one_ends() {
    alone(|| {
        let runtime = unasked(1);
        let after_the_inner = Count::default();
        let both = {
            let after = after_the_inner.clone();
            async move {
                let inner = timeout(Duration::from_millis(1), async {
                    burn(Duration::from_millis(10));
                    spin_with_cancel(&Signal::default());
                });
                timeout(Duration::from_millis(2), async {
                    let _elapsed = inner.await;
                    after.add_one();
                })
                .await
                .is_err()
            }
        };
        assert!(runtime.block_on(runtime.spawn(both)).unwrap());
        assert_eq!(after_the_inner.get(), 0);
    });
}

#[test]
fn a_future_that_was_unwound_is_dropped_once_and_its_locks_are_poisoned() {
    alone(|| {
        let runtime = unasked(1);
        let (lock, drops) = (Arc::new(Mutex::new(())), Count::default());
        let task = {
            let (lock, captured) = (lock.clone(), CountsDrop(drops.clone()));
            async move {
                let body = async move {
                    let _captured = captured;
                    async {}.await;
                    let _guard = lock.lock().unwrap();
                    spin_with_cancel(&Signal::default());
                };
                timeout(SHORT, body).await.is_err()
            }
        };
        assert!(runtime.block_on(runtime.spawn(task)).unwrap());
        assert!(lock.is_poisoned());
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn panics_and_aborts_pass_through_a_timeout() {
    alone(|| {
        let runtime = unasked(1);
        let task = async { timeout(LONG, async { resume_unwind(Box::new("on purpose")) }).await };
        let handle: JoinHandle<Result<(), _>> = runtime.spawn(task);
        let error = runtime.block_on(handle).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "on purpose");
        let hog = Hog::default();
        let handle = runtime.spawn({
            let hog = hog.clone();
            async move { timeout(LONG, endless(hog)).await }
        });
        hog.started.wait("it runs");
        handle.abort();
        assert_cancelled(runtime.block_on(handle));
    });
}

#[test]
fn a_timeout_in_block_in_place_and_of_a_detached_poll() {
    alone(|| {
        let runtime = unasked(1);
        let task = async {
            let body = async { block_in_place(|| spin_with_cancel(&Signal::default())) };
            timeout(SHORT, body).await.is_err()
        };
        assert!(runtime.block_on(runtime.spawn(task)).unwrap());

        let runtime = one_worker_without_hand_off();
        let hog = Hog::default();
        let handle = runtime.spawn({
            let hog = hog.clone();
            async move { timeout(SHORT, endless(hog)).await }
        });
        hog.started.wait("it runs");
        runtime
            .block_on(runtime.spawn(async { no_preempt(|| burn(Duration::from_millis(20))) }))
            .unwrap();
        assert!(runtime.block_on(handle).unwrap().is_err());
    });
}

#[test]
fn a_timeout_around_another_tasks_poll_does_not_end_that() {
    alone(|| {
        let runtime = current_thread();
        let set = LocalSet::new();
        let task = set.run_until(async {
            preempt::task::spawn_local(async {
                let end = Instant::now() + 3 * SHORT;
                let mut count = 0;
                while Instant::now() < end {
                    count += count_with_cancel(10);
                }
                count
            })
            .await
            .unwrap()
        });
        let result = runtime.block_on(async { timeout(SHORT, task).await });
        // By the time that the set's poll returns, the limit is over.
        assert!(result.is_err() || result.unwrap() > 0);
        assert!(runtime.block_on(set.run_until(async { 1 })) == 1);
    });
}

#[test]
fn many_timeouts_side_by_side() {
    alone(|| {
        let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let tasks: Vec<_> = (0..20)
            .map(|i| {
                runtime.spawn(async move {
                    let limit = Duration::from_millis(1 + i % 5);
                    timeout(limit, endless(Hog::default())).await.is_err()
                })
            })
            .collect();
        for task in tasks {
            assert!(runtime.block_on(task).unwrap());
        }
    });
}

// ---- races ----

#[test]
fn aborts_at_random_moments_end_nobody_else() {
    alone(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .time_slice(Duration::from_millis(1))
            .build()
            .unwrap();
        let mut random = Random::new(1);
        let (mut ended, mut finished) = (0, 0);
        for round in 0..1000 {
            let units = random.below(20_000);
            let victim = runtime.spawn(async move { count_with_cancel(units) });
            let others: Vec<_> = (0..3)
                .map(|_| {
                    let units = random.below(10_000);
                    let task = runtime.spawn(async move {
                        let limit = timeout(LONG, async move { count_with_cancel(units) });
                        limit.await.unwrap()
                    });
                    (units, task)
                })
                .collect();
            work(random.below(60_000));
            victim.abort();
            match runtime.block_on(victim) {
                Ok(value) => {
                    assert_eq!(value, units);
                    finished += 1;
                }
                Err(error) => {
                    assert!(error.is_cancelled(), "round {round}: {error}");
                    ended += 1;
                }
            }
            for (units, task) in others {
                assert_eq!(runtime.block_on(task).unwrap(), units, "round {round}");
            }
        }
        assert_eq!(ended + finished, 1000);
        eventually("all tasks are gone", || runtime.metrics().live_tasks == 0);
    });
}

#[test]
fn loops_that_are_aborted_at_once_all_end() {
    alone(|| {
        let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let mut random = Random::new(2);
        for _ in 0..300 {
            let hogs: Vec<_> = (0..4)
                .map(|_| runtime.spawn(async { spin_with_cancel(&Signal::default()) }))
                .collect();
            for hog in &hogs {
                work(random.below(5_000));
                hog.abort();
            }
            for hog in hogs {
                assert_cancelled(runtime.block_on(hog));
            }
        }
    });
}

#[test]
fn a_task_that_waits_is_cancelled_as_ever() {
    alone(|| {
        let runtime = unasked(1);
        let drops = Count::default();
        let handle = runtime.spawn({
            let counts = CountsDrop(drops.clone());
            async move {
                let _counts = counts;
                pending::<()>().await;
            }
        });
        handle.abort();
        assert_cancelled(runtime.block_on(handle));
        assert_eq!(drops.get(), 1);
    });
}
