//! Goal: a call can be injected at *every* instruction of arbitrary code, switch to a fiber that
//! clobbers every register, and come back, without the code noticing; and from every such point, and
//! from every instruction of the trampoline and the switch, the stack can be unwound.
//!
//! Method: the trap flag makes the processor raise SIGTRAP after each instruction. The handler
//! injects a call wherever the interrupted pc is in the program's own text. The trampoline restores
//! the trap flag together with the other flags, and so stepping goes on at the very instruction.
//! The result is compared with that of an undisturbed run.
//!
//! `cargo test -p preempt-fiber --test single_step -- --nocapture` prints the counts.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

mod common;
#[path = "single_step/leaves.rs"]
mod leaves;
#[path = "single_step/stepping.rs"]
mod stepping;
#[path = "single_step/subjects.rs"]
mod subjects;
#[path = "common/text.rs"]
mod text;
#[path = "single_step/unwinding.rs"]
mod unwinding;

use common::{on_a_fiber, on_every_backend, pool_with};
use std::sync::Mutex;
use stepping::{Counts, step_through, step_through_leaves, step_through_switches};
use subjects::SUBJECTS;

/// Signal handlers and counters are global.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn every_instruction_can_be_interrupted() {
    let _guard = ONE_AT_A_TIME.lock();
    stepping::install_handler();
    std::panic::set_hook(Box::new(|_| ()));
    let mut results = Vec::new();
    let mut rounds = 0;
    on_every_backend(|builder| {
        rounds += 1;
        let syscalls = rounds == 3;
        let pool = pool_with(builder.stack_bytes(1 << 20), 2);
        let backend = pool.backend();
        println!("{:<24} {}", format!("backend {backend}"), Counts::HEADING);
        let second = pool.take_spare().unwrap();
        let counts = on_a_fiber(&pool, move || {
            let _companion = stepping::Companion::start(second);
            // Unoptimised code has so many instructions that some have to do for the repetition.
            let subjects =
                if syscalls && cfg!(debug_assertions) { &SUBJECTS[..15] } else { SUBJECTS };
            subjects
                .iter()
                .filter(|subject| (subject.available)())
                .map(|subject| {
                    let expected = (subject.run)();
                    let (result, counts) = step_through(subject.run);
                    (subject.name, expected == result, counts)
                })
                .collect::<Vec<_>>()
        });
        for (name, _, counts) in &counts {
            println!("{name:<24} {counts}");
        }
        let total = counts.iter().fold(Counts::default(), |sum, (.., counts)| sum + *counts);
        println!("{:<24} {total}\n", "total");
        results.push(counts);
    });
    let _ = std::panic::take_hook();
    for (name, same, counts) in results.iter_mut().flat_map(|counts| counts.drain(..)) {
        assert!(same, "{name} noticed");
        assert!(counts.injections > 10, "{name}: {counts:?}");
        assert_eq!(counts.unwinding_failures, 0, "{name}: {counts:?}");
        assert_eq!(counts.trampoline_failures, 0, "{name}: {counts:?}");
        assert!(counts.trampoline_unwindings > 60, "{name}: {counts:?}");
    }
}

/// What `memcpy` and its like need to be async-safe points: no instruction of theirs takes it ill,
/// and from each the caller is found, so that the return address is where their unwind tables say.
#[test]
fn every_instruction_of_a_leaf_function_of_libc_can_be_interrupted() {
    let _guard = ONE_AT_A_TIME.lock();
    stepping::install_handler();
    on_every_backend(|builder| {
        let pool = pool_with(builder.stack_bytes(1 << 20), 2);
        let backend = pool.backend();
        let second = pool.take_spare().unwrap();
        let (expected, found, counts) = on_a_fiber(&pool, move || {
            let _companion = stepping::Companion::start(second);
            let expected = leaves::subject();
            let (found, counts) = step_through_leaves(leaves::subject);
            (expected, found, counts)
        });
        println!("leaves, backend {backend}: {counts:?}");
        assert_eq!(expected, found);
        assert!(counts.in_leaves > 1_000, "{counts:?}");
        // The stubs that the linker puts into `.plt`, and nothing of libc.
        assert!(counts.elsewhere * 100 < counts.in_leaves, "{counts:?}");
        assert_eq!((counts.unwinding_failures, counts.trampoline_failures), (0, 0), "{counts:?}");
    });
}

#[test]
fn there_are_at_least_twenty_subjects() {
    assert!(SUBJECTS.len() >= 20);
}

#[test]
fn every_instruction_of_a_switch_can_be_unwound() {
    let _guard = ONE_AT_A_TIME.lock();
    stepping::install_handler();
    on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let backend = pool.backend();
        let second = pool.take_spare().unwrap();
        let counts = on_a_fiber(&pool, move || {
            let _companion = stepping::Companion::start(second);
            step_through_switches()
        });
        println!("switch, backend {backend}: {counts:?}");
        assert_eq!(counts.trampoline_failures, 0, "{counts:?}");
        if backend == preempt_fiber::Backend::User {
            assert!(counts.trampoline_unwindings >= 20, "{counts:?}");
        }
    });
}
