//! Goal: a `LocalSet` keeps its futures on its thread whatever others do with their handles and
//! wakers, loses no wake-up, and otherwise treats its tasks as a runtime does.
//! Method: futures hold an `Rc` and tell on which thread they are polled and dropped; everything that
//! may come from another thread does, in every order, and often enough to meet the set's end.

mod support;

use preempt::runtime::{Builder, Runtime};
use preempt::task::{
    self, AbortHandle, JoinSet, LocalSet, block_in_place, spawn_blocking, spawn_local, yield_now,
};
use preempt::time::{Duration, sleep};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use support::*;

/// Runs one test on each flavor, on a thread of its own.
fn on_each_flavor(test: impl Fn(&Runtime) + Send + Sync + 'static) {
    let test = Arc::new(test);
    for make in [|| multi_thread(2), || multi_thread(1), current_thread as fn() -> Runtime] {
        let test = test.clone();
        within(LIMIT, move || test(&make()));
    }
}

/// Belongs to one thread; dropping it elsewhere fails the test.
struct Bound {
    thread: ThreadId,
    drops: Count,
    _not_send: Rc<()>,
}

impl Bound {
    fn new(drops: &Count) -> Self {
        Bound { thread: thread::current().id(), drops: drops.clone(), _not_send: Rc::new(()) }
    }

    fn check(&self) {
        assert_eq!(thread::current().id(), self.thread, "on another thread");
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if thread::current().id() == self.thread {
            self.drops.add_one();
        } else {
            eprintln!("dropped on another thread");
            std::process::abort();
        }
    }
}

/// Hands its waker out at each poll, and is over when `done` is set.
fn waker_giver(
    bound: Bound,
    wakers: Arc<Mutex<Vec<Waker>>>,
    done: Signal,
) -> impl Future<Output = ()> {
    poll_fn(move |cx| {
        bound.check();
        if done.is_set() {
            return Poll::Ready(());
        }
        wakers.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    })
}

// ---- running ----

#[test]
fn tasks_share_what_is_not_send() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let sum = Rc::new(Cell::new(0));
        let total = set.block_on(runtime, async {
            let tasks: Vec<_> = (1..=100)
                .map(|nth| {
                    let sum = sum.clone();
                    spawn_local(async move {
                        yield_now().await;
                        sum.set(sum.get() + nth);
                        sum
                    })
                })
                .collect();
            for task in tasks {
                // An output may be bound to the thread as well.
                assert!(Rc::ptr_eq(&task.await.unwrap(), &sum));
            }
            sum.get()
        });
        assert_eq!(total, 5050);
    });
}

#[test]
fn what_is_left_goes_on_when_the_set_is_polled_again() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let steps = Rc::new(Cell::new(0));
        let (counted, go) = (steps.clone(), Signal::default());
        let goes = go.clone();
        let task = set.spawn_local(async move {
            counted.set(1);
            while !goes.is_set() {
                yield_now().await;
            }
            counted.set(2);
            7
        });
        assert_eq!(steps.get(), 0, "nobody has polled the set");
        set.block_on(runtime, async {
            while steps.get() == 0 {
                yield_now().await;
            }
        });
        assert_eq!(steps.get(), 1);
        go.set();
        runtime.block_on(set);
        assert_eq!(steps.get(), 2);
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}

#[test]
fn a_set_is_ready_when_all_its_tasks_are_complete() {
    on_each_flavor(|runtime| {
        runtime.block_on(LocalSet::new());
        let (set, ends) = (LocalSet::new(), Rc::new(Cell::new(0)));
        for nth in 0..20_u64 {
            let ends = ends.clone();
            set.spawn_local(async move {
                sleep(Duration::from_micros(nth * 50)).await;
                // Those that tasks spawn count too.
                spawn_local(async move {
                    yield_now().await;
                    ends.set(ends.get() + 1);
                });
            });
        }
        runtime.block_on(set);
        assert_eq!(ends.get(), 20);
    });
}

