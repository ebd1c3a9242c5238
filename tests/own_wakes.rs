//! Goal: a task that wakes itself in its own poll is polled again, whatever else happens to it in that
//! poll: others wake it too, it is detached and goes on elsewhere, it ends.
//! Method: counts of polls. A lost wake-up shows as a task that never ends. (`state.rs` has the models of
//! the state itself; a task's own wake-ups do not touch it before the poll ends.)

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use futures::stream::{FuturesUnordered, StreamExt};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::thread;

/// Pending so many times; each time it has called `wake` with its waker.
async fn pending_times(times: usize, wake: impl Fn(&Waker)) {
    let mut left = times;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        wake(cx.waker());
        Poll::Pending
    })
    .await;
}

/// Uses a waker up.
fn wake_by_value(waker: &Waker) {
    let own = waker.clone();
    own.wake();
}

#[test]
fn by_reference_by_value_and_more_than_once() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        let kinds: [fn(&Waker); 3] = [Waker::wake_by_ref, wake_by_value, |waker| {
            waker.wake_by_ref();
            wake_by_value(waker);
            waker.wake_by_ref();
        }];
        for wake in kinds {
            runtime.block_on(runtime.spawn(pending_times(1_000, wake))).unwrap();
        }
    });
}

#[test]
fn by_the_waker_of_a_combinator() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        let ended = runtime.spawn(async {
            let all: FuturesUnordered<_> =
                (0..50).map(|n| pending_times(n, Waker::wake_by_ref)).collect();
            all.count().await
        });
        assert_eq!(runtime.block_on(ended).unwrap(), 50);
    });
}

#[test]
fn in_a_poll_that_is_detached_before_it_ends() {
    on_one_processor(|runtime| {
        let owner = Others::spawn(runtime.handle());
        let others = owner.others();
        let polls = pending_times(5, move |waker| {
            waker.wake_by_ref();
            others.spin_until_resumed();
        });
        runtime.block_on(runtime.spawn(polls)).unwrap();
    });
}

#[test]
fn while_others_wake_it_all_the_time() {
    within(LIMIT, || {
        let runtime = multi_thread(2);
        let (waker, wakers) = std::sync::mpsc::channel::<Waker>();
        let ended = Arc::new(AtomicBool::new(false));
        let others = thread::spawn({
            let ended = ended.clone();
            move || {
                let waker = wakers.recv().unwrap();
                while !ended.load(SeqCst) {
                    waker.wake_by_ref();
                    wake_by_value(&waker);
                }
            }
        });
        let mut is_sent = false;
        let polls = pending_times(20_000, Waker::wake_by_ref);
        runtime
            .block_on(runtime.spawn(async move {
                let mut polls = pin!(polls);
                poll_fn(|cx| {
                    if !std::mem::replace(&mut is_sent, true) {
                        waker.send(cx.waker().clone()).unwrap();
                    }
                    polls.as_mut().poll(cx)
                })
                .await;
            }))
            .unwrap();
        ended.store(true, SeqCst);
        others.join().unwrap();
    });
}

/// The note of the wake-up is not that of the task around it, and does not take the other one's place.
#[test]
fn of_a_task_inside_a_poll_that_ends_or_panics() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let polls = runtime.spawn(async {
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                if polls == 3 {
                    return Poll::Ready(polls);
                }
                cx.waker().wake_by_ref();
                // A runtime inside the task, driven by hand: its task wakes itself and then ends.
                let inside = preempt::task::block_in_place(|| {
                    let runtime = preempt::runtime::Builder::new_current_thread().build().unwrap();
                    let task = runtime.spawn(async {
                        pending_times(3, Waker::wake_by_ref).await;
                        poll_fn::<(), _>(|cx| {
                            cx.waker().wake_by_ref();
                            panic!("on purpose")
                        })
                        .await;
                    });
                    runtime.block_on(task)
                });
                assert!(inside.unwrap_err().is_panic());
                Poll::Pending
            })
            .await
        });
        assert_eq!(runtime.block_on(polls).unwrap(), 3);
        // And one that does not wake itself is not polled again.
        let mut quiet = runtime.spawn(async {
            let mut polls = 0;
            poll_fn::<(), _>(|_| {
                polls += 1;
                assert_eq!(polls, 1);
                preempt::task::block_in_place(|| {
                    let runtime = preempt::runtime::Builder::new_current_thread().build().unwrap();
                    let task = runtime.spawn(pending_times(3, Waker::wake_by_ref));
                    runtime.block_on(task).unwrap();
                });
                Poll::Pending
            })
            .await;
        });
        // Whatever was queued before this is run before this.
        for _ in 0..100 {
            runtime.block_on(runtime.spawn(async {})).unwrap();
        }
        assert!(pin!(&mut quiet).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        quiet.abort();
        assert!(runtime.block_on(quiet).unwrap_err().is_cancelled());
    });
}
