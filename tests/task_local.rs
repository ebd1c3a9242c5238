//! Goal: a task-local has its value in its scope and nowhere else, whatever happens to the poll in
//! the meantime, and is dropped once.
//! Method: scopes are nested, left by panics and cancellations, and suspended in the middle on
//! workers where other tasks use the same keys.

mod forced_support;

use forced_support::*;
use preempt::task::{LocalSet, futures::TaskLocalFuture, spawn_local, yield_now};
use preempt::task_local;
use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

task_local! {
    static NUMBER: u64;
    /// With attributes, a visibility, and no semicolon.
    #[allow(dead_code, reason = "only its declaration is tested")]
    pub(crate) static TEXT: String;
    static SHARED: Rc<Cell<u32>>;
    static COUNTS: CountsDrop
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn there_is_a_value_only_in_a_scope() {
    within(LIMIT, || {
        assert!(NUMBER.try_get().is_err());
        let message = panic_message(|| assert_eq!(NUMBER.get(), 0));
        assert!(message.contains("`LocalKey::scope`"), "{message}");
        let runtime = multi_thread(2);
        let task = runtime.spawn(NUMBER.scope(1, async {
            assert_eq!(NUMBER.get(), 1);
            yield_now().await;
            assert_eq!(NUMBER.with(|number| *number), 1);
            // It is not inherited.
            let error = preempt::spawn(async { NUMBER.try_get() }).await.unwrap().unwrap_err();
            assert!(error.to_string().contains("scope"), "{error}");
            NUMBER.get() + 1
        }));
        assert_eq!(runtime.block_on(task).unwrap(), 2);
        assert!(runtime.block_on(async { NUMBER.try_get() }).is_err());
    });
}

#[test]
fn scopes_nest() {
    within(LIMIT, || {
        let body = NUMBER.scope(1, async {
            NUMBER
                .scope(2, async {
                    yield_now().await;
                    assert_eq!(NUMBER.get(), 2);
                    NUMBER.sync_scope(3, || assert_eq!(NUMBER.get(), 3));
                    assert_eq!(NUMBER.get(), 2);
                })
                .await;
            yield_now().await;
            NUMBER.get()
        });
        assert_eq!(multi_thread(1).block_on(body), 1);
    });
}

#[test]
fn two_futures_of_one_task_have_values_of_their_own() {
    within(LIMIT, || {
        let counts_up = |from: u64| {
            NUMBER.scope(from, async move {
                for _ in 0..10 {
                    assert_eq!(NUMBER.get(), from);
                    yield_now().await;
                }
            })
        };
        multi_thread(1).block_on(futures::future::join(counts_up(1), counts_up(2)));
        assert!(NUMBER.try_get().is_err());
    });
}

#[test]
fn a_panic_leaves_the_scope() {
    let result = catch_unwind(AssertUnwindSafe(|| NUMBER.sync_scope(1, || panic!("on purpose"))));
    assert!(result.is_err() && NUMBER.try_get().is_err());
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let panics = runtime.spawn(NUMBER.scope(1, async { panic!("on purpose") }));
        assert!(runtime.block_on(panics).unwrap_err().is_panic());
        let found = runtime.block_on(runtime.spawn(async { NUMBER.try_get() }));
        assert!(found.unwrap().is_err());
    });
}

/// Also of a future that ends by being dropped, before or after its first poll.
#[test]
fn destructors_find_the_value() {
    struct Finds(Count);
    impl Drop for Finds {
        fn drop(&mut self) {
            self.0.add(usize::try_from(NUMBER.get()).unwrap());
        }
    }
    let found = Count::default();
    let (unpolled, waits, ends) =
        (Finds(found.clone()), Finds(found.clone()), Finds(found.clone()));
    drop(NUMBER.scope(1, async move { drop(unpolled) }));
    assert_eq!(found.get(), 1);
    let mut waiting = Box::pin(NUMBER.scope(10, async move {
        pending::<()>().await;
        drop(waits);
    }));
    assert!(poll(waiting.as_mut()).is_pending());
    drop(waiting);
    assert_eq!(found.get(), 11);
    let mut ending = Box::pin(NUMBER.scope(100, async move { drop(ends) }));
    assert!(poll(ending.as_mut()).is_ready());
    assert_eq!(found.get(), 111);
}