#[test]
fn a_set_runs_in_the_body_of_main_and_in_tests() {
    #[preempt::main(flavor = "current_thread")]
    async fn body() -> u32 {
        let seven = Rc::new(7);
        let set = LocalSet::new();
        set.run_until(async move { spawn_local(async move { *seven }).await.unwrap() }).await
    }
    assert_eq!(within(LIMIT, body), 7);
}

#[test]
fn spawning_outside_a_set_tells_the_remedy() {
    let message = panic_message(|| drop(spawn_local(async {})));
    assert!(message.contains("`LocalSet::run_until`"), "{message}");
    within(LIMIT, || {
        let runtime = multi_thread(1);
        // A task that is spawned on the runtime is not in the set.
        let set = LocalSet::new();
        let error = set.block_on(&runtime, async {
            preempt::spawn(async { drop(spawn_local(async {})) }).await.unwrap_err()
        });
        assert!(error.is_panic());
        let message = panic_message(|| drop(JoinSet::new().spawn_local(async {})));
        assert!(message.contains("`LocalSet::run_until`"), "{message}");
    });
}

#[test]
fn an_entered_set_is_where_tasks_are_spawned() {
    on_each_flavor(|runtime| {
        let (outer, inner) = (LocalSet::new(), LocalSet::new());
        assert_ne!(outer.id(), inner.id());
        let order = Rc::new(RefCell::new(Vec::new()));
        let spawn_noting = |name| {
            let order = order.clone();
            spawn_local(async move { order.borrow_mut().push(name) });
        };
        {
            let _outer = outer.enter();
            spawn_noting("outer");
            {
                let _inner = inner.enter();
                spawn_noting("inner");
            }
            spawn_noting("outer again");
        }
        let message = panic_message(|| drop(spawn_local(async {})));
        assert!(message.contains("outside"), "{message}");
        runtime.block_on(inner);
        assert_eq!(*order.borrow(), ["inner"]);
        runtime.block_on(outer);
        assert_eq!(*order.borrow(), ["inner", "outer", "outer again"]);
    });
}

/// A guard that outlives the poll that it was made in, and one that outlives its set.
#[test]
fn a_guard_out_of_order_loses_no_task() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let mut guard = None;
        set.block_on(runtime, async { guard = Some(set.enter()) });
        drop(guard);
        let ran = Rc::new(Cell::new(false));
        let (runs, go) = (ran.clone(), Rc::new(RefCell::new(None::<Waker>)));
        let woken = go.clone();
        set.spawn_local(async move {
            let mut first = true;
            poll_fn(|cx| {
                *woken.borrow_mut() = Some(cx.waker().clone());
                if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            runs.set(true);
        });
        set.block_on(runtime, yield_now());
        // Woken on the set's thread, while nobody polls it.
        go.take().unwrap().wake();
        let guard = set.enter();
        runtime.block_on(set);
        assert!(ran.get());
        let gone = spawn_local(async {});
        drop(guard);
        assert!(runtime.block_on(gone).unwrap_err().is_cancelled());
    });
}

#[test]
fn sets_are_nested() {
    on_each_flavor(|runtime| {
        let (outer, inner) = (LocalSet::new(), Rc::new(LocalSet::new()));
        let sum = outer.block_on(runtime, async {
            let (sender, receiver) = futures::channel::oneshot::channel::<u32>();
            let of_outer = spawn_local(async { receiver.await.unwrap() });
            let inner_too = inner.clone();
            let nested = spawn_local(async move {
                inner_too
                    .run_until(async {
                        let of_inner = spawn_local(async { Rc::new(1) });
                        // Woken from within the inner set, for the outer.
                        sender.send(2).unwrap();
                        *of_inner.await.unwrap()
                    })
                    .await
            });
            nested.await.unwrap() + of_outer.await.unwrap()
        });
        assert_eq!(sum, 3);
    });
}

