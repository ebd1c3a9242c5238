//! Goal: tasks, their handles and their wakers keep tokio's promises: an output or the reason for
//! its absence, once; every future and output dropped once; a panic stays where it belongs.
//! Method: every order of completion, abort, join and drop is made to happen by signals, never by
//! waiting for a time; drops are counted.

mod support;

use preempt::runtime::{Builder, Runtime};
use preempt::task::{self, AbortHandle, Id, JoinHandle, JoinSet, spawn_blocking, yield_now};
use preempt::time::{Duration, sleep};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::future::{Future, pending, poll_fn};
use std::panic::panic_any;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use support::*;

/// Runs one test on each flavor.
fn on_each_flavor(test: impl Fn(&Runtime) + Send + Sync + 'static) {
    let test = Arc::new(test);
    for make in [|| multi_thread(2), || multi_thread(1), current_thread as fn() -> Runtime] {
        let test = test.clone();
        within(LIMIT, move || test(&make()));
    }
}

/// A future that is pending for ever, tells when it is polled first, and counts its drop.
fn idle_future(drops: &Count) -> (impl Future<Output = ()> + Send + 'static, Signal) {
    let (polled, dropped) = (Signal::default(), CountsDrop(drops.clone()));
    let polls = polled.clone();
    let future = async move {
        let _dropped = dropped;
        polls.set();
        pending::<()>().await;
    };
    (future, polled)
}

/// Lets `runtime` run until `is_so`.
fn run_until(runtime: &Runtime, what: &'static str, mut is_so: impl FnMut() -> bool) {
    runtime.block_on(async {
        let deadline = std::time::Instant::now() + LIMIT;
        while !is_so() {
            assert!(std::time::Instant::now() < deadline, "it never happened: {what}");
            yield_now().await;
        }
    });
}

// ---- outputs ----

#[test]
fn a_handle_gives_the_output() {
    on_each_flavor(|runtime| {
        let handle = runtime.spawn(async { String::from("output") });
        assert_eq!(runtime.block_on(handle).unwrap(), "output");
        let finished = runtime.spawn(async { 7 });
        run_until(runtime, "it finishes", || finished.is_finished());
        assert_eq!(runtime.block_on(finished).unwrap(), 7, "also if it was finished before");
    });
}

#[test]
fn a_dropped_handle_detaches_its_task() {
    on_each_flavor(|runtime| {
        let done = Signal::default();
        let is_done = done.clone();
        drop(runtime.spawn(async move {
            yield_now().await;
            is_done.set();
        }));
        run_until(runtime, "the task goes on", || done.is_set());
    });
}

#[test]
fn an_output_is_dropped_once_whoever_goes_first() {
    on_each_flavor(|runtime| {
        let drops = Count::default();
        let output = || CountsDrop(drops.clone());
        // The handle goes before the task runs, or before it ends.
        let early = output();
        drop(runtime.spawn(async move { early }));
        run_until(runtime, "dropped, 1", || drops.get() == 1);
        // The task ends, then the handle goes.
        let late = output();
        let handle = runtime.spawn(async move { late });
        run_until(runtime, "it finishes", || handle.is_finished());
        assert_eq!(drops.get(), 1);
        drop(handle);
        assert_eq!(drops.get(), 2);
        // The output is taken.
        let taken = output();
        let taken = runtime.block_on(runtime.spawn(async move { taken })).unwrap();
        assert_eq!(drops.get(), 2);
        drop(taken);
        assert_eq!(drops.get(), 3);
        // The task is aborted after it has finished: the output is still the handle's.
        let kept = output();
        let handle = runtime.spawn(async move { kept });
        run_until(runtime, "it finishes", || handle.is_finished());
        handle.abort();
        drop(runtime.block_on(handle).expect("it was complete"));
        assert_eq!(drops.get(), 4);
    });
}

/// The handle goes at the very moment when the task completes.
#[test]
fn dropping_the_handle_races_with_completion() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        let drops = Count::default();
        for nth in 1..=5_000 {
            let (future, output) = (CountsDrop(drops.clone()), CountsDrop(drops.clone()));
            let handle = runtime.spawn(async move {
                let _future = future;
                output
            });
            drop(handle);
            if nth % 500 == 0 {
                eventually("all are dropped", || drops.get() == 2 * nth);
            }
        }
    });
}

