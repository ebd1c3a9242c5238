//! Classic mistakes: each is found within 200 seeds, and the seed finds it again.

use crate::determinism::seeded;
use crate::support::*;
use preempt::preemptible;
use preempt::sync::{Mutex as AsyncMutex, Notify, oneshot};
use preempt::task::yield_now;
use preempt::time::{Duration, sleep, timeout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

/// Whether the test fails with the seed.
fn fails<F: Future<Output = ()>>(seed: u64, test: impl Fn() -> F) -> bool {
    catch_unwind(AssertUnwindSafe(|| seeded(seed).block_on(test()))).is_err()
}

/// The first of 200 seeds that fails does so 10 times of 10, and some seed passes: the bug is a rare one.
fn is_found<F: Future<Output = ()> + 'static>(test: impl Fn() -> F + Copy + Send + 'static) -> u64 {
    within(LIMIT, move || {
        let found = (0..200).find(|seed| fails(*seed, test)).expect("no seed has found it");
        for _ in 0..10 {
            assert!(fails(found, test), "seed {found} does not find it again");
        }
        assert!((0..200).any(|seed| !fails(seed, test)), "it always fails");
        found
    })
}

/// The corrected program passes with all of them.
fn is_never_found<F: Future<Output = ()> + 'static>(test: impl Fn() -> F + Copy + Send + 'static) {
    within(LIMIT, move || {
        for seed in 0..200 {
            assert!(!fails(seed, test), "seed {seed}");
        }
    });
}

#[test]
fn a_lost_update_around_an_await() {
    async fn add(total: Arc<AtomicU32>, under: Option<Arc<AsyncMutex<()>>>) {
        let _guard = match &under {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        let before = total.load(SeqCst);
        yield_now().await;
        total.store(before + 1, SeqCst);
    }
    async fn twice(lock: Option<Arc<AsyncMutex<()>>>) {
        let total = Arc::new(AtomicU32::new(0));
        let tasks = [(); 2].map(|()| preempt::spawn(add(total.clone(), lock.clone())));
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(total.load(SeqCst), 2);
    }
    is_found(|| twice(None));
    is_never_found(|| twice(Some(Arc::new(AsyncMutex::new(())))));
}

#[test]
fn a_check_then_act_race_across_a_sync_checkpoint() {
    #[derive(Default)]
    struct Once {
        is_taken: AtomicBool,
        owners: AtomicU32,
    }
    #[preemptible(entry = true)]
    fn weigh(n: u32) -> u32 {
        n + 1
    }
    #[preemptible]
    fn take(once: &Once) {
        if !once.is_taken.load(SeqCst) {
            std::hint::black_box(weigh(1));
            once.is_taken.store(true, SeqCst);
            once.owners.fetch_add(1, SeqCst);
        }
    }
    #[preemptible]
    fn take_at_once(once: &Once) {
        std::hint::black_box(weigh(1));
        if !once.is_taken.swap(true, SeqCst) {
            once.owners.fetch_add(1, SeqCst);
        }
    }
    async fn two(take: fn(&Once)) {
        let once = Arc::new(Once::default());
        let tasks = [(); 2].map(|()| {
            let once = once.clone();
            preempt::spawn(async move { take(&once) })
        });
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(once.owners.load(SeqCst), 1);
    }
    is_found(|| two(take));
    is_never_found(|| two(take_at_once));
}

#[test]
fn a_deadlock_of_two_locks_in_opposite_order() {
    async fn both(first: Arc<AsyncMutex<()>>, second: Arc<AsyncMutex<()>>) {
        let _first = first.lock().await;
        preempt::checkpoint();
        let _second = second.lock().await;
    }
    async fn two(is_opposite: bool) {
        let (a, b) = (Arc::new(AsyncMutex::new(())), Arc::new(AsyncMutex::new(())));
        let one = preempt::spawn(both(a.clone(), b.clone()));
        let other = preempt::spawn(if is_opposite { both(b, a) } else { both(a, b) });
        one.await.unwrap();
        other.await.unwrap();
    }
    let seed = is_found(|| two(true));
    let message = panic_message(move || seeded(seed).block_on(two(true)));
    assert!(message.contains(&format!("deadlock with seed {seed}")), "{message}");
    assert_eq!(message.matches("bugs.rs").count(), 2, "{message}");
    is_never_found(|| two(false));
}

#[test]
fn a_missed_notification() {
    async fn wait(keeps: bool) {
        let (notify, is_set) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let setter = preempt::spawn({
            let (notify, is_set) = (notify.clone(), is_set.clone());
            async move {
                is_set.store(true, SeqCst);
                // Only `notify_one` is kept for whoever comes later.
                if keeps { notify.notify_one() } else { notify.notify_waiters() }
            }
        });
        while !is_set.load(SeqCst) {
            yield_now().await;
            notify.notified().await;
        }
        setter.await.unwrap();
    }
    is_found(|| wait(false));
    is_never_found(|| wait(true));
}

/// The message and the timeout come at the same instant; the bug is to believe that the message is first.
#[test]
fn a_timeout_that_fires_before_the_message() {
    const TIME: Duration = Duration::from_secs(5);
    async fn receive(patience: Duration) {
        let (sender, receiver) = oneshot::channel();
        preempt::spawn(async move {
            sleep(TIME).await;
            let _ = sender.send(1);
        });
        let received = preempt::spawn(timeout(patience, receiver)).await.unwrap();
        assert_eq!(received.expect("it was too late"), Ok(1));
    }
    is_found(|| receive(TIME));
    is_never_found(|| receive(TIME + Duration::from_nanos(1)));
}

/// The future of `block_on` and a blocking closure are preempted at checkpoints as well.
#[test]
fn races_of_the_main_future_and_of_blocking_closures() {
    fn add(total: &AtomicU32) {
        let before = total.load(SeqCst);
        preempt::checkpoint();
        total.store(before + 1, SeqCst);
    }
    async fn main_and_task() {
        let total = Arc::new(AtomicU32::new(0));
        let task = preempt::spawn({
            let total = total.clone();
            async move { add(&total) }
        });
        add(&total);
        task.await.unwrap();
        assert_eq!(total.load(SeqCst), 2);
    }
    async fn closures() {
        let total = Arc::new(AtomicU32::new(0));
        let jobs = [(); 2].map(|()| {
            let total = total.clone();
            preempt::task::spawn_blocking(move || add(&total))
        });
        for job in jobs {
            job.await.unwrap();
        }
        assert_eq!(total.load(SeqCst), 2);
    }
    is_found(main_and_task);
    is_found(closures);
}