/// One of two futures that run the set is ready, and leaves a task behind for the other to run.
#[test]
fn two_futures_run_one_set() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let (sender, receiver) = futures::channel::oneshot::channel();
        let waits = set.run_until(async { receiver.await.unwrap() });
        let spawns = set.run_until(async {
            spawn_local(async { sender.send(7).unwrap() });
        });
        let (seven, ()) = runtime.block_on(async { preempt::join!(biased; waits, spawns) });
        assert_eq!(seven, 7);
    });
}

/// A task runs its own set.
#[test]
fn a_set_is_run_inside_of_itself() {
    on_each_flavor(|runtime| {
        let set = Rc::new(LocalSet::new());
        let itself = set.clone();
        let seven = set.block_on(runtime, async {
            let inner = async move {
                let task = async {
                    sleep(Duration::from_millis(1)).await;
                    7
                };
                itself.run_until(async { spawn_local(task).await.unwrap() }).await
            };
            spawn_local(inner).await.unwrap()
        });
        assert_eq!(seven, 7);
    });
}

/// Tasks that are always ready keep neither the future of `run_until` waiting, nor the runtime.
#[test]
fn a_set_gives_others_their_turn() {
    on_each_flavor(|runtime| {
        let (set, stop) = (LocalSet::new(), Stop::new());
        for _ in 0..100 {
            let stopped = stop.signal();
            set.spawn_local(async move {
                while !stopped.is_set() {
                    yield_now().await;
                }
            });
        }
        let polls = Count::default();
        let counted = polls.clone();
        let task = runtime.spawn(async move {
            for _ in 0..100 {
                counted.add_one();
                yield_now().await;
            }
        });
        set.block_on(runtime, async {
            for _ in 0..100 {
                yield_now().await;
            }
            task.await.unwrap();
        });
        assert_eq!(polls.get(), 100);
    });
}

/// A set whose tasks wake each other all the time still sees what comes from elsewhere.
#[test]
fn a_busy_set_sees_wake_ups_from_other_threads() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let (go, gone_on) = (Signal::default(), Rc::new(Cell::new(false)));
        let goes_on = gone_on.clone();
        set.spawn_local(async move {
            while !goes_on.get() {
                yield_now().await;
            }
        });
        let (sender, receiver) = futures::channel::oneshot::channel::<()>();
        let waits = go.clone();
        let thread = thread::spawn(move || {
            waits.wait("the task waits");
            sender.send(()).unwrap();
        });
        set.spawn_local(async move {
            go.set();
            receiver.await.unwrap();
            gone_on.set(true);
        });
        runtime.block_on(set);
        thread.join().unwrap();
    });
}

// ---- other threads ----

#[test]
fn tasks_are_woken_by_everything_there_is() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        set.block_on(runtime, async {
            let mut tasks = JoinSet::new();
            for nth in 0..60_u64 {
                tasks.spawn_local(async move {
                    let rc = Rc::new(nth);
                    match nth % 6 {
                        0 => sleep(Duration::from_micros(nth * 10)).await,
                        1 => preempt::spawn(yield_now()).await.unwrap(),
                        2 => spawn_blocking(|| ()).await.unwrap(),
                        3 => spawn_local(yield_now()).await.unwrap(),
                        4 => {
                            let (sender, receiver) = futures::channel::oneshot::channel();
                            thread::spawn(move || sender.send(()));
                            receiver.await.unwrap();
                        }
                        _ => yield_now().await,
                    }
                    *rc
                });
            }
            assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 60 * 59 / 2);
        });
    });
}

#[test]
fn handles_work_on_other_threads() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let task = set.spawn_local(async {
            yield_now().await;
            7
        });
        let id = task.id();
        let other = runtime.spawn(async move { (task.id(), task.await.unwrap()) });
        set.block_on(runtime, async move { assert_eq!(other.await.unwrap(), (id, 7)) });
    });
}