#[test]
fn a_future_is_dropped_when_it_is_done_and_before_the_handle_tells() {
    on_each_flavor(|runtime| {
        struct KeepsDrop(Option<CountsDrop>);
        impl Future for KeepsDrop {
            type Output = ();
            fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
                Poll::Ready(())
            }
        }
        let drops = Count::default();
        let future = KeepsDrop(Some(CountsDrop(drops.clone())));
        assert!(future.0.is_some());
        runtime.block_on(runtime.spawn(future)).unwrap();
        assert_eq!(drops.get(), 1);
    });
}

// ---- abort ----

#[test]
fn aborted_before_it_starts() {
    within(LIMIT, || {
        let runtime = current_thread();
        let drops = Count::default();
        let (future, polled) = idle_future(&drops);
        let handle = runtime.spawn(future);
        handle.abort();
        let error = runtime.block_on(handle).unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert!(!polled.is_set(), "it never ran");
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn aborted_while_idle() {
    on_each_flavor(|runtime| {
        let drops = Count::default();
        let (future, polled) = idle_future(&drops);
        let handle = runtime.spawn(future);
        run_until(runtime, "it is polled", || polled.is_set());
        let others = [handle.abort_handle(), handle.abort_handle()];
        handle.abort();
        others.iter().for_each(AbortHandle::abort);
        assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
        assert!(others.iter().all(AbortHandle::is_finished));
    });
}

/// Spawns a task that is in a poll until `stop`, and then goes on as `then` says.
fn spawn_busy(runtime: &Runtime, stop: &Stop, drops: &Count, then_idle: bool) -> JoinHandle<i32> {
    let (started, ends, dropped) = (Signal::default(), stop.signal(), CountsDrop(drops.clone()));
    let running = started.clone();
    let handle = runtime.spawn(async move {
        let _dropped = dropped;
        running.set();
        ends.spin();
        if then_idle {
            pending::<()>().await;
        }
        7
    });
    started.wait("the task runs");
    handle
}

#[test]
fn aborted_while_running_it_ends_with_its_poll() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (stop, drops) = (Stop::new(), Count::default());
        let handle = spawn_busy(&runtime, &stop, &drops, true);
        handle.abort();
        assert!(!handle.is_finished());
        stop.stop();
        assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn aborted_in_its_last_poll_it_still_has_its_output() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (stop, drops) = (Stop::new(), Count::default());
        let handle = spawn_busy(&runtime, &stop, &drops, false);
        handle.abort();
        stop.stop();
        assert_eq!(runtime.block_on(handle).unwrap(), 7);
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn aborted_after_completion_nothing_changes() {
    on_each_flavor(|runtime| {
        let handle = runtime.spawn(async { 7 });
        run_until(runtime, "it finishes", || handle.is_finished());
        handle.abort();
        assert_eq!(runtime.block_on(handle).unwrap(), 7);
    });
}

#[test]
fn aborted_by_itself() {
    on_each_flavor(|runtime| {
        let drops = Count::default();
        let dropped = CountsDrop(drops.clone());
        let (sender, receiver) = channel::<AbortHandle>();
        let handle = runtime.spawn(async move {
            let _dropped = dropped;
            receiver.recv().unwrap().abort();
            yield_now().await;
            unreachable!("it was aborted");
        });
        sender.send(handle.abort_handle()).unwrap();
        let result: Result<(), _> = runtime.block_on(handle);
        assert!(result.unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 1);
    });
}

/// A task that is woken, aborted and joined from three threads at once ends exactly once.
#[test]
fn aborts_race_with_wakes() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        let drops = Count::default();
        for nth in 1..=500 {
            let (sender, receiver) = channel();
            let dropped = CountsDrop(drops.clone());
            let handle = runtime.spawn(poll_fn(move |cx| {
                let _keep = &dropped;
                drop(sender.send(cx.waker().clone()));
                Poll::<()>::Pending
            }));
            let waker = receiver.recv().unwrap();
            let abort = handle.abort_handle();
            thread::scope(|scope| {
                scope.spawn(move || (0..10).for_each(|_| waker.wake_by_ref()));
                scope.spawn(move || abort.abort());
            });
            assert!(runtime.block_on(handle).unwrap_err().is_cancelled());
            assert_eq!(drops.get(), nth);
        }
    });
}

