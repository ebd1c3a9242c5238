//! Goal: a stopped clock moves when it is told to and when nothing else is to be done, and never
//! otherwise.
//! Method: hours of the stopped clock; nothing is asserted of the system's, but that a wait for it
//! ends before the test's deadline.

mod support;

use preempt::runtime::Builder;
use preempt::task::{spawn_blocking, yield_now};
use preempt::time::{Duration, Instant, advance, interval, pause, resume, sleep, timeout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use support::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn paused(test: impl Future<Output = ()> + Send + 'static) {
    within(LIMIT, move || {
        Builder::new_current_thread().start_paused(true).build().unwrap().block_on(test)
    });
}

#[test]
fn it_goes_straight_to_the_next_timer() {
    paused(async {
        let start = Instant::now();
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
        assert!(timeout(HOUR, std::future::pending::<()>()).await.is_err());
        assert_eq!(start.elapsed(), 2 * HOUR);
    });
}

#[preempt::test(start_paused = true)]
async fn timers_of_several_tasks_come_in_their_order() {
    let start = Instant::now();
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = [3, 1, 2, 2, 5, 4]
        .into_iter()
        .map(|hours| {
            let order = order.clone();
            preempt::spawn(async move {
                sleep(hours * HOUR).await;
                order.lock().unwrap().push((hours, start.elapsed()));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let expected = [1, 2, 2, 3, 4, 5].map(|hours| (hours, hours * HOUR));
    assert_eq!(*order.lock().unwrap(), expected);
}

#[test]
fn an_interval_ticks_in_its_time() {
    paused(async {
        let start = Instant::now();
        let mut interval = interval(HOUR);
        for tick in 0..50 {
            assert_eq!(interval.tick().await, start + tick * HOUR);
            assert_eq!(start.elapsed(), tick * HOUR);
        }
    });
}

#[test]
fn advance_fires_what_is_due_then() {
    paused(async {
        let start = Instant::now();
        let sleeper = preempt::spawn(sleep(HOUR));
        yield_now().await;
        advance(HOUR / 2).await;
        assert!(!sleeper.is_finished());
        assert_eq!(start.elapsed(), HOUR / 2);
        advance(HOUR / 2).await;
        yield_now().await;
        assert!(sleeper.is_finished());
        assert_eq!(start.elapsed(), HOUR);
    });
}

/// While other work goes on, the clock stands.
#[test]
fn it_stands_while_tasks_are_ready() {
    paused(async {
        let start = Instant::now();
        let sleeper = preempt::spawn(sleep(HOUR));
        for _ in 0..1_000 {
            yield_now().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(!sleeper.is_finished());
    });
}

#[test]
fn it_stands_while_blocking_work_goes_on() {
    paused(async {
        let start = Instant::now();
        let sleeper = preempt::spawn(sleep(HOUR));
        spawn_blocking(|| thread::sleep(Duration::from_millis(20))).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleeper.await.unwrap();
        assert_eq!(start.elapsed(), HOUR);
        // Nobody waits for this one, and still its end lets the clock go on.
        drop(spawn_blocking(|| thread::sleep(Duration::from_millis(20))));
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), 2 * HOUR);
    });
}

#[test]
fn what_another_thread_sends_is_waited_for() {
    paused(async {
        let (sender, receiver) = futures::channel::oneshot::channel();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            sender.send(7).unwrap();
        });
        assert_eq!(receiver.await, Ok(7), "with no timer there is nowhere to go");
        thread.join().unwrap();
    });
}

#[test]
fn it_goes_on_after_resume() {
    within(LIMIT, || {
        current_thread().block_on(async {
            pause();
            let start = Instant::now();
            advance(HOUR).await;
            assert_eq!(start.elapsed(), HOUR);
            resume();
            sleep(Duration::from_millis(5)).await;
            assert!(start.elapsed() >= HOUR + Duration::from_millis(5));
            pause();
            sleep(HOUR).await;
            assert!(start.elapsed() >= 2 * HOUR);
        });
    });
}

#[test]
fn the_clocks_of_other_runtimes_go_on() {
    within(LIMIT, || {
        let stopped = Builder::new_current_thread().start_paused(true).build().unwrap();
        let other = multi_thread(1);
        let before = std::time::Instant::now();
        other.block_on(async { sleep(Duration::from_millis(10)).await });
        assert!(before.elapsed() >= Duration::from_millis(10));
        let start = stopped.block_on(async { Instant::now() });
        assert_eq!(stopped.block_on(async { Instant::now() }), start);
    });
}

#[track_caller]
fn message_of(body: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(body)).expect_err("it panics");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().expect("a message")).to_owned(),
    }
}

#[test]
fn misuse_is_told() {
    let table: [(&str, fn()); 5] = [
        ("there is no preempt runtime", pause),
        ("only the clock of a current-thread runtime", || {
            multi_thread(1).block_on(async { pause() });
        }),
        ("stopped already", || {
            current_thread().block_on(async {
                pause();
                pause();
            });
        }),
        ("the clock is not stopped", || current_thread().block_on(async { resume() })),
        ("call `preempt::time::pause` first", || current_thread().block_on(advance(HOUR))),
    ];
    for (expected, misuse) in table {
        let message = message_of(misuse);
        assert!(message.contains(expected), "{message:?} does not tell that {expected}");
    }
    let message = message_of(|| {
        Builder::new_multi_thread().start_paused(true);
    });
    assert!(message.contains("only the clock of a current-thread runtime"), "{message:?}");
}
