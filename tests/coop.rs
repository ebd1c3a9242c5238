//! Goal: a task that finds everything ready lets others go first now and then, without anybody asking
//! it to; a poll that cannot return is not kept waiting for it.
//! Method: one worker whose monitor asks nobody, so that what runs in between is due to the budget
//! alone; and polls that are suspended in the middle, whose budget has to go along.

mod forced_support;

use forced_support::*;
use preempt::runtime::{Builder, Runtime};
use preempt::task::coop::{self, consume_budget, cooperative, has_budget_remaining, unconstrained};
use preempt::task::{JoinSet, LocalSet, block_in_place, spawn_blocking, spawn_local, yield_now};
use preempt::time::{Duration, Instant, interval, sleep_until, timeout};
use std::cell::Cell;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What a poll may spend.
const UNITS: usize = 128;

/// One worker, or the thread in `block_on`, whose monitor asks nobody.
fn undisturbed_of_each_flavor(test: impl Fn(&Runtime) + Clone + Send + 'static) {
    for make in [one_undisturbed_worker, || undisturbed(Builder::new_current_thread())] {
        let test = test.clone();
        within(LIMIT, move || test(&make()));
    }
}

/// Spends what is left of this poll's budget and tells how much that was.
fn spend_all() -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut spent = 0;
    while has_budget_remaining() {
        let Poll::Ready(unit) = coop::poll_proceed(&mut cx) else { unreachable!("there is more") };
        unit.made_progress();
        spent += 1;
    }
    spent
}

/// Runs `busy` beside a task that counts its own polls until `busy` is done.
fn polls_beside<F>(runtime: &Runtime, busy: F) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    let (polls, done) = (Count::default(), Signal::default());
    let (counted, is_done) = (polls.clone(), done.clone());
    let busy = async move {
        busy.await;
        done.set();
    };
    // From a task, so that neither begins before both are there.
    let both = runtime.spawn(async {
        let other = preempt::spawn(async move {
            while !is_done.is_set() {
                counted.add_one();
                yield_now().await;
            }
        });
        preempt::spawn(busy).await.unwrap();
        other.await.unwrap();
    });
    runtime.block_on(both).unwrap();
    polls.get()
}

#[test]
fn a_task_that_never_waits_lets_others_go_first() {
    const TURNS: usize = 20;
    undisturbed_of_each_flavor(|runtime| {
        // None at the beginning and one at the end are a matter of the order.
        let expect = |what: &str, turns: usize| {
            assert!((TURNS - 1..=TURNS + 2).contains(&turns), "{what}: {turns}");
        };
        let units = async {
            for _ in 0..UNITS * TURNS {
                consume_budget().await;
            }
        };
        expect("units", polls_beside(runtime, units));
        let wrapped = async {
            for _ in 0..UNITS * TURNS {
                cooperative(ready(())).await;
            }
        };
        expect("a wrapper", polls_beside(runtime, wrapped));
        let timers = async {
            let past = Instant::now();
            for _ in 0..UNITS * TURNS {
                sleep_until(past).await;
            }
        };
        expect("timers", polls_beside(runtime, timers));
        let ticks = async {
            let mut ticks = interval(Duration::from_nanos(1));
            for _ in 0..UNITS * TURNS {
                ticks.tick().await;
            }
        };
        expect("ticks", polls_beside(runtime, ticks));
    });
}

#[test]
fn handles_of_complete_tasks_take_units() {
    const TASKS: usize = UNITS * 10;
    undisturbed_of_each_flavor(|runtime| {
        let handles: Vec<_> = (0..TASKS).map(|nth| runtime.spawn(async move { nth })).collect();
        runtime.block_on(async {
            while !handles.iter().all(|handle| handle.is_finished()) {
                yield_now().await;
            }
        });
        let turns = polls_beside(runtime, async move {
            for (nth, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.await.unwrap(), nth);
            }
        });
        assert!(turns >= 9, "{turns}");
    });
}

