//! Goal: fibers that are detached by signals at arbitrary points and continued by whichever machine
//! comes first compute the right results. Method: `torture/scheduler.rs`, a second per backend;
//! `examples/fiber_torture.rs` does the same for as long as you like.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

#[path = "torture/scheduler.rs"]
mod scheduler;
#[path = "single_step/subjects.rs"]
mod subjects;
#[path = "common/text.rs"]
mod text;

use preempt_fiber::Backend;
use scheduler::{Options, run};
use std::time::Duration;

#[test]
fn detached_hogs_compute_the_right_results() {
    std::panic::set_hook(Box::new(|_| ()));
    for backend in [Backend::User, Backend::Kernel] {
        let outcome = run(&Options {
            backend,
            machines: 2,
            duration: Duration::from_secs(1),
            interval: Duration::from_micros(100),
            max_detached: 16,
        });
        println!("{backend}: {outcome}");
        assert_eq!(outcome.wrong, 0, "{outcome}");
        assert_eq!(outcome.leaked, 0, "{outcome}");
        assert!(outcome.tasks > 10 && outcome.detached > 10, "{outcome}");
    }
}
