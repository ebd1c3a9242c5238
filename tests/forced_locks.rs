//! Goal: locks, channels and thread-locals of ordinary libraries work in tasks that are suspended
//! at any instruction, however many others want them.
//! Method: a task holds the lock for several time slices while others wait for it, on one and on
//! two processors, with both backends. What the lock guards is checked before and after, the
//! number of rounds at the end. A deadlock is a missed deadline.

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use preempt::runtime::{Builder, Runtime};
use preempt::task::{JoinSet, LocalSet};
use preempt::time::{Duration, sleep};
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, RwLock, mpsc};
use std::task::{Context, Wake, Waker};

const TASKS: usize = 10;
const ROUNDS: usize = 12;

/// Runs `round` so many times in each of so many tasks that never await.
fn storm(
    runtime: &Runtime,
    tasks: usize,
    rounds: usize,
    round: impl Fn(usize) + Send + Sync + 'static,
) {
    let round = Arc::new(round);
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for task in 0..tasks {
            let round = round.clone();
            set.spawn(async move { (0..rounds).for_each(|_| round(task)) });
        }
        while let Some(ended) = set.join_next().await {
            ended.unwrap();
        }
    });
}

/// A storm on a fresh runtime, beside two hogs.
fn storm_on(builder: &mut Builder, round: impl Fn(usize) + Send + Sync + 'static) {
    storm_of(TASKS, builder, round);
}

/// On one core each task may soon be blocked and handed off; the hogs see to it that polls are
/// suspended in any case.
fn storm_of(tasks: usize, builder: &mut Builder, round: impl Fn(usize) + Send + Sync + 'static) {
    let runtime = builder.build().unwrap();
    let stop = Stop::new();
    for _ in 0..2 {
        let stop = stop.signal();
        runtime.spawn(async move { stop.spin() });
    }
    storm(&runtime, tasks, ROUNDS, round);
    eventually("polls are suspended", || runtime.metrics().detaches > 0);
}

/// Changes what only the holder of a lock may change, for two time slices.
fn change(value: &mut usize) {
    *value += 1;
    let expected = *value;
    work_slices(2);
    assert_eq!(*value, expected);
}

#[test]
fn a_mutex_of_std() {
    on_each(|builder| {
        let lock = Arc::new(Mutex::new(0));
        let theirs = lock.clone();
        storm_on(builder, move |_| change(&mut theirs.lock().unwrap()));
        assert_eq!(*lock.lock().unwrap(), TASKS * ROUNDS);
    });
}

#[test]
fn a_mutex_of_parking_lot() {
    on_each(|builder| {
        let lock = Arc::new(parking_lot::Mutex::new(0));
        let theirs = lock.clone();
        storm_on(builder, move |_| change(&mut theirs.lock()));
        assert_eq!(*lock.lock(), TASKS * ROUNDS);
    });
}

/// More tasks block in the kernel than the runtime has threads, while the only one that can free
/// them waits to be resumed.
#[test]
fn a_mutex_wanted_by_more_tasks_than_there_may_be_threads() {
    on_each(|builder| {
        const MANY: usize = 400;
        let runtime = builder.build().unwrap();
        let lock = Arc::new(Mutex::new(0));
        let theirs = lock.clone();
        storm(&runtime, MANY, 1, move |_| change(&mut theirs.lock().unwrap()));
        assert_eq!(*lock.lock().unwrap(), MANY);
    });
}

/// A waker of a combinator: takes the combinator's lock, as polling it does.
struct LockingWaker {
    lock: Arc<Mutex<()>>,
    woken: Arc<AtomicUsize>,
}

impl Wake for LockingWaker {
    fn wake(self: Arc<Self>) {
        drop(self.lock.lock().unwrap());
        self.woken.fetch_add(1, SeqCst);
    }
}

