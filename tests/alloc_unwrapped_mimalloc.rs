//! As `alloc_unwrapped.rs`, for the warning only: mimalloc, unwrapped.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

#[allow(dead_code, reason = "this program torments nobody")]
mod alloc_torment;

use mimalloc::MiMalloc;

#[global_allocator]
static GLOBAL: MiMalloc = MiMalloc;

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
