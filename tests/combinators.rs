//! Goal: `select!`, `join!` and `try_join!` work with this runtime's tasks and timers: the right branch
//! wins, the others are dropped in time, and nothing is lost by it; also if a branch is suspended.
//! Method: branches count their drops; orders are made by signals and by a biased choice, and by
//! chance only where chance is what is tested.

mod forced_support;

use forced_support::*;
use preempt::runtime::Runtime;
use preempt::sync::{mpsc, oneshot};
use preempt::task::yield_now;
use preempt::time::{Duration, interval, sleep};
use preempt::{join, pin, select, try_join};
use std::future::{Future, pending, ready};

/// Runs one test on each flavor.
fn on_each_flavor(test: impl Fn(&Runtime) + Clone + Send + 'static) {
    for make in [|| multi_thread(2), || multi_thread(1), current_thread as fn() -> Runtime] {
        let test = test.clone();
        within(LIMIT, move || test(&make()));
    }
}

/// Never ready, and counts its drop.
fn never(drops: &Count) -> impl Future<Output = ()> + use<> {
    let counts = CountsDrop(drops.clone());
    async move {
        pending::<()>().await;
        drop(counts);
    }
}

// ---- select! ----

#[test]
fn the_first_branch_wins_and_the_others_are_dropped_before_its_handler() {
    on_each_flavor(|runtime| {
        let drops = Count::default();
        let branches = |drops: Count| async move {
            let task = preempt::spawn(async {
                yield_now().await;
                7
            });
            select! {
                () = never(&drops) => unreachable!("it is never ready"),
                output = task => {
                    assert_eq!(drops.get(), 2);
                    output.unwrap()
                }
                () = never(&drops) => unreachable!("it is never ready"),
            }
        };
        let in_task = runtime.spawn(branches(drops.clone()));
        assert_eq!(runtime.block_on(in_task).unwrap(), 7);
        let drops = Count::default();
        assert_eq!(runtime.block_on(branches(drops)), 7);
    });
}

#[test]
fn timers_end_what_takes_too_long() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let drops = Count::default();
            let slow = async {
                select! {
                    () = never(&drops) => "never",
                    () = sleep(Duration::from_millis(2)) => "a timer",
                    () = sleep(Duration::from_secs(3600)) => "another timer",
                }
            };
            assert_eq!(slow.await, "a timer");
            assert_eq!(drops.get(), 1);
        });
    });
}

#[test]
fn biased_branches_are_tried_in_order_and_others_by_chance() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let mut firsts = 0;
            for _ in 0..200 {
                let biased = select! {
                    biased;
                    first = ready(1) => first,
                    second = ready(2) => second,
                };
                assert_eq!(biased, 1);
                let by_chance = select! {
                    first = ready(1) => first,
                    second = ready(0) => second,
                };
                firsts += by_chance;
            }
            assert!(0 < firsts && firsts < 200, "{firsts}");
        });
    });
}

#[test]
fn conditions_and_patterns_disable_branches() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            for is_on in [false, true] {
                let chosen = select! {
                    biased;
                    one = ready(1), if is_on => one,
                    Some(two) = ready(None) => two,
                    else => 3,
                };
                assert_eq!(chosen, if is_on { 1 } else { 3 });
            }
        });
    });
}

/// The loop of a server: whichever branch wins, the others have lost nothing.
#[test]
fn a_loop_of_selects_loses_nothing() {
    on_each_flavor(|runtime| {
        const MESSAGES: u32 = 500;
        let server = runtime.spawn(async {
            let (sender, mut messages) = mpsc::channel(4);
            let (stop, mut stopped) = oneshot::channel();
            preempt::spawn(async move {
                for message in 0..MESSAGES {
                    sender.send(message).await.unwrap();
                    if message % 7 == 0 {
                        yield_now().await;
                    }
                }
                // Keeps the channel open.
                stop.send(sender).unwrap();
            });
            let mut ticks = interval(Duration::from_micros(50));
            let mut next = 0;
            loop {
                select! {
                    Some(message) = messages.recv() => {
                        assert_eq!(message, next);
                        next += 1;
                    }
                    _ = ticks.tick() => {}
                    _ = &mut stopped, if next == MESSAGES => break next,
                }
            }
        });
        assert_eq!(runtime.block_on(server).unwrap(), MESSAGES);
    });
}

#[test]
fn a_pinned_future_goes_on_over_many_selects() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let polls = async {
                for _ in 0..20 {
                    yield_now().await;
                }
                7
            };
            pin!(polls);
            let mut others = 0;
            let output = loop {
                select! {
                    biased;
                    output = &mut polls => break output,
                    () = ready(()) => others += 1,
                }
            };
            assert_eq!((output, others), (7, 20));
        });
    });
}

/// An aborted task drops all branches, each once.
#[test]
fn an_abort_drops_all_branches() {
    on_each_flavor(|runtime| {
        let (drops, waiting) = (Count::default(), Signal::default());
        let (counted, waits) = (drops.clone(), waiting.clone());
        let task = runtime.spawn(async move {
            let tells = async {
                waits.set();
                pending::<()>().await;
            };
            select! {
                () = never(&counted) => {}
                () = never(&counted) => {}
                ((), ()) = async { join!(never(&counted), tells) } => {}
            }
        });
        runtime.block_on(async {
            while !waiting.is_set() {
                yield_now().await;
            }
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        });
        assert_eq!(drops.get(), 3);
    });
}

// ---- join!, try_join! ----

#[test]
fn joined_futures_run_side_by_side() {
    on_each_flavor(|runtime| {
        let joined = runtime.spawn(async {
            let (ask, asked) = oneshot::channel();
            let (answer, answered) = oneshot::channel();
            join!(
                async {
                    ask.send(20).unwrap();
                    answered.await.unwrap()
                },
                async {
                    let number: u32 = asked.await.unwrap();
                    answer.send(number + 1).unwrap();
                },
                sleep(Duration::from_millis(1)),
                preempt::spawn(async { 1 }),
            )
        });
        let (sum, (), (), one) = runtime.block_on(joined).unwrap();
        assert_eq!(sum + one.unwrap(), 22);
    });
}

#[test]
fn the_first_error_ends_the_others() {
    on_each_flavor(|runtime| {
        runtime.block_on(async {
            let all = try_join!(async { Ok::<_, ()>(1) }, async {
                yield_now().await;
                Ok(2)
            });
            assert_eq!(all, Ok((1, 2)));
            let drops = Count::default();
            let error = try_join!(
                async {
                    never(&drops).await;
                    Ok::<(), &str>(())
                },
                async {
                    sleep(Duration::from_millis(1)).await;
                    Err::<(), _>("on purpose")
                },
            );
            assert_eq!(error, Err("on purpose"));
            assert_eq!(drops.get(), 1);
        });
    });
}

// ---- suspended in the middle ----

#[test]
fn branches_may_be_suspended() {
    on_one_processor(|runtime| {
        let others = Others::spawn(runtime.handle());
        let their = others.others();
        let task = runtime.spawn(async move {
            let mut sum = 0;
            for round in 0..10 {
                let hog = |value: u32| {
                    let their = their.clone();
                    async move {
                        their.spin_until_resumed();
                        value
                    }
                };
                sum += select! {
                    biased;
                    value = hog(round) => value,
                    () = pending() => 0,
                };
                let (one, two) = join!(hog(1), hog(2));
                sum += one + two;
            }
            sum
        });
        assert_eq!(runtime.block_on(task).unwrap(), 45 + 30);
    });
}