/// The future is dropped by its thread, as soon as the set is polled.
#[test]
fn an_abort_from_another_thread_drops_the_future_on_its_own() {
    on_each_flavor(|runtime| {
        let (set, drops) = (LocalSet::new(), Count::default());
        let bound = Bound::new(&drops);
        let task = set.spawn_local(async move {
            bound.check();
            pending::<()>().await;
            drop(bound);
        });
        set.block_on(runtime, yield_now());
        let abort = task.abort_handle();
        thread::spawn(move || abort.abort()).join().unwrap();
        assert_eq!((drops.get(), task.is_finished()), (0, false));
        set.block_on(runtime, async { assert!(task.await.unwrap_err().is_cancelled()) });
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn wake_ups_from_many_threads_are_not_lost() {
    on_each_flavor(|runtime| {
        const TASKS: usize = 8;
        const ROUNDS: usize = 200;
        let set = LocalSet::new();
        let drops = Count::default();
        let mut senders = Vec::new();
        for _ in 0..TASKS {
            let (sender, mut receiver) = futures::channel::mpsc::unbounded::<usize>();
            senders.push(sender);
            let bound = Bound::new(&drops);
            set.spawn_local(async move {
                use futures::StreamExt;
                for round in 0..ROUNDS {
                    assert_eq!(receiver.next().await, Some(round));
                    bound.check();
                }
            });
        }
        let threads: Vec<_> = senders
            .into_iter()
            .map(|sender| {
                thread::spawn(move || {
                    for round in 0..ROUNDS {
                        sender.unbounded_send(round).unwrap();
                        if round % 16 == 0 {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        runtime.block_on(set);
        assert_eq!(drops.get(), TASKS);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

// ---- the end of a set ----

#[test]
fn a_dropped_set_drops_its_futures() {
    on_each_flavor(|runtime| {
        let (set, drops) = (LocalSet::new(), Count::default());
        // One that waits, one that is queued, and one that was never polled.
        let bounds = [(); 3].map(|()| Bound::new(&drops));
        let [waits, queued, fresh] = bounds.map(|bound| {
            let fresh = drops.clone();
            (bound, fresh)
        });
        let waits = set.spawn_local(async move {
            pending::<()>().await;
            drop(waits);
        });
        let queued = set.spawn_local(async move {
            loop {
                queued.0.check();
                yield_now().await;
            }
        });
        set.block_on(runtime, yield_now());
        let fresh = set.spawn_local(async move { fresh.0.check() });
        drop(set);
        assert_eq!(drops.get(), 3);
        runtime.block_on(async {
            for error in [waits.await.unwrap_err(), queued.await.unwrap_err()] {
                assert!(error.is_cancelled());
            }
            assert!(fresh.await.unwrap_err().is_cancelled());
        });
    });
}

/// Whatever a destructor does with the set that is going, nothing is left behind.
#[test]
fn destructors_may_use_the_set_that_is_going() {
    struct Meddles(AbortHandle, Count);
    impl Drop for Meddles {
        fn drop(&mut self) {
            self.0.abort();
            let bound = Bound::new(&self.1);
            spawn_local(async move { bound.check() });
        }
    }
    on_each_flavor(|runtime| {
        let (set, drops) = (LocalSet::new(), Count::default());
        let other = set.spawn_local(pending::<()>());
        let meddles = Meddles(other.abort_handle(), drops.clone());
        let task = set.spawn_local(async move {
            pending::<()>().await;
            drop(meddles);
        });
        set.block_on(runtime, yield_now());
        drop(set);
        assert_eq!(drops.get(), 1);
        runtime.block_on(async {
            assert!(task.await.unwrap_err().is_cancelled());
            assert!(other.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn wakers_outlive_the_set() {
    on_each_flavor(|runtime| {
        let (set, drops) = (LocalSet::new(), Count::default());
        let wakers = Arc::new(Mutex::new(Vec::new()));
        drop(set.spawn_local(waker_giver(Bound::new(&drops), wakers.clone(), Signal::default())));
        set.block_on(runtime, yield_now());
        drop(set);
        assert_eq!(drops.get(), 1);
        let waker = wakers.lock().unwrap().pop().unwrap();
        thread::spawn(move || {
            waker.wake_by_ref();
            let clone = waker.clone();
            drop(waker);
            // The last reference to the task, on another thread.
            clone.wake();
        })
        .join()
        .unwrap();
    });
}

/// The wake-up by which the set's last task gets on: the set may be gone before it returns.
#[test]
fn a_set_goes_while_a_thread_still_wakes_its_task() {
    within(LIMIT, || {
        let (threads, wakers) = channel::<futures::channel::oneshot::Sender<()>>();
        let waking = thread::spawn(move || {
            for sender in wakers {
                sender.send(()).unwrap();
            }
        });
        for _ in 0..20_000 {
            let (sender, receiver) = futures::channel::oneshot::channel();
            let set = LocalSet::new();
            set.spawn_local(async { receiver.await.unwrap() });
            threads.send(sender).unwrap();
            futures::executor::block_on(set);
        }
        drop(threads);
        waking.join().unwrap();
    });
}

/// Wake-ups and aborts come while the set goes.
#[test]
fn the_end_of_a_set_against_other_threads() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        for round in 0..300 {
            let (set, drops) = (LocalSet::new(), Count::default());
            let (wakers, done) = (Arc::new(Mutex::new(Vec::new())), Signal::default());
            let giver = waker_giver(Bound::new(&drops), wakers.clone(), done.clone());
            let task = set.spawn_local(giver);
            set.block_on(&runtime, yield_now());
            let abort = task.abort_handle();
            let waker = wakers.lock().unwrap()[0].clone();
            let (sender, go) = channel::<()>();
            let thread = thread::spawn(move || {
                go.recv().unwrap();
                match round % 3 {
                    0 => abort.abort(),
                    1 => waker.wake(),
                    _ => {
                        done.set();
                        waker.wake_by_ref();
                        drop(wakers);
                    }
                }
            });
            sender.send(()).unwrap();
            if round % 2 == 0 {
                set.block_on(&runtime, yield_now());
            }
            drop(set);
            assert_eq!(drops.get(), 1);
            thread.join().unwrap();
            drop(task);
        }
    });
}

#[test]
fn a_set_may_be_dropped_by_the_destructor_of_a_thread_local() {
    thread_local! {
        static KEPT: RefCell<Option<LocalSet>> = const { RefCell::new(None) };
    }
    within(LIMIT, || {
        let drops = Count::default();
        let counted = drops.clone();
        thread::spawn(move || {
            let set = LocalSet::new();
            let bound = Bound::new(&counted);
            set.spawn_local(async move { bound.check() });
            KEPT.set(Some(set));
        })
        .join()
        .unwrap();
        assert_eq!(drops.get(), 1);
    });
}

// ---- panics ----

#[test]
fn a_panic_stays_in_its_task() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        set.block_on(runtime, async {
            let panics = spawn_local(async { panic!("on purpose") });
            let goes_on = spawn_local(async {
                yield_now().await;
                7
            });
            let error = panics.await.unwrap_err();
            assert_eq!(text_of(&*error.into_panic()), "on purpose");
            assert_eq!(goes_on.await.unwrap(), 7);
        });
    });
}

#[test]
fn a_panic_of_the_future_leaves_the_set_usable() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let mut task = None;
        let message = panic_message(|| {
            set.block_on(runtime, async {
                task = Some(spawn_local(async { 7 }));
                panic!("on purpose");
            });
        });
        assert_eq!(message, "on purpose");
        // The context was left.
        assert!(panic_message(|| drop(spawn_local(async {}))).contains("outside"));
        assert_eq!(set.block_on(runtime, task.unwrap()).unwrap(), 7);
    });
}

// ---- preemption ----

/// A set that is polled in the middle of a task, where everything may be suspended: the set is part
/// of that poll, and stays on its fiber.
#[test]
fn a_set_inside_a_task_is_suspended_with_it() {
    within(LIMIT, || {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(2).time_slice(Duration::from_micros(200));
        let runtime = builder.build().unwrap();
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                runtime.spawn(async {
                    let drops = Count::default();
                    let set = LocalSet::new();
                    for _ in 0..10 {
                        let bound = Bound::new(&drops);
                        set.spawn_local(async move {
                            for _ in 0..20 {
                                work(20_000);
                                bound.check();
                                yield_now().await;
                            }
                        });
                    }
                    let mut set = Box::pin(set);
                    while poll_once(&mut set).is_pending() {
                        work(1_000);
                    }
                    assert_eq!(drops.get(), 10);
                    drop(set);
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}

#[test]
fn a_set_in_blocking_code() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let handle = runtime.handle().clone();
        let task = runtime.spawn(async move {
            block_in_place(|| {
                let set = LocalSet::new();
                handle.block_on(set.run_until(async { spawn_local(async { 7 }).await.unwrap() }))
            })
        });
        assert_eq!(runtime.block_on(task).unwrap(), 7);
        let work = runtime.spawn_blocking(|| {
            let set = LocalSet::new();
            preempt::runtime::Handle::current()
                .block_on(set.run_until(async { spawn_local(async { 8 }).await.unwrap() }))
        });
        assert_eq!(runtime.block_on(work).unwrap(), 8);
    });
}

// ---- sets of handles, names ----

#[test]
fn a_join_set_of_local_tasks() {
    on_each_flavor(|runtime| {
        let (set, other) = (LocalSet::new(), LocalSet::new());
        set.block_on(runtime, async {
            let mut tasks = JoinSet::new();
            let one = tasks.spawn_local(async { Rc::new(1) }).id();
            tasks.spawn_local_on(async { Rc::new(2) }, &set);
            tasks.spawn_local_on(pending(), &other);
            tasks.build_task().name("three").spawn_local(async { Rc::new(3) }).unwrap();
            assert_eq!(tasks.len(), 4);
            let mut sum = 0;
            for _ in 0..3 {
                let (id, value) = tasks.join_next_with_id().await.unwrap().unwrap();
                assert_eq!(id == one, *value == 1);
                sum += *value;
            }
            assert_eq!(sum, 6);
            assert!(tasks.try_join_next_with_id().is_none());
            tasks.abort_all();
            // Nobody polls the other set.
            assert!(tasks.try_join_next().is_none());
            drop(other);
            assert!(tasks.join_next().await.unwrap().unwrap_err().is_cancelled());
            assert!(tasks.join_next().await.is_none());
        });
    });
}

#[test]
fn local_tasks_have_names_and_ids() {
    on_each_flavor(|runtime| {
        let set = LocalSet::new();
        let builder = task::Builder::new().name("stays here");
        let task = builder.spawn_local_on(async { Rc::new(task::id()) }, &set).unwrap();
        assert!(format!("{task:?}").contains("stays here"), "{task:?}");
        let id = task.id();
        set.block_on(runtime, async {
            assert_eq!(*task.await.unwrap(), id);
            let task = builder.spawn_local(async { task::id() }).unwrap();
            let id = task.id();
            assert_eq!(task.await.unwrap(), id);
        });
    });
}

/// An executor that knows nothing of runtimes.
#[test]
fn a_set_needs_no_runtime() {
    within(LIMIT, || {
        let set = LocalSet::new();
        let (sender, receiver) = futures::channel::oneshot::channel::<u32>();
        let thread = thread::spawn(|| sender.send(7));
        let task = set.spawn_local(async { Rc::new(receiver.await.unwrap()) });
        assert_eq!(*futures::executor::block_on(set.run_until(task)).unwrap(), 7);
        thread.join().unwrap().unwrap();
        let mut set: Pin<Box<LocalSet>> = Box::pin(set);
        let polled = set.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_ready());
    });
}
