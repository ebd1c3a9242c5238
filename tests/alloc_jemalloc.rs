//! Polls that allocate from jemalloc, whose arenas and bins have locks, are suspended at any
//! instruction outside of it, and at none inside.
//!
//! Method: see `alloc_torment`.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

mod alloc_torment;

use alloc_torment::{Torment, torment};
use preempt::alloc::NoPreempt;
use preempt::runtime::Backend;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static GLOBAL: NoPreempt<Jemalloc> = NoPreempt::new(Jemalloc);

fn torment_without_harm(workers: usize, slice_us: u64, backend: Backend) {
    let metrics = torment(Torment { workers, slice_us, backend });
    assert!(metrics.refusals.no_preempt > 0, "no signal came in the allocator: {metrics:?}");
    assert_eq!(preempt_checkpoint::runtime::no_preempt_depth(), 0);
}

#[test]
fn one_worker() {
    torment_without_harm(1, 100, Backend::User);
}

#[test]
fn two_workers() {
    torment_without_harm(2, 100, Backend::User);
}

#[test]
fn two_workers_with_longer_slices() {
    torment_without_harm(2, 200, Backend::User);
}

#[test]
fn two_workers_on_kernel_fibers() {
    torment_without_harm(2, 150, Backend::Kernel);
}

#[test]
fn nobody_is_warned() {
    let output = alloc_torment::run_alone("builds_runtimes");
    assert!(!alloc_torment::was_warned(&output), "{output:?}");
}

#[test]
#[ignore = "run by `nobody_is_warned` in a process of its own"]
fn builds_runtimes() {
    alloc_torment::build_runtimes_beside_busy_threads();
}