#[test]
fn a_join_handle_in_a_task_that_is_aborted_is_dropped() {
    on_each_flavor(|runtime| {
        let drops = Count::default();
        let (inner, polled) = idle_future(&drops);
        let inner = runtime.spawn(inner);
        run_until(runtime, "it is polled", || polled.is_set());
        let abort = inner.abort_handle();
        let outer = runtime.spawn(inner);
        outer.abort();
        assert!(runtime.block_on(outer).unwrap_err().is_cancelled());
        assert_eq!(drops.get(), 0, "the inner task is only detached");
        abort.abort();
        run_until(runtime, "it is dropped", || drops.get() == 1);
    });
}

// ---- panics ----

#[test]
fn a_panic_is_the_tasks_output() {
    on_each_flavor(|runtime| {
        let drops = Count::default();
        let dropped = CountsDrop(drops.clone());
        let handle = runtime.spawn(async move {
            let _dropped = dropped;
            yield_now().await;
            panic!("on {}", "purpose");
        });
        let id = handle.id();
        let result: Result<(), _> = runtime.block_on(handle);
        let error = result.unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(error.id(), id);
        let (shown, debugged) = (error.to_string(), format!("{error:?}"));
        assert!(shown.contains("panicked") && shown.contains("on purpose"), "{shown}");
        assert!(shown.contains(&id.to_string()), "{shown}");
        assert!(debugged.contains("Panic") && debugged.contains("on purpose"), "{debugged}");
        assert_eq!(text_of(&*error.into_panic()), "on purpose");
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_panic_with_a_payload_that_is_no_text() {
    on_each_flavor(|runtime| {
        let handle = runtime.spawn(async { panic_any(7_u8) });
        let result: Result<(), _> = runtime.block_on(handle);
        let error = result.unwrap_err();
        assert!(error.to_string().contains("panicked"));
        let payload = error.try_into_panic().expect("it is a panic");
        assert_eq!(payload.downcast_ref(), Some(&7_u8));
    });
}

#[test]
fn the_error_of_a_cancelled_task() {
    on_each_flavor(|runtime| {
        let handle = runtime.spawn(pending::<()>());
        handle.abort();
        let id = handle.id();
        let error = runtime.block_on(handle).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("cancelled") && shown.contains(&id.to_string()), "{shown}");
        assert!(format!("{error:?}").contains("Cancelled"));
        let error = error.try_into_panic().expect_err("it is no panic");
        assert!(error.is_cancelled());
        assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::Other);
    });
}

#[test]
fn a_panic_of_a_detached_task_harms_nobody() {
    on_each_flavor(|runtime| {
        for _ in 0..10 {
            drop(runtime.spawn(async { panic!("on purpose") }));
        }
        assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
        run_until(runtime, "all have ended", || runtime.metrics().live_tasks == 0);
    });
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped on purpose");
    }
}

#[test]
fn a_future_whose_drop_panics_when_it_is_aborted() {
    on_each_flavor(|runtime| {
        let armed = Signal::default();
        let arms = armed.clone();
        let handle = runtime.spawn(async move {
            let _bomb = Bomb;
            arms.set();
            pending::<()>().await;
        });
        run_until(runtime, "it is armed", || armed.is_set());
        handle.abort();
        let error = runtime.block_on(handle).unwrap_err();
        assert_eq!(text_of(&*error.into_panic()), "dropped on purpose");
        assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
    });
}

