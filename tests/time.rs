//! Goal: timers fire at their time or a little later, never before, and for whoever waits, whatever
//! the processors are doing.
//! Method: counts and "not before" are asserted; "a little later" only as the test's deadline. Far
//! timers are an hour away, so that one that fires was fired wrongly.

mod support;

use futures::FutureExt;
use preempt::runtime::Runtime;
use preempt::task::{JoinSet, yield_now};
use preempt::time::{
    Duration, Instant, Interval, MissedTickBehavior, interval, interval_at, sleep, sleep_until,
    timeout, timeout_at,
};
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use support::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Runs one test on each flavor, in `block_on`.
fn on_each_flavor(test: impl AsyncFn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    for make in [|| multi_thread(2), || multi_thread(1), current_thread as fn() -> Runtime] {
        let test = test.clone();
        within(LIMIT, move || make().block_on(test()));
    }
}

// ---- sleep ----

/// Near and far deadlines, set in no order. (Which of two that are due at the same look is told
/// first is the heap's business and tested there.)
#[test]
fn sleeps_end_when_they_are_due_and_not_before() {
    on_each_flavor(async || {
        let start = Instant::now();
        let (mut near, mut far) = (JoinSet::new(), JoinSet::new());
        for nth in 0..500_u64 {
            far.spawn(sleep_until(start + HOUR + ms(nth * 7_919 % 500)));
            near.spawn(async move {
                let deadline = start + Duration::from_micros(nth * 7_919 % 50_000);
                sleep_until(deadline).await;
                assert!(Instant::now() >= deadline);
            });
        }
        assert_eq!(near.join_all().await.len(), 500);
        assert!(far.try_join_next().is_none());
        assert_eq!(far.len(), 500);
    });
}

#[test]
fn a_sleep_is_never_short() {
    on_each_flavor(async || {
        for us in [0, 1, 10, 99, 100, 1_000, 1_001, 3_333] {
            for _ in 0..10 {
                let before = Instant::now();
                sleep(Duration::from_micros(us)).await;
                assert!(before.elapsed() >= Duration::from_micros(us));
            }
        }
    });
}

#[test]
fn a_deadline_in_the_past_is_over_at_the_first_poll() {
    on_each_flavor(async || {
        let now = Instant::now();
        let mut past = Box::pin(sleep_until(now.checked_sub(ms(1)).unwrap_or(now)));
        assert!(past.is_elapsed());
        assert!(poll_once(&mut past).is_ready());
        assert!(sleep(Duration::ZERO).now_or_never().is_some());
    });
}

#[test]
fn a_sleep_may_be_as_long_as_it_likes() {
    on_each_flavor(async || {
        let mut for_ever = Box::pin(sleep(Duration::MAX));
        assert!(poll_once(&mut for_ever).is_pending());
        assert!(timeout(Duration::MAX, ready(7)).await.is_ok());
    });
}

#[test]
fn a_sleep_that_is_dropped_wakes_nobody_and_is_forgotten() {
    on_each_flavor(async || {
        let wakes = Arc::new(CountsWakes::default());
        let waker = Waker::from(wakes.clone());
        {
            // On a busy machine one may be over before it is set.
            let _nap = loop {
                let mut nap = Box::pin(sleep(ms(2)));
                if nap.as_mut().poll_unpin(&mut Context::from_waker(&waker)).is_pending() {
                    break nap;
                }
            };
            assert_eq!(Arc::strong_count(&wakes), 3, "the timer keeps the waker");
        }
        assert_eq!(Arc::strong_count(&wakes), 2, "until the sleep is dropped");
        sleep(ms(10)).await;
        assert_eq!(wakes.count.load(SeqCst), 0);
    });
}

#[test]
fn a_sleep_that_moves_between_tasks_wakes_the_last_that_polled_it() {
    on_each_flavor(async || {
        let mut nap = Box::pin(sleep(ms(20)));
        let first = Arc::new(CountsWakes::default());
        let waker = Waker::from(first.clone());
        assert!(nap.as_mut().poll_unpin(&mut Context::from_waker(&waker)).is_pending());
        preempt::spawn(nap).await.unwrap();
        assert_eq!(first.count.load(SeqCst), 0);
    });
}

#[derive(Default)]
struct CountsWakes {
    count: AtomicUsize,
}

impl Wake for CountsWakes {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, SeqCst);
    }
}

/// Whoever sleeps until the next timer learns of an earlier one.
#[test]
fn a_timer_that_is_set_earlier_than_the_one_slept_on() {
    for make in [|| multi_thread(1), || multi_thread(2), current_thread as fn() -> Runtime] {
        within(LIMIT, move || {
            let runtime = Arc::new(make());
            let far = runtime.spawn(sleep_on(HOUR));
            let other = runtime.clone();
            runtime.block_on(async move {
                yield_now().await;
                // From a thread that is no worker: it sets the timer itself.
                let outside = thread::spawn(move || {
                    thread::sleep(ms(20));
                    let handle = other.handle().clone();
                    drop(other);
                    handle.block_on(sleep_on(ms(1)));
                });
                while !outside.is_finished() {
                    sleep(ms(1)).await;
                }
                outside.join().unwrap();
                // From a task.
                preempt::spawn(sleep_on(ms(1))).await.unwrap();
            });
            assert!(!far.is_finished());
        });
    }
}