/// A poll is suspended with the lock that the waker of a timer takes. The timer is due, and its waker
/// waits for the lock: neither the monitor nor a machine may wait with it, as the poll ends only when
/// other tasks have run for a while.
#[test]
fn a_waker_of_a_timer_that_waits_for_a_suspended_poll() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let lock = Arc::new(Mutex::new(()));
        let woken = Arc::new(AtomicUsize::new(0));
        let ticks = Arc::new(AtomicUsize::new(0));
        let holder = runtime.spawn({
            let (lock, ticks) = (lock.clone(), ticks.clone());
            async move {
                let _guard = lock.lock().unwrap();
                while ticks.load(SeqCst) < 30 {
                    std::hint::spin_loop();
                }
            }
        });
        eventually("the lock is held", || lock.try_lock().is_err());
        let waiter = runtime.spawn({
            let woken = woken.clone();
            async move {
                let waker = Waker::from(Arc::new(LockingWaker { lock, woken }));
                // This poll may be suspended for so long that a timer is over before it is set.
                let timer = loop {
                    let mut timer = Box::pin(sleep(Duration::from_millis(1)));
                    if timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                        break timer;
                    }
                };
                // The timer lives on while its waker is called.
                sleep(Duration::from_millis(200)).await;
                timer.await;
            }
        });
        runtime.block_on(async {
            while ticks.load(SeqCst) < 30 {
                preempt::spawn(sleep(Duration::from_millis(1))).await.unwrap();
                ticks.fetch_add(1, SeqCst);
            }
            holder.await.unwrap();
            waiter.await.unwrap();
        });
        eventually("the waker returns", || woken.load(SeqCst) == 1);
    });
}

/// The same with a set of local tasks in between: the waker of a task calls that of the set.
#[test]
fn a_waker_of_a_local_set_that_waits_for_a_suspended_poll() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let lock = Arc::new(Mutex::new(()));
        let woken = Arc::new(AtomicUsize::new(0));
        let ticks = Arc::new(AtomicUsize::new(0));
        let holder = runtime.spawn({
            let (lock, ticks) = (lock.clone(), ticks.clone());
            async move {
                let _guard = lock.lock().unwrap();
                while ticks.load(SeqCst) < 30 {
                    std::hint::spin_loop();
                }
            }
        });
        eventually("the lock is held", || lock.try_lock().is_err());
        let waiter = runtime.spawn(async move {
            let waker = Waker::from(Arc::new(LockingWaker { lock, woken: woken.clone() }));
            let mut set = pin!(LocalSet::new());
            // As above: suspended in between, a task may end in its first poll.
            loop {
                set.spawn_local(sleep(Duration::from_millis(1)));
                if set.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                    break;
                }
            }
            while woken.load(SeqCst) == 0 {
                std::hint::spin_loop();
            }
        });
        runtime.block_on(async {
            while ticks.load(SeqCst) < 30 {
                preempt::spawn(sleep(Duration::from_millis(1))).await.unwrap();
                ticks.fetch_add(1, SeqCst);
            }
            holder.await.unwrap();
            waiter.await.unwrap();
        });
    });
}

#[test]
fn a_read_write_lock() {
    on_each(|builder| {
        let lock = Arc::new(RwLock::new(0));
        let theirs = lock.clone();
        storm_on(builder, move |task| {
            if task % 3 == 0 {
                change(&mut theirs.write().unwrap());
            } else {
                let guard = theirs.read().unwrap();
                let before = *guard;
                work_slices(2);
                assert_eq!(*guard, before);
            }
        });
        assert_eq!(*lock.read().unwrap(), TASKS.div_ceil(3) * ROUNDS);
    });
}

#[test]
fn a_read_write_lock_of_parking_lot() {
    on_each(|builder| {
        let lock = Arc::new(parking_lot::RwLock::new(0));
        let theirs = lock.clone();
        storm_on(builder, move |task| {
            if task % 3 == 0 {
                change(&mut theirs.write());
            } else {
                let guard = theirs.read();
                let before = *guard;
                work_slices(2);
                assert_eq!(*guard, before);
            }
        });
        assert_eq!(*lock.read(), TASKS.div_ceil(3) * ROUNDS);
    });
}

#[test]
fn what_is_initialised_once_and_takes_long() {
    on_each(|builder| {
        #[derive(Default)]
        struct Cells {
            once: OnceCells,
            lazy: LazyCell,
            runs: AtomicUsize,
        }
        type LazyCell = OnceLock<LazyLock<usize, Box<dyn FnOnce() -> usize + Send>>>;
        struct OnceCells(Once, OnceLock<usize>);
        impl Default for OnceCells {
            fn default() -> Self {
                OnceCells(Once::new(), OnceLock::new())
            }
        }
        let cells: Arc<Vec<Cells>> = Arc::new((0..ROUNDS).map(|_| Cells::default()).collect());
        let theirs = cells.clone();
        let turns: Vec<AtomicUsize> = (0..TASKS).map(|_| AtomicUsize::new(0)).collect();
        storm_on(builder, move |task| {
            let cell = &theirs[turns[task].fetch_add(1, SeqCst)];
            let take_long = |runs: &AtomicUsize| {
                work_slices(5);
                runs.fetch_add(1, SeqCst);
                7
            };
            cell.once.0.call_once(|| assert_eq!(take_long(&cell.runs), 7));
            assert_eq!(*cell.once.1.get_or_init(|| take_long(&cell.runs)), 7);
            let lazy = cell.lazy.get_or_init(|| {
                LazyLock::new(Box::new(|| {
                    work_slices(5);
                    8
                }))
            });
            assert_eq!(**lazy, 8);
        });
        assert!(cells.iter().all(|cell| cell.runs.load(SeqCst) == 2));
    });
}