#[test]
fn a_future_whose_drop_panics_when_it_is_done() {
    on_each_flavor(|runtime| {
        struct Done(#[allow(dead_code, reason = "it is only there to be dropped")] Bomb);
        impl Future for Done {
            type Output = i32;
            fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<i32> {
                Poll::Ready(7)
            }
        }
        assert_eq!(runtime.block_on(runtime.spawn(Done(Bomb))).unwrap(), 7, "the output counts");
    });
}

#[test]
fn outputs_and_payloads_whose_drop_panics() {
    on_each_flavor(|runtime| {
        for _ in 0..4 {
            drop(runtime.spawn(async { Bomb }));
            drop(runtime.spawn(async { panic_any(Bomb) }));
            let aborted = runtime.spawn(async {
                struct PanicsWithBomb;
                impl Drop for PanicsWithBomb {
                    fn drop(&mut self) {
                        panic_any(Bomb);
                    }
                }
                let _bomb = PanicsWithBomb;
                pending::<()>().await;
            });
            run_until(runtime, "all are idle", || runtime.metrics().queued_tasks == 0);
            aborted.abort();
            drop(aborted);
        }
        run_until(runtime, "all have ended", || runtime.metrics().live_tasks == 0);
        assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
    });
}

/// Whoever waits for the task has a waker that panics: the task is complete all the same.
#[test]
fn a_waker_that_panics() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    on_each_flavor(|runtime| {
        let go = Signal::default();
        let goes = go.clone();
        let mut handle = Box::pin(runtime.spawn(async move {
            while !goes.is_set() {
                yield_now().await;
            }
            7
        }));
        let waker = Waker::from(Arc::new(Panics));
        assert!(handle.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        go.set();
        run_until(runtime, "it finishes", || handle.is_finished());
        assert_eq!(runtime.block_on(handle).unwrap(), 7);
        assert_eq!(runtime.block_on(runtime.spawn(async { 8 })).unwrap(), 8);
    });
}

// ---- wakers ----

/// A task that hands its waker out at each poll, and is done when `done` is set.
fn spawn_waker_giver(runtime: &Runtime) -> (JoinHandle<()>, Receiver<Waker>, Signal) {
    let (sender, receiver) = channel();
    let done = Signal::default();
    let is_done = done.clone();
    let handle = runtime.spawn(poll_fn(move |cx| {
        if is_done.is_set() {
            return Poll::Ready(());
        }
        drop(sender.send(cx.waker().clone()));
        Poll::Pending
    }));
    (handle, receiver, done)
}

#[test]
fn wakers_may_be_cloned_used_and_dropped_on_any_thread() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        for _ in 0..50 {
            let (handle, wakers, done) = spawn_waker_giver(&runtime);
            let waker = wakers.recv().unwrap();
            thread::scope(|scope| {
                for _ in 0..3 {
                    let waker = waker.clone();
                    scope.spawn(move || {
                        for _ in 0..50 {
                            let clone = waker.clone();
                            assert!(clone.will_wake(&waker));
                            clone.wake();
                            drop(waker.clone());
                            waker.wake_by_ref();
                        }
                    });
                }
            });
            done.set();
            waker.wake();
            runtime.block_on(handle).unwrap();
        }
    });
}

#[test]
fn a_waker_used_after_completion_does_nothing() {
    on_each_flavor(|runtime| {
        let (handle, wakers, done) = spawn_waker_giver(runtime);
        runtime.block_on(yield_now());
        run_until(runtime, "it is idle", || runtime.metrics().queued_tasks == 0);
        let waker = wakers.recv().unwrap();
        done.set();
        waker.wake_by_ref();
        runtime.block_on(handle).unwrap();
        waker.wake_by_ref();
        let clone = waker.clone();
        thread::spawn(move || clone.wake()).join().unwrap();
        waker.wake();
        assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
    });
}

/// The last reference to the task is a waker, and its output is long gone.
#[test]
fn a_waker_may_be_the_last_of_its_task() {
    within(LIMIT, || {
        let waker = {
            let runtime = multi_thread(1);
            let (handle, wakers, _done) = spawn_waker_giver(&runtime);
            drop(handle);
            wakers.recv().unwrap()
        };
        waker.wake_by_ref();
        thread::spawn(move || drop(waker)).join().unwrap();
    });
}

#[test]
fn a_wake_during_the_poll_is_not_lost_and_not_doubled() {
    on_each_flavor(|runtime| {
        let polls = Count::default();
        let counted = polls.clone();
        let handle = runtime.spawn(poll_fn(move |cx| {
            if counted.add_one() == 100 {
                return Poll::Ready(());
            }
            for _ in 0..3 {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        }));
        runtime.block_on(handle).unwrap();
        assert_eq!(polls.get(), 100);
    });
}

/// A thread-local value whose destructor drops a handle, a waker and a future.
#[test]
fn handles_may_be_dropped_by_the_destructor_of_a_thread_local() {
    thread_local! {
        static KEPT: RefCell<Vec<Box<dyn std::any::Any>>> = const { RefCell::new(Vec::new()) };
    }
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let (handle, wakers, _done) = spawn_waker_giver(&runtime);
        let waker = wakers.recv().unwrap();
        let abort = handle.abort_handle();
        let runtime_handle = runtime.handle().clone();
        thread::spawn(move || {
            KEPT.with_borrow_mut(|kept| {
                kept.push(Box::new(waker));
                kept.push(Box::new(handle));
                kept.push(Box::new(runtime_handle));
            });
        })
        .join()
        .unwrap();
        abort.abort();
        eventually("it ends", || abort.is_finished());
    });
}