/// Asks for its timer only when it is polled.
async fn sleep_on(duration: Duration) {
    sleep(duration).await;
}

/// The main thread's timer has nobody of its own: the runtime's machines or the monitor fire it.
#[test]
fn timers_of_block_on_fire_while_all_machines_sleep() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        for _ in 0..20 {
            runtime.block_on(sleep_on(ms(1)));
            thread::sleep(ms(1));
        }
        // Long enough for the monitor to be asleep.
        runtime.block_on(sleep_on(ms(300)));
        runtime.block_on(sleep_on(ms(1)));
    });
}

#[test]
fn timers_fire_while_every_processor_is_in_a_poll() {
    for workers in [1, 2] {
        within(LIMIT, move || {
            let runtime = multi_thread(workers);
            let stop = Stop::new();
            for _ in 0..workers {
                let (started, ends) = (Signal::default(), stop.signal());
                let running = started.clone();
                runtime.spawn(async move {
                    running.set();
                    ends.spin();
                });
                started.wait("the hog runs");
            }
            // On a busy machine the first may have been preempted until the second worker was there.
            eventually("each has a worker", || runtime.metrics().detached_polls == 0);
            let before = runtime.metrics().hand_offs;
            for _ in 0..10 {
                runtime.block_on(sleep_on(ms(1)));
            }
            let hand_offs = runtime.metrics().hand_offs - before;
            assert_eq!(hand_offs, 0, "the main thread needs no processor");
        });
    }
}

#[test]
fn a_hundred_thousand_timers() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        let start = Instant::now();
        let tasks: JoinSet<_> = {
            let _context = runtime.enter();
            (0..100_000_u64)
                .map(|nth| async move {
                    // In no order.
                    let deadline = start + Duration::from_micros(nth * 7_919 % 200_000);
                    sleep_until(deadline).await;
                    assert!(Instant::now() >= deadline);
                })
                .collect()
        };
        assert_eq!(runtime.block_on(tasks.join_all()).len(), 100_000);
    });
}

/// Timeouts that never strike: set and taken back, in any order.
#[test]
fn many_timers_that_are_taken_back() {
    on_each_flavor(async || {
        let mut tasks = JoinSet::new();
        for nth in 0..2_000_u64 {
            tasks.spawn(async move {
                for round in 0..5 {
                    let far = HOUR + ms(nth * 7_919 % 1_000 + round);
                    timeout(far, yield_now()).await.unwrap();
                }
            });
        }
        assert_eq!(tasks.join_all().await.len(), 2_000);
    });
}

/// A user's waker that panics when the timer fires takes no thread of the runtime with it.
#[test]
fn a_timer_survives_a_waker_that_panics() {
    struct Panics(Signal);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            self.0.set();
            panic!("on purpose");
        }
    }
    for busy in [false, true] {
        within(LIMIT, move || {
            let runtime = multi_thread(1);
            let stop = Stop::new();
            if busy {
                // The monitor fires the timers then.
                let (started, ends) = (Signal::default(), stop.signal());
                let running = started.clone();
                runtime.spawn(async move {
                    running.set();
                    ends.spin();
                });
                started.wait("the hog runs");
            }
            let woken = Signal::default();
            let waker = Waker::from(Arc::new(Panics(woken.clone())));
            let mut nap = {
                let _context = runtime.enter();
                Box::pin(sleep(ms(5)))
            };
            assert!(nap.as_mut().poll_unpin(&mut Context::from_waker(&waker)).is_pending());
            woken.wait("the waker is called");
            runtime.block_on(sleep_on(ms(1)));
            runtime.block_on(runtime.spawn(sleep_on(ms(1)))).unwrap();
            assert!(poll_once(&mut nap).is_ready());
        });
    }
}

// ---- reset ----

#[test]
fn reset_makes_a_sleep_shorter_and_longer_and_new() {
    on_each_flavor(async || {
        let mut nap = pin!(sleep(HOUR));
        assert!(nap.as_mut().now_or_never().is_none());
        nap.as_mut().reset(Instant::now() + ms(1));
        nap.as_mut().await;
        let later = Instant::now() + ms(20);
        nap.as_mut().reset(later);
        assert_eq!(nap.deadline(), later);
        assert!(!nap.is_elapsed());
        nap.as_mut().await;
        assert!(Instant::now() >= later);
        nap.as_mut().reset(Instant::now() + HOUR);
        assert!(nap.as_mut().now_or_never().is_none());
    });
}

/// As in tokio: whoever waits for a sleep is woken at its new deadline, also if nobody polls it in
/// between.
#[test]
fn reset_keeps_the_waker() {
    on_each_flavor(async || {
        let mut nap = Box::pin(sleep(HOUR));
        let mut is_reset = false;
        poll_fn(|cx| {
            if nap.as_mut().poll_unpin(cx).is_ready() {
                return Poll::Ready(());
            }
            if !is_reset {
                is_reset = true;
                nap.as_mut().reset(Instant::now() + ms(1));
            }
            Poll::Pending
        })
        .await;
    });
}