#[test]
fn a_set_of_complete_tasks_is_joined_over_many_polls() {
    const TASKS: usize = UNITS * 3;
    undisturbed_of_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut set: JoinSet<usize> = (0..TASKS).map(|nth| async move { nth }).collect();
            let mut sum = 0;
            while let Some(joined) = set.join_next().await {
                sum += joined.unwrap();
            }
            assert_eq!(sum, TASKS * (TASKS - 1) / 2);
        });
        // What cannot give way is not asked to.
        runtime.block_on(async {
            let mut set: JoinSet<usize> = (0..TASKS).map(|nth| async move { nth }).collect();
            let mut joined = 0;
            while joined < TASKS {
                yield_now().await;
                spend_all();
                while set.try_join_next().is_some() {
                    joined += 1;
                }
            }
        });
    });
}

#[test]
fn each_poll_has_a_budget_of_its_own() {
    undisturbed_of_each_flavor(|runtime| {
        let spends = || async {
            for _ in 0..3 {
                assert_eq!(spend_all(), UNITS);
                yield_now().await;
            }
        };
        runtime.block_on(runtime.spawn(spends())).unwrap();
        runtime.block_on(spends());
        runtime.handle().block_on(spends());
        let set = LocalSet::new();
        let polled = Rc::new(Cell::new(0));
        set.block_on(runtime, async {
            let tasks: Vec<_> = (0..3)
                .map(|_| {
                    let polled = polled.clone();
                    spawn_local(async move {
                        spends().await;
                        polled.set(polled.get() + 1);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(polled.get(), 3);
    });
}

#[test]
fn there_is_no_limit_where_nobody_renews_it() {
    fn spend_many() -> bool {
        let mut spends = pin!(async {
            for _ in 0..10 * UNITS {
                consume_budget().await;
            }
        });
        spends.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }
    within(LIMIT, || {
        assert!(spend_many());
        let runtime = multi_thread(1);
        assert!(runtime.block_on(runtime.spawn_blocking(spend_many)).unwrap());
        let task = runtime.spawn(async {
            assert!(!spend_many());
            // Also in the middle of a poll that has spent everything.
            assert!(block_in_place(spend_many));
            assert!(!has_budget_remaining());
            assert!(spawn_blocking(spend_many).await.unwrap());
            assert!(unconstrained(async { spend_many() }).await);
        });
        runtime.block_on(task).unwrap();
        assert!(spend_many());
    });
}

/// Such a poll does not return before the executor inside of it is done.
#[test]
fn an_executor_inside_a_poll_gets_on() {
    undisturbed_of_each_flavor(|runtime| {
        let task = runtime.spawn(async {
            futures::executor::block_on(async {
                for _ in 0..10 * UNITS {
                    consume_budget().await;
                }
            });
            7
        });
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}

#[test]
fn a_timeout_ends_what_spends_the_whole_budget() {
    undisturbed_of_each_flavor(|runtime| {
        let endless = async {
            loop {
                consume_budget().await;
            }
        };
        let task = runtime.spawn(async { timeout(Duration::from_millis(2), endless).await });
        assert!(runtime.block_on(task).unwrap().is_err());
    });
}

#[test]
fn an_unconstrained_task_goes_on() {
    within(LIMIT, || {
        let turns = polls_beside(&one_undisturbed_worker(), async {
            // Whichever task is polled first.
            yield_now().await;
            let polls = Count::default();
            let counted = polls.clone();
            let mut spends = pin!(unconstrained(async {
                for _ in 0..100 * UNITS {
                    consume_budget().await;
                }
            }));
            poll_fn(|cx| {
                counted.add_one();
                spends.as_mut().poll(cx)
            })
            .await;
            assert_eq!(polls.get(), 1);
        });
        assert!(turns <= 3, "{turns}");
    });
}

/// Others spend their own budgets in the meantime, on the same processor.
#[test]
fn the_budget_goes_with_a_suspended_poll() {
    on_one_processor(|runtime| {
        let others = Others::spawn(runtime.handle());
        let stop = Stop::new();
        let stopped = stop.signal();
        runtime.spawn(async move {
            while !stopped.is_set() {
                consume_budget().await;
            }
        });
        let tasks: Vec<_> = (1..=4)
            .map(|nth| {
                let their = others.others();
                runtime.spawn(async move {
                    for _ in 0..5 {
                        for _ in 0..10 * nth {
                            consume_budget().await;
                        }
                        their.spin_until_resumed();
                        assert_eq!(spend_all(), UNITS - 10 * nth);
                        their.spin_until_resumed();
                        assert!(!has_budget_remaining());
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}