// ---- ids ----

#[test]
fn ids_are_unique_and_known_inside_and_outside() {
    on_each_flavor(|runtime| {
        let handles: Vec<_> = (0..100)
            .map(|_| {
                runtime.spawn(async {
                    let first = task::id();
                    yield_now().await;
                    assert_eq!(task::try_id(), Some(first));
                    first
                })
            })
            .collect();
        let outside: BTreeSet<Id> = handles.iter().map(JoinHandle::id).collect();
        assert_eq!(outside.len(), 100);
        assert!(handles.windows(2).all(|pair| pair[0].id() < pair[1].id()), "in order of spawning");
        for handle in handles {
            assert_eq!(handle.abort_handle().id(), handle.id());
            let id = handle.id();
            assert_eq!(runtime.block_on(handle).unwrap(), id);
        }
        assert_eq!(task::try_id(), None);
        let closure = runtime.spawn_blocking(task::try_id);
        let id = closure.id();
        assert_eq!(runtime.block_on(closure).unwrap(), Some(id));
    });
}

#[test]
fn a_future_is_dropped_with_its_tasks_id() {
    struct TellsId(Arc<Mutex<Option<Id>>>);
    impl Drop for TellsId {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = task::try_id();
        }
    }
    on_each_flavor(|runtime| {
        let seen = Arc::new(Mutex::new(None));
        let tells = TellsId(seen.clone());
        let handle = runtime.spawn(async move {
            let _tells = tells;
            pending::<()>().await;
        });
        let id = handle.id();
        handle.abort();
        assert!(runtime.block_on(handle).is_err());
        assert_eq!(*seen.lock().unwrap(), Some(id));
    });
}

// ---- many ----

#[test]
fn a_hundred_thousand_tasks() {
    on_each_flavor(|runtime| {
        let handles: Vec<_> = (0..100_000_u64)
            .map(|nth| {
                runtime.spawn(async move {
                    yield_now().await;
                    nth
                })
            })
            .collect();
        let sum: u64 = runtime.block_on(async {
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 100_000 * 99_999 / 2);
        run_until(runtime, "none is left", || runtime.metrics().live_tasks == 0);
    });
}

#[test]
fn a_deep_chain_of_tasks_that_wait_for_each_other() {
    fn chain(left: u32) -> JoinHandle<u32> {
        preempt::spawn(
            async move { if left == 0 { 0 } else { chain(left - 1).await.unwrap() + 1 } },
        )
    }
    on_each_flavor(|runtime| {
        assert_eq!(runtime.block_on(async { chain(10_000).await }).unwrap(), 10_000);
    });
}

#[test]
fn a_chain_of_tasks_that_do_not_wait() {
    fn chain(left: u32, done: Signal) {
        preempt::spawn(async move {
            match left {
                0 => done.set(),
                _ => chain(left - 1, done),
            }
        });
    }
    on_each_flavor(|runtime| {
        let done = Signal::default();
        runtime.block_on(async { chain(10_000, done.clone()) });
        run_until(runtime, "the last has run", || done.is_set());
    });
}

/// One abort at the end of a chain of futures ends it all, without a deep recursion.
#[test]
fn a_tree_of_tasks_is_aborted_with_its_join_sets() {
    fn tree(depth: u32, drops: Count) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let _dropped = CountsDrop(drops.clone());
            let mut children = JoinSet::new();
            if depth > 0 {
                for _ in 0..3 {
                    children.spawn(tree(depth - 1, drops.clone()));
                }
            }
            while children.join_next().await.is_some() {}
            pending::<()>().await;
        })
    }
    on_each_flavor(|runtime| {
        let drops = Count::default();
        let root = runtime.spawn(tree(5, drops.clone()));
        run_until(runtime, "the tree has grown", || runtime.metrics().live_tasks == 364);
        root.abort();
        run_until(runtime, "the tree is gone", || runtime.metrics().live_tasks == 0);
        // A task that was aborted before its first poll has no counter yet.
        assert!(drops.get() <= 364 && drops.get() > 0);
    });
}

// ---- JoinSet ----

