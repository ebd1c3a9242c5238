//! Goal: tasks that wait for each other by the types of `preempt::sync` get on beside endless loops,
//! in the order and with the limits that the types promise.
//! Method: as many loops without a checkpoint as there are workers, one and two; each scenario has an
//! outcome that a lost or wrong wake-up would change or keep from coming.

mod support;

use preempt::runtime::{Builder, Runtime};
use preempt::sync::{
    Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, broadcast, mpsc, oneshot, watch,
};
use preempt::task::{JoinSet, yield_now};
use preempt::time::Duration;
use std::future::Future;
use std::sync::Arc;
use std::thread;
use support::*;

/// Runs `scenario` as a task beside hogs, with one worker and with two.
#[track_caller]
fn beside_hogs<F>(scenario: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let _serial = serial();
    for workers in [1, 2] {
        within(LIMIT, move || {
            let mut builder = Builder::new_multi_thread();
            let builder = builder.worker_threads(workers).time_slice(Duration::from_millis(1));
            let runtime: Runtime = builder.build().unwrap();
            let stop = Stop::new();
            for _ in 0..workers {
                let stopped = stop.signal();
                runtime.spawn(async move { stopped.spin() });
            }
            runtime.block_on(runtime.spawn(scenario())).unwrap();
        });
    }
}

#[test]
fn a_bounded_channel_holds_its_senders_back() {
    beside_hogs(|| async {
        const MESSAGES: usize = 200;
        const CAPACITY: usize = 3;
        let (sender, mut receiver) = mpsc::channel(CAPACITY);
        let sent = Count::default();
        let counted = sent.clone();
        let task = preempt::spawn(async move {
            for message in 0..MESSAGES {
                sender.send(message).await.unwrap();
                counted.add_one();
            }
        });
        for expected in 0..MESSAGES {
            assert_eq!(receiver.recv().await, Some(expected));
            // One may have been sent into the place that this one has left.
            assert!(sent.get() <= expected + 1 + CAPACITY, "{} sent", sent.get());
        }
        assert_eq!(receiver.recv().await, None);
        task.await.unwrap();
    });
}

