//! An allocator in the program's text without the wrapper: the runtime warns, and what may come of
//! it is shown by a test that is not run by default.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

mod alloc_torment;

use alloc_torment::Torment;
use preempt::runtime::Backend;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static GLOBAL: Jemalloc = Jemalloc;

#[test]
fn the_runtime_warns_once() {
    let output = alloc_torment::run_alone("builds_runtimes");
    assert!(alloc_torment::was_warned(&output), "{output:?}");
}

#[test]
#[ignore = "run by `the_runtime_warns_once` in a process of its own"]
fn builds_runtimes() {
    alloc_torment::build_runtimes_beside_busy_threads();
}

/// Run it with `--ignored --nocapture`: it says how far ten processes came.
#[test]
#[ignore = "a demonstration, which takes minutes: processes stand still or not, by chance"]
fn suspended_in_the_allocator() {
    for _ in 0..10 {
        let output = alloc_torment::run_alone("torments");
        println!("{}", output.status);
    }
}

#[test]
#[ignore = "run by `suspended_in_the_allocator` in a process of its own"]
fn torments() {
    alloc_torment::torment(Torment { workers: 2, slice_us: 100, backend: Backend::User });
}
