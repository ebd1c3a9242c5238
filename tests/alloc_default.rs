//! A program that chooses no allocator: nothing to wrap, nothing to warn about.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

#[allow(dead_code, reason = "this program torments nobody")]
mod alloc_torment;

use std::process::Command;

#[test]
fn nobody_is_warned() {
    for _ in 0..5 {
        let output = alloc_torment::run_alone("builds_runtimes");
        assert!(!alloc_torment::was_warned(&output), "{output:?}");
    }
}

/// glibc without its per-thread cache, on which the check relies first.
#[test]
fn nobody_is_warned_without_a_thread_cache() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "builds_runtimes"])
        .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
        .output()
        .unwrap();
    assert!(!alloc_torment::was_warned(&output), "{output:?}");
}

#[test]
#[ignore = "run by the other tests in a process of its own"]
fn builds_runtimes() {
    alloc_torment::build_runtimes_beside_busy_threads();
}