#[test]
fn a_condition_variable_and_a_barrier() {
    on_each(|builder| {
        let barrier = Arc::new(Barrier::new(TASKS));
        let leaders = Count::default();
        let turn = Arc::new((Mutex::new(0), Condvar::new()));
        let (theirs, counted) = (turn.clone(), leaders.clone());
        // They block so soon that each is handed off at once, and nobody has to be suspended.
        storm(&builder.build().unwrap(), TASKS, ROUNDS, move |task| {
            if barrier.wait().is_leader() {
                counted.add_one();
            }
            work_slices(1);
            // One after the other, in the order of their numbers.
            let (lock, changed) = &*theirs;
            let mut turn =
                changed.wait_while(lock.lock().unwrap(), |turn| *turn % TASKS != task).unwrap();
            work_slices(1);
            *turn += 1;
            changed.notify_all();
        });
        assert_eq!(leaders.get(), ROUNDS);
        assert_eq!(*turn.0.lock().unwrap(), TASKS * ROUNDS);
    });
}

/// Tasks that block in `recv` and `send` of channels that know nothing of the runtime.
#[test]
fn channels_of_std() {
    on_each(|builder| {
        let (sender, receiver) = mpsc::channel::<usize>();
        let (bounded, from_bounded) = mpsc::sync_channel::<usize>(1);
        let receiver = Mutex::new(receiver);
        let from_bounded = Mutex::new(from_bounded);
        let sum = Arc::new(AtomicUsize::new(0));
        let total = sum.clone();
        storm_of(12, builder, move |task| {
            work_slices(1);
            // Three senders and three receivers of each.
            let received = match task {
                0 | 4 | 8 => return sender.send(1).unwrap(),
                1 | 5 | 9 => return bounded.send(100).unwrap(),
                2 | 6 | 10 => receiver.lock().unwrap().recv().unwrap(),
                _ => from_bounded.lock().unwrap().recv().unwrap(),
            };
            total.fetch_add(received, SeqCst);
        });
        assert_eq!(sum.load(SeqCst), 3 * ROUNDS * 101);
    });
}

#[test]
fn channels_of_crossbeam() {
    on_each(|builder| {
        let channels = [
            crossbeam_channel::bounded(1),
            crossbeam_channel::unbounded(),
            crossbeam_channel::bounded(0),
        ];
        let sum = Arc::new(AtomicUsize::new(0));
        let total = sum.clone();
        storm_of(6, builder, move |task| {
            let (sender, receiver) = &channels[task / 2];
            work_slices(1);
            if task % 2 == 0 {
                sender.send(task).unwrap();
            } else {
                total.fetch_add(receiver.recv().unwrap(), SeqCst);
            }
            work_slices(1);
        });
        assert_eq!(sum.load(SeqCst), ROUNDS * 6);
    });
}

/// A borrow of a thread-local `RefCell` that lasts for several time slices is never seen by
/// another task, and each thread-local that was made is dropped.
#[test]
fn thread_locals_with_destructors() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Local(Vec<usize>);
    impl Drop for Local {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, SeqCst);
        }
    }
    thread_local! {
        static LOCAL: RefCell<Local> = RefCell::new({
            MADE.fetch_add(1, SeqCst);
            work_slices(2);
            Local(Vec::new())
        });
    }
    on_each(|builder| {
        storm_on(builder, |task| {
            LOCAL.with_borrow_mut(|local| {
                let before = local.0.len();
                local.0.push(task);
                work_slices(3);
                assert_eq!((local.0.len(), local.0.pop()), (before + 1, Some(task)));
            });
        });
        eventually("all are dropped", || DROPPED.load(SeqCst) == MADE.load(SeqCst));
    });
    assert!(backends().is_empty() || MADE.load(SeqCst) > 0);
}
