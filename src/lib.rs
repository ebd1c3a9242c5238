//! Go's preemption for Rust: an async runtime in which no task can starve the others.
//!
//! On a cooperative runtime a task that computes without an `.await` keeps its worker for as long
//! as it likes, and as many such tasks as there are workers stop everything. Here a monitor
//! watches the polls. One that outlives its time slice (10 ms) while others wait is dealt with:
//!
//! 1. it is asked to give way, which code with [`#[preemptible]`](macro@preemptible), or with a
//!    call of [`checkpoint`], notices and does;
//! 2. if it goes on, its worker's place is handed to another thread. The poll goes on alone on its
//!    own.
//!
//! ```
//! use preempt::time::{Duration, sleep};
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
//!
//! #[preempt::main(worker_threads = 1)]
//! async fn main() {
//!     let stop = Arc::new(AtomicBool::new(false));
//!     let hog = preempt::spawn({
//!         let stop = stop.clone();
//!         async move { while !stop.load(Relaxed) {} }
//!     });
//!     // With one cooperative worker, this task would never run.
//!     let sleeper = preempt::spawn(async move {
//!         sleep(Duration::from_millis(20)).await;
//!         stop.store(true, Relaxed);
//!     });
//!     sleeper.await.unwrap();
//!     hog.await.unwrap();
//! }
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | starting: from `main`, in tests, by hand | [`main`], [`test`], [`runtime::Builder`] |
//! | tasks, sets of tasks, blocking code | [`spawn`], [`task`] |
//! | timers | [`time`] |
//! | giving way | [`macro@preemptible`], [`checkpoint`], [`task::yield_now`] |
//! | not giving way | [`no_preempt`] |
//! | what the runtime did | [`runtime::Handle::metrics`] |
//!
//! Names and semantics are tokio's wherever tokio has them. Sockets and files are not there.
//!
//! # Limits
//!
//! * Code without checkpoints is never suspended, it only loses its worker's place. Its thread
//!   goes on, so that many such tasks are many threads; at most 256 beyond the workers.
//! * A current-thread runtime has no other thread to hand over to: checkpoints and awaits are all
//!   that ends a poll there.
//! * The future of `block_on`, and so the body of `main`, runs on the thread that calls it. It is
//!   asked to give way on a current-thread runtime only, and never handed off.
//! * A task that was handed off at a checkpoint in sync code does not come back to the workers
//!   before its next await.

pub use preempt_checkpoint::{checkpoint, no_preempt};
pub use preempt_executor::{runtime, spawn, time};
pub use preempt_macros::{main, preemptible, test};

pub mod task {
    //! Tasks: spawning them, waiting for them, ending them.
    //!
    //! [`spawn`] starts a task and returns a [`JoinHandle`]; dropping the handle detaches the task.
    //! A panic stays in its task and comes out of the handle as a [`JoinError`]. Code that blocks
    //! has [`spawn_blocking`] and [`block_in_place`]; code that computes may stay where it is.

    pub use preempt_checkpoint::yield_now;
    pub use preempt_executor::task::*;
    pub use preempt_executor::{block_in_place, spawn, spawn_blocking};
}

#[doc(hidden)]
pub use preempt_checkpoint::__private;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