#[test]
fn a_join_set_gives_outputs_in_the_order_of_completion() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            assert!(set.is_empty() && set.join_next().await.is_none());
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..3).map(|_| futures::channel::oneshot::channel::<usize>()).unzip();
            for receiver in receivers {
                set.spawn(async move { receiver.await.unwrap() });
            }
            assert_eq!(set.len(), 3);
            assert!(set.try_join_next().is_none());
            for (nth, sender) in senders.into_iter().enumerate().rev() {
                sender.send(nth).unwrap();
                assert_eq!(set.join_next().await.unwrap().unwrap(), nth);
            }
            assert!(set.is_empty() && set.join_next().await.is_none());
        });
    });
}

#[test]
fn a_join_set_tells_ids_panics_and_cancellations() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let fine = set.spawn(async { 7 }).id();
            let panics = set.spawn(async { panic!("on purpose") }).id();
            let aborted = set.spawn(pending());
            aborted.abort();
            let mut seen = HashSet::new();
            while let Some(joined) = set.join_next_with_id().await {
                let expected = match &joined {
                    Ok((_, output)) => {
                        assert_eq!(*output, 7);
                        fine
                    }
                    Err(error) if error.is_panic() => panics,
                    Err(_) => aborted.id(),
                };
                let id = joined.map_or_else(|error| error.id(), |(id, _)| id);
                assert_eq!(id, expected);
                seen.insert(id);
            }
            assert_eq!(seen.len(), 3);
        });
    });
}

#[test]
fn a_dropped_join_set_aborts_and_a_detached_one_does_not() {
    on_each_flavor(|runtime| {
        let drops = Count::default();
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..10 {
                set.spawn(idle_future(&drops).0);
            }
            yield_now().await;
        });
        run_until(runtime, "all are dropped", || drops.get() == 10);
        let (done, go) = (Count::default(), Signal::default());
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..10 {
                let (done, go) = (done.clone(), go.clone());
                set.spawn(async move {
                    while !go.is_set() {
                        yield_now().await;
                    }
                    done.add_one();
                });
            }
            set.detach_all();
            assert!(set.is_empty());
        });
        go.set();
        run_until(runtime, "all have gone on", || done.get() == 10);
    });
}

#[test]
fn a_join_set_shuts_down_and_joins_all() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let drops = Count::default();
            let mut set = JoinSet::new();
            for _ in 0..10 {
                set.spawn(idle_future(&drops).0);
            }
            set.shutdown().await;
            assert!(set.is_empty());
            assert_eq!(drops.get(), 10);

            let set: JoinSet<_> = (0..10).map(|nth| async move { nth }).collect();
            let mut outputs = set.join_all().await;
            outputs.sort_unstable();
            assert_eq!(outputs, (0..10).collect::<Vec<_>>());

            let mut set = JoinSet::new();
            set.spawn_blocking(|| 7);
            set.spawn_on(async { 8 }, &preempt::runtime::Handle::current());
            assert_eq!(set.join_all().await.into_iter().sum::<i32>(), 15);
        });
        let message = panic_message(|| {
            runtime.block_on(async {
                let mut set: JoinSet<()> = JoinSet::new();
                set.spawn(async { panic!("the first") });
                set.spawn(pending());
                set.join_all().await;
            });
        });
        assert_eq!(message, "the first");
        run_until(runtime, "the others are aborted", || runtime.metrics().live_tasks == 0);
    });
}

// ---- yielding ----

#[test]
fn a_task_that_yields_runs_after_those_that_wait() {
    within(LIMIT, || {
        let runtime = undisturbed(Builder::new_current_thread());
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..3)
            .map(|nth| {
                let order = order.clone();
                runtime.spawn(async move {
                    for round in 0..3 {
                        order.lock().unwrap().push((round, nth));
                        yield_now().await;
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        let order = order.lock().unwrap();
        let rounds: Vec<_> = order.iter().map(|(round, _)| *round).collect();
        assert_eq!(rounds, [0, 0, 0, 1, 1, 1, 2, 2, 2], "{order:?}");
    });
}

#[test]
fn tasks_of_every_kind_in_one_place() {
    on_each_flavor(|runtime| {
        let total = runtime.block_on(async {
            let mut set = JoinSet::new();
            for nth in 0..50_u64 {
                set.spawn(async move {
                    match nth % 5 {
                        0 => sleep(Duration::from_micros(nth)).await,
                        1 => yield_now().await,
                        2 => spawn_blocking(|| ()).await.unwrap(),
                        3 => preempt::spawn(async {}).await.unwrap(),
                        _ => {}
                    }
                    nth
                });
            }
            set.join_all().await.into_iter().sum::<u64>()
        });
        assert_eq!(total, 50 * 49 / 2);
    });
}
