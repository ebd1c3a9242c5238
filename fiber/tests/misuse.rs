//! Goal: what breaks an invariant ends the process with a message, never with corrupted memory.
//! Method: each case runs in a child process, started by the test of the same name.

#![cfg(unix)]

mod common;

use common::{on_a_fiber, pool_with};
use preempt_fiber::{Backend, Builder, Leave, Machine, start};
use std::process::Command;

const CHILD: &str = "PREEMPT_FIBER_MISUSE";

/// Runs `body` in a child process with each backend and expects it to abort with `message`.
fn aborts(name: &str, message: &str, body: impl Fn()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        body();
        return;
    }
    for backend in [Backend::User, Backend::Kernel] {
        if !backend.is_supported() {
            continue;
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--test-threads=1", "--nocapture"])
            .env(CHILD, name)
            .env("PREEMPT_FIBER_BACKEND", backend.to_string())
            .output()
            .expect("the test binary runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name} went unnoticed");
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn work_that_panics_aborts() {
    aborts("work_that_panics_aborts", "the work of a fiber panicked", || {
        let pool = pool_with(Builder::new(), 1);
        let spare = pool.take_spare().unwrap();
        Machine::new(0).run(spare, || panic!("on purpose")).unwrap();
    });
}

#[test]
fn an_action_that_panics_aborts() {
    aborts("an_action_that_panics_aborts", "a post-switch action panicked", || {
        let pool = pool_with(Builder::new(), 2);
        let second = pool.take_spare().unwrap();
        on_a_fiber(&pool, || start(second, || Leave::Exit, |_| panic!("on purpose")));
    });
}

#[test]
fn a_machine_on_a_fiber_panics() {
    common::on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let second = pool.take_spare().unwrap();
        let refused = on_a_fiber(&pool, || {
            let nested = || Machine::new(0).run(second, || Leave::Exit);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(nested)).is_err()
        });
        assert!(refused);
        assert_eq!(pool.spares(), 2);
    });
}

#[test]
fn a_machine_cannot_run_twice_at_a_time() {
    common::on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let (first, second) = (pool.take_spare().unwrap(), pool.take_spare().unwrap());
        let machine = std::sync::Arc::new(Machine::new(0));
        let again = std::sync::Arc::clone(&machine);
        let work = move || {
            let elsewhere = std::thread::spawn(move || again.run(second, || Leave::Exit));
            assert!(elsewhere.join().is_err());
            Leave::Exit
        };
        machine.run(first, work).unwrap();
        assert_eq!(pool.spares(), 2);
    });
}