#[test]
fn many_senders_and_threads_to_one_receiver() {
    beside_hogs(|| async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let (blocking, mut from_blocking) = mpsc::channel(1);
        for task in 0..5_u64 {
            let sender = sender.clone();
            preempt::spawn(async move {
                for message in 0..20 {
                    sender.send(task * 20 + message).unwrap();
                    yield_now().await;
                }
            });
        }
        drop(sender);
        let thread = thread::spawn(move || {
            (0..20).for_each(|message| blocking.blocking_send(message).unwrap());
        });
        let mut sum = 0;
        while let Some(message) = receiver.recv().await {
            sum += message;
        }
        assert_eq!(sum, 99 * 100 / 2);
        for expected in 0..20 {
            assert_eq!(from_blocking.recv().await, Some(expected));
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_chain_of_oneshots() {
    beside_hogs(|| async {
        let (first, mut last) = oneshot::channel::<u32>();
        for _ in 0..50 {
            let (sender, receiver) = oneshot::channel();
            let from = std::mem::replace(&mut last, receiver);
            preempt::spawn(async move { sender.send(from.await.unwrap() + 1).unwrap() });
        }
        first.send(0).unwrap();
        assert_eq!(last.await.unwrap(), 50);
        // The other end may go, on both sides.
        let (sender, receiver) = oneshot::channel::<u32>();
        drop(sender);
        assert!(receiver.await.is_err());
        let (mut sender, receiver) = oneshot::channel::<u32>();
        preempt::spawn(async move { drop(receiver) });
        sender.closed().await;
    });
}

#[test]
fn a_slow_receiver_of_a_broadcast_is_told_what_it_missed() {
    beside_hogs(|| async {
        const MESSAGES: usize = 100;
        const CAPACITY: usize = 8;
        let (sender, mut slow) = broadcast::channel(CAPACITY);
        let (mut fast, received) = (sender.subscribe(), Count::default());
        let counted = received.clone();
        let task = preempt::spawn(async move {
            for expected in 0..MESSAGES {
                assert_eq!(fast.recv().await.unwrap(), expected);
                counted.add_one();
            }
            fast.recv().await.unwrap_err()
        });
        for message in 0..MESSAGES {
            while message >= received.get() + CAPACITY {
                yield_now().await;
            }
            sender.send(message).unwrap();
        }
        let missed = MESSAGES - CAPACITY;
        let lagged = broadcast::error::RecvError::Lagged(missed.try_into().unwrap());
        assert_eq!(slow.recv().await.unwrap_err(), lagged);
        assert_eq!(slow.recv().await.unwrap(), missed);
        drop(sender);
        assert_eq!(task.await.unwrap(), broadcast::error::RecvError::Closed);
    });
}

#[test]
fn a_watch_shows_the_latest_value_to_all() {
    beside_hogs(|| async {
        let (sender, receiver) = watch::channel(0);
        let mut watchers = JoinSet::new();
        for _ in 0..5 {
            let mut receiver = receiver.clone();
            watchers.spawn(async move {
                let mut last = 0;
                while receiver.changed().await.is_ok() {
                    let now = *receiver.borrow_and_update();
                    assert!(now > last, "{now} after {last}");
                    last = now;
                }
                last
            });
        }
        for value in 1..=50 {
            sender.send(value).unwrap();
            yield_now().await;
        }
        drop(sender);
        // Some changes are missed, the last is not.
        assert_eq!(watchers.join_all().await, [50; 5]);
        assert_eq!(*receiver.borrow(), 50);
    });
}

#[test]
fn a_notification_is_kept_for_one_and_wakes_in_order() {
    beside_hogs(|| async {
        let notify = Arc::new(Notify::new());
        notify.notify_one();
        notify.notified().await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = JoinSet::new();
        for nth in 0..10 {
            let (notify, order, waits) = (notify.clone(), order.clone(), Signal::default());
            let is_waiting = waits.clone();
            waiting.spawn(async move {
                let notified = notify.notified();
                preempt::pin!(notified);
                notified.as_mut().enable();
                waits.set();
                notified.await;
                order.lock().await.push(nth);
            });
            while !is_waiting.is_set() {
                yield_now().await;
            }
        }
        for nth in 0..5 {
            notify.notify_one();
            waiting.join_next().await.unwrap().unwrap();
            assert_eq!(*order.lock().await, (0..=nth).collect::<Vec<_>>());
        }
        notify.notify_waiters();
        waiting.join_all().await;
        assert_eq!(order.lock().await.len(), 10);
    });
}

#[test]
fn a_semaphore_serves_in_the_order_of_asking() {
    beside_hogs(|| async {
        let semaphore = Arc::new(Semaphore::new(2));
        let all = semaphore.acquire_many(2).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for nth in 0..10 {
            // One that wants much is not overtaken by those that want little.
            let wanted = if nth == 3 { 2 } else { 1 };
            let (semaphore, order, asked) = (semaphore.clone(), order.clone(), Signal::default());
            let has_asked = asked.clone();
            tasks.spawn(async move {
                let permits = semaphore.acquire_many(wanted);
                preempt::pin!(permits);
                let asks = std::future::poll_fn(|cx| {
                    assert!(permits.as_mut().poll(cx).is_pending());
                    asked.set();
                    std::task::Poll::Ready(())
                });
                asks.await;
                let permits = permits.await.unwrap();
                order.lock().await.push(nth);
                drop(permits);
            });
            while !has_asked.is_set() {
                yield_now().await;
            }
        }
        drop(all);
        tasks.join_all().await;
        let order = order.lock().await;
        // Two at a time may change places, so the third is where it can be told.
        let place = order.iter().position(|&nth| nth == 3).unwrap();
        assert!(order[..place].iter().all(|&nth| nth < 3), "{order:?}");
        assert_eq!((place, semaphore.available_permits()), (3, 2));
        semaphore.close();
        assert!(semaphore.acquire().await.is_err());
    });
}

#[test]
fn a_mutex_is_held_by_one_across_awaits() {
    beside_hogs(|| async {
        let mutex = Arc::new(Mutex::new(0_u32));
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let mutex = mutex.clone();
            tasks.spawn(async move {
                for _ in 0..10 {
                    let mut guard = mutex.lock().await;
                    let before = *guard;
                    yield_now().await;
                    work(1_000);
                    *guard = before + 1;
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(*mutex.lock().await, 100);
    });
}

#[test]
fn readers_share_a_lock_and_writers_do_not() {
    beside_hogs(|| async {
        let lock = Arc::new(RwLock::new([0_u32; 2]));
        let (together, met) = (Arc::new(Barrier::new(4)), Signal::default());
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let (lock, together, met) = (lock.clone(), together.clone(), met.clone());
            tasks.spawn(async move {
                let guard = lock.read().await;
                // Only if all four hold the lock.
                together.wait().await;
                met.set();
                drop(guard);
                for _ in 0..20 {
                    let guard = lock.read().await;
                    let before = *guard;
                    yield_now().await;
                    assert_eq!((before[0], *guard), (before[1], before));
                }
            });
        }
        for _ in 0..2 {
            let (lock, met) = (lock.clone(), met.clone());
            tasks.spawn(async move {
                // A writer that waits would keep further readers out.
                while !met.is_set() {
                    yield_now().await;
                }
                for _ in 0..10 {
                    let mut guard = lock.write().await;
                    guard[0] += 1;
                    yield_now().await;
                    guard[1] += 1;
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(*lock.read().await, [20; 2]);
    });
}

#[test]
fn a_barrier_has_one_leader_in_each_round() {
    beside_hogs(|| async {
        const TASKS: usize = 6;
        const ROUNDS: usize = 10;
        let (barrier, arrived) = (Arc::new(Barrier::new(TASKS)), Count::default());
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (barrier, arrived) = (barrier.clone(), arrived.clone());
            tasks.spawn(async move {
                let mut led = 0;
                for round in 1..=ROUNDS {
                    arrived.add_one();
                    led += usize::from(barrier.wait().await.is_leader());
                    assert!(arrived.get() >= round * TASKS);
                }
                led
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), ROUNDS);
    });
}

#[test]
fn a_cell_is_initialised_once() {
    beside_hogs(|| async {
        let (cell, made) = (Arc::new(OnceCell::new()), Count::default());
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let (cell, made) = (cell.clone(), made.clone());
            tasks.spawn(async move {
                let make = || async {
                    yield_now().await;
                    made.add_one()
                };
                *cell.get_or_init(make).await
            });
        }
        assert_eq!(tasks.join_all().await, [1; 10]);
    });
}

/// Tasks of two runtimes and a plain thread share a channel and a lock.
#[test]
fn they_work_between_runtimes_and_threads() {
    within(LIMIT, || {
        let (one, other) = (multi_thread(1), current_thread());
        let (sender, mut receiver) = mpsc::channel::<u32>(1);
        let sum = Arc::new(Mutex::new(0));
        let total = sum.clone();
        let task = one.spawn(async move {
            while let Some(number) = receiver.recv().await {
                *total.lock().await += number;
            }
        });
        let from_thread = sender.clone();
        let thread = thread::spawn(move || from_thread.blocking_send(1).unwrap());
        other.block_on(async move {
            preempt::spawn(async move { sender.send(2).await.unwrap() }).await.unwrap();
        });
        thread.join().unwrap();
        one.block_on(task).unwrap();
        assert_eq!(*futures::executor::block_on(sum.lock()), 3);
    });
}