#[test]
fn the_value_is_dropped_once_or_taken() {
    let drops = Count::default();
    let scope = || Box::pin(COUNTS.scope(CountsDrop(drops.clone()), ready(())));
    drop(scope());
    assert_eq!(drops.get(), 1);
    let mut future: Pin<Box<TaskLocalFuture<_, _>>> = scope();
    assert!(poll(future.as_mut()).is_ready());
    let value = future.as_mut().take_value();
    assert!(value.is_some() && future.as_mut().take_value().is_none());
    drop(future);
    assert_eq!(drops.get(), 1);
    drop(value);
    assert_eq!(drops.get(), 2);
}

#[test]
fn a_future_whose_value_was_taken_has_none() {
    let mut future = Box::pin(NUMBER.scope(7, async { NUMBER.try_get() }));
    assert!(format!("{future:?}").contains('7'));
    assert_eq!(future.as_mut().take_value(), Some(7));
    let Poll::Ready(found) = poll(future.as_mut()) else { panic!("it does not wait") };
    assert!(found.is_err());
    let message = panic_message(|| assert!(poll(future.as_mut()).is_ready()));
    assert!(message.contains("after it was ready"), "{message}");
}

#[test]
fn a_scope_cannot_be_entered_while_its_key_is_looked_at() {
    let message = panic_message(|| {
        NUMBER.sync_scope(1, || NUMBER.with(|_| NUMBER.sync_scope(2, || ())));
    });
    assert!(message.contains("inside `with`"), "{message}");
    // And nothing is left behind.
    assert!(NUMBER.try_get().is_err());
    NUMBER.sync_scope(1, || NUMBER.with(|one| assert_eq!(*one, NUMBER.get())));
}

#[test]
fn local_tasks_have_task_locals_that_are_not_send() {
    within(LIMIT, || {
        let shared = Rc::new(Cell::new(0));
        multi_thread(1).block_on(LocalSet::new().run_until(async {
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    spawn_local(SHARED.scope(shared.clone(), async {
                        yield_now().await;
                        SHARED.with(|shared| shared.set(shared.get() + 1));
                    }))
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }));
        assert_eq!(shared.get(), 10);
        assert_eq!(Rc::strong_count(&shared), 1);
    });
}

/// Each poll is suspended in the middle of its scopes, and the next task that runs on the processor
/// sees nothing of them.
#[test]
fn a_suspended_poll_keeps_its_values() {
    on_one_processor(|runtime| {
        const TASKS: u64 = 5;
        let others = Others::spawn(runtime.handle());
        let outsider = runtime.spawn({
            let their = others.others();
            async move {
                let enough = their.polls() + 500;
                while their.polls() < enough {
                    assert!(NUMBER.try_get().is_err());
                    yield_now().await;
                }
            }
        });
        let tasks: Vec<_> = (1..=TASKS)
            .map(|nth| {
                let their = others.others();
                runtime.spawn(NUMBER.scope(nth, async move {
                    for round in 0..5 {
                        NUMBER.sync_scope(nth * 100 + round, || {
                            their.spin_until_resumed();
                            assert_eq!(NUMBER.get(), nth * 100 + round);
                        });
                        their.spin_until_resumed();
                        assert_eq!(NUMBER.get(), nth);
                        yield_now().await;
                    }
                }))
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
            outsider.await.unwrap();
        });
        assert!(runtime.metrics().detaches >= TASKS, "{:?}", runtime.metrics());
    });
}

/// The same with every switch of scopes under fire, on both backends and with migrations.
#[test]
fn scopes_under_fire() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let tasks: Vec<_> = (0..8_u64)
            .map(|nth| {
                runtime.spawn(NUMBER.scope(nth, async move {
                    for round in 0..20_000 {
                        NUMBER.sync_scope(nth + round, || assert_eq!(NUMBER.get(), nth + round));
                        assert_eq!(NUMBER.get(), nth);
                    }
                }))
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}
