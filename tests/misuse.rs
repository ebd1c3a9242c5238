//! Goal: whoever uses the runtime in a way that cannot work is told so at once, and what to do
//! instead.
//! Method: each misuse is caught as a panic or an error; the words that matter are asserted, not
//! the sentences.

mod support;

use preempt::runtime::{Builder, Handle};
use preempt::task::{self, JoinSet, block_in_place, spawn_blocking};
use preempt::time::{self, Duration, Instant};
use std::panic::Location;
use std::sync::Mutex;
use support::*;

/// Asserts that `misuse` panics with a message that has all the words.
#[track_caller]
fn is_told(words: &[&str], misuse: impl FnOnce()) {
    let message = panic_message(misuse);
    for word in words {
        assert!(message.contains(word), "`{word}` is missing in: {message}");
    }
}

// ---- building ----

#[test]
fn a_number_of_workers_that_cannot_be() {
    for count in [0, 32_769, usize::MAX] {
        is_told(&["worker_threads", "1 to", &count.to_string(), "leave the call out"], || {
            Builder::new_multi_thread().worker_threads(count);
        });
    }
}

#[test]
fn a_time_slice_that_cannot_be() {
    for slice in [Duration::ZERO, Duration::from_micros(99), Duration::from_secs(61)] {
        is_told(&["time_slice", "100 us to 60 s", &format!("{slice:?}")], || {
            Builder::new_multi_thread().time_slice(slice);
        });
    }
    // The limits themselves are fine.
    Builder::new_multi_thread()
        .time_slice(Duration::from_micros(100))
        .time_slice(Duration::from_secs(60));
}

#[test]
fn no_threads_for_blocking_work() {
    is_told(&["max_blocking_threads", "1 or more"], || {
        Builder::new_multi_thread().max_blocking_threads(0);
    });
}

// ---- outside a runtime ----

#[test]
fn what_needs_a_runtime_outside_of_one() {
    let words = ["no preempt runtime", "Runtime::block_on", "Handle::enter"];
    is_told(&words, || drop(preempt::spawn(async {})));
    is_told(&words, || drop(spawn_blocking(|| {})));
    is_told(&words, || drop(time::sleep(Duration::ZERO)));
    is_told(&words, || drop(time::sleep_until(Instant::now())));
    is_told(&words, || drop(time::interval(Duration::from_secs(1))));
    is_told(&words, || drop(time::timeout(Duration::ZERO, async {})));
    is_told(&words, || drop(time::timeout_at(Instant::now(), async {})));
    is_told(&words, || drop(JoinSet::new().spawn(async {})));
    is_told(&words, || drop(Handle::current()));
    let error = Handle::try_current().unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn a_task_id_outside_a_task() {
    is_told(&["outside a task", "try_id"], || {
        let _id = task::id();
    });
    assert_eq!(task::try_id(), None);
    // `block_on`'s own future is no task.
    assert_eq!(multi_thread(1).block_on(async { task::try_id() }), None);
}

// ---- blocking where it would stall others ----

#[test]
fn block_on_inside_a_task() {
    within(LIMIT, || {
        for runtime in [multi_thread(1), current_thread()] {
            let words = ["inside a task", ".await", "block_in_place", "spawn_blocking"];
            let handle = runtime.handle().clone();
            let task = runtime.spawn(async move {
                is_told(&words, || handle.block_on(async {}));
                let other = multi_thread(1);
                is_told(&words, || other.block_on(async {}));
                let other = current_thread();
                is_told(&words, || other.block_on(async {}));
            });
            runtime.block_on(task).unwrap();
        }
    });
}

#[test]
fn block_on_inside_block_on() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let words = ["inside another `block_on`", ".await", "block_in_place", "spawn_blocking"];
        runtime.block_on(async {
            is_told(&words, || runtime.block_on(async {}));
            is_told(&words, || runtime.handle().block_on(async {}));
            is_told(&words, || current_thread().block_on(async {}));
        });
        runtime.block_on(async {});
        let runtime = current_thread();
        runtime.block_on(async {
            is_told(&["`block_on`", ".await"], || runtime.block_on(async {}));
        });
        runtime.block_on(async {});
    });
}

#[test]
fn block_in_place_on_a_current_thread_runtime() {
    within(LIMIT, || {
        let runtime = current_thread();
        let words = ["current-thread", "spawn_blocking", "new_multi_thread"];
        runtime.block_on(async {
            is_told(&words, || block_in_place(|| ()));
            preempt::spawn(async move { is_told(&words, || block_in_place(|| ())) }).await.unwrap();
        });
    });
}

// ---- time ----

#[test]
fn an_interval_of_zero() {
    let runtime = multi_thread(1);
    let _context = runtime.enter();
    is_told(&["period", "`interval`", "zero"], || drop(time::interval(Duration::ZERO)));
    is_told(&["period", "zero"], || drop(time::interval_at(Instant::now(), Duration::ZERO)));
}

// ---- handles ----

#[test]
fn a_join_handle_that_is_polled_after_its_output_was_taken() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let mut handle = runtime.spawn(async {});
        runtime.block_on(&mut handle).unwrap();
        is_told(&["JoinHandle", "after"], || drop(runtime.block_on(&mut handle)));
    });
}

#[test]
fn the_payload_of_an_error_that_is_no_panic() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let task = runtime.spawn(std::future::pending::<()>());
        task.abort();
        let error = runtime.block_on(task).unwrap_err();
        is_told(&["into_panic", "was cancelled"], || drop(error.into_panic()));
    });
}

// ---- where it happened ----

/// The panics name the caller's line, not the runtime's.
#[test]
fn panics_point_at_the_caller() {
    static SEEN: Mutex<Vec<(String, u32)>> = Mutex::new(Vec::new());
    let previous = std::panic::take_hook();
    let this_file = Location::caller().file();
    std::panic::set_hook(Box::new(move |info| {
        if let Some(place) = info.location() {
            SEEN.lock().unwrap().push((place.file().to_owned(), place.line()));
        }
        previous(info);
    }));
    let line = line!() + 1;
    let _message = panic_message(|| drop(preempt::spawn(async {})));
    assert!(SEEN.lock().unwrap().contains(&(this_file.to_owned(), line)), "spawn");
    let line = line!() + 1;
    let _message = panic_message(|| drop(time::sleep(Duration::ZERO)));
    assert!(SEEN.lock().unwrap().contains(&(this_file.to_owned(), line)), "sleep");
    let line = line!() + 2;
    let _message = panic_message(|| {
        Builder::new_multi_thread().worker_threads(0);
    });
    assert!(SEEN.lock().unwrap().contains(&(this_file.to_owned(), line)), "worker_threads");
}