// ---- interval ----

#[test]
fn an_interval_ticks_at_once_and_then_on_schedule() {
    on_each_flavor(async || {
        let before = Instant::now();
        let mut ticks = interval(ms(2));
        assert_eq!(ticks.period(), ms(2));
        let first = ticks.tick().await;
        assert!(first >= before && first <= Instant::now());
        for nth in 1..10 {
            let tick = ticks.tick().await;
            assert_eq!(tick, first + ms(2) * nth, "ticks tell their schedule");
            assert!(Instant::now() >= tick);
        }
    });
}

#[test]
fn an_interval_starts_when_it_is_told_to() {
    on_each_flavor(async || {
        let start = Instant::now() + ms(10);
        let mut ticks = interval_at(start, HOUR);
        assert_eq!(ticks.tick().await, start);
        assert!(Instant::now() >= start);
        assert!(ticks.tick().now_or_never().is_none());
        ticks.reset_immediately();
        ticks.tick().await;
        ticks.reset_after(ms(1));
        ticks.tick().await;
        ticks.reset();
        assert!(ticks.tick().now_or_never().is_none());
    });
}

/// An interval whose tick is read 25 ms late, with what follows it.
async fn late_interval(behavior: MissedTickBehavior) -> (Instant, Interval) {
    let mut ticks = interval(ms(10));
    ticks.set_missed_tick_behavior(behavior);
    assert_eq!(ticks.missed_tick_behavior(), behavior);
    let first = ticks.tick().await;
    thread::sleep((first + ms(35)).duration_since(Instant::now()));
    assert_eq!(ticks.tick().await, first + ms(10));
    (first, ticks)
}

#[test]
fn missed_ticks_burst() {
    on_each_flavor(async || {
        let (first, mut ticks) = late_interval(MissedTickBehavior::Burst).await;
        for nth in 2..=3 {
            let tick = ticks.tick().now_or_never();
            assert_eq!(tick, Some(first + ms(10) * nth), "it comes at once");
        }
        assert_eq!(ticks.tick().await, first + ms(40));
    });
}

#[test]
fn missed_ticks_are_skipped() {
    on_each_flavor(async || {
        let (first, mut ticks) = late_interval(MissedTickBehavior::Skip).await;
        let next = ticks.tick().await;
        assert!(next >= first + ms(40), "the missed ticks are gone");
        let beside = next.duration_since(first).as_nanos() % ms(10).as_nanos();
        assert_eq!(beside, 0, "on schedule");
    });
}

#[test]
fn missed_ticks_delay_the_schedule() {
    on_each_flavor(async || {
        let (first, mut ticks) = late_interval(MissedTickBehavior::Delay).await;
        let next = ticks.tick().await;
        assert!(next >= first + ms(45), "a period after the late tick");
    });
}

// ---- timeout ----

#[test]
fn a_timeout_lets_a_ready_future_win() {
    on_each_flavor(async || {
        assert_eq!(timeout(Duration::ZERO, ready(7)).await, Ok(7), "though its time is over");
        assert_eq!(timeout(HOUR, async { 7 }).await, Ok(7));
        let finishes = async {
            sleep(ms(1)).await;
            7
        };
        assert_eq!(timeout(HOUR, finishes).await, Ok(7));
        assert_eq!(timeout_at(Instant::now() + HOUR, yield_now()).await, Ok(()));
        assert_eq!(timeout(HOUR, ready(7)).into_inner().await, 7);
    });
}

#[test]
fn a_timeout_ends_and_drops_a_future_that_is_not_ready() {
    on_each_flavor(async || {
        let drops = Count::default();
        let dropped = CountsDrop(drops.clone());
        let never = async move {
            let _dropped = dropped;
            pending::<()>().await;
        };
        let before = Instant::now();
        assert!(timeout(ms(5), never).await.is_err());
        assert!(before.elapsed() >= ms(5));
        assert_eq!(drops.get(), 1);
        assert!(timeout_at(Instant::now(), pending::<()>()).await.is_err());
    });
}

#[test]
fn an_elapsed_timeout_is_an_error_and_an_io_error() {
    within(LIMIT, || {
        let elapsed = multi_thread(1)
            .block_on(async { timeout(Duration::ZERO, pending::<()>()).await })
            .unwrap_err();
        assert_eq!(elapsed.to_string(), "deadline has elapsed");
        let error = std::io::Error::from(elapsed);
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "deadline has elapsed");
    });
}

#[test]
fn nested_timeouts_strike_from_the_inside_or_the_outside() {
    on_each_flavor(async || {
        assert!(timeout(HOUR, timeout(ms(1), pending::<()>())).await.unwrap().is_err());
        assert!(timeout(ms(1), timeout(HOUR, pending::<()>())).await.is_err());
    });
}
