//! Go's preemption for Rust: an async runtime in which no task can starve the others.
//!
//! On a cooperative runtime a task that computes without an `.await` keeps its worker for as long
//! as it likes, and as many such tasks as there are workers stop everything. Here a monitor
//! watches the polls, and one that goes on while others wait
//!
//! 1. is asked to give way, which code with [`#[preemptible]`](macro@preemptible), or with a call
//!    of [`checkpoint`], notices and does;
//! 2. is set aside in the middle by a signal (*detached*), with its stack and its thread-locals,
//!    and goes on later;
//! 3. loses its worker's place to another thread, if it is where it cannot be set aside. It goes on
//!    alone on its own.
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
//! | several futures at once | [`select!`], [`join!`], [`try_join!`] |
//! | channels and locks between tasks | [`sync`] |
//! | sockets; reading and writing; the standard streams | [`net`], [`io`] |
//! | files and directories | [`fs`] |
//! | signals of the operating system, child processes | [`signal`], [`process`] |
//! | giving way | [`macro@preemptible`], [`checkpoint`], [`task::yield_now`] |
//! | ending code that computes | [`macro@preemptible`] with `cancel`, [`task::is_cancelled`] |
//! | not giving way | [`no_preempt`]; a global allocator: [`alloc`] |
//! | HTTP, with the feature `hyper` | `preempt::hyper` |
//! | what the runtime did | [`runtime::Handle::metrics`]; moment by moment: [`trace`] |
//! | what keeps others waiting; where all tasks are; where the time goes | [`runtime::Builder::stall_report`], [`runtime::Handle::dump`], [`runtime::Handle::profile`] |
//! | a moment in which no task runs | [`runtime::Handle::stop_the_world`] |
//! | what it does now, from outside | [`runtime::Builder::debug_endpoint`] |
//!
//! Names and semantics are tokio's wherever tokio has them.
//!
//! # Limits
//!
//! * Signals need x86-64 Linux with glibc. They cannot stop code in libc (but `memcpy` and the like
//!   that the program itself calls) or in [`no_preempt`].
//! * What is tied to the kernel thread (its id, signal mask, affinity) does not move with a poll
//!   that was detached; code that depends on it belongs into [`no_preempt`].
//! * A statically linked allocator (mimalloc, jemalloc) may be stopped while it holds a lock of its
//!   own: wrap it in [`alloc::NoPreempt`].
//! * A current-thread runtime detaches and hands off nothing: checkpoints and awaits in async code
//!   are all that ends a poll there.
//! * The future of `block_on`, and so the body of `main`, runs on the thread that calls it, and is
//!   never detached or handed off.

#[cfg(feature = "hyper")]
pub mod hyper;

pub use preempt_checkpoint::{alloc, checkpoint, no_preempt};
pub use preempt_executor::{fs, io, net, runtime, spawn, task_local, time, trace};
#[cfg(unix)]
pub use preempt_executor::{process, signal};
pub use preempt_macros::{main, preemptible, test};
pub use tokio::{join, pin, try_join};

pub mod sync;

pub mod task {
    //! Tasks: spawning them, waiting for them, ending them.
    //!
    //! [`spawn`] starts a task and returns a [`JoinHandle`]; dropping the handle detaches the task.
    //! A panic stays in its task and comes out of the handle as a [`JoinError`]. Code that blocks
    //! has [`spawn_blocking`] and [`block_in_place`]; code that computes may stay where it is.
    //!
    //! A future that is not `Send` runs in a [`LocalSet`], on the thread that polls the set:
    //!
    //! ```
    //! use preempt::task::{LocalSet, spawn_local};
    //! use std::rc::Rc;
    //!
    //! # #[preempt::main(worker_threads = 1)]
    //! # async fn main() {
    //! let number = Rc::new(7);
    //! let task = async { spawn_local(async move { *number }).await };
    //! assert_eq!(LocalSet::new().run_until(task).await.unwrap(), 7);
    //! # }
    //! ```
    //!
    //! Values that belong to a task are declared by [`task_local!`](crate::task_local):
    //!
    //! ```
    //! preempt::task_local! {
    //!     static USER: String;
    //! }
    //!
    //! # #[preempt::main(worker_threads = 1)]
    //! # async fn main() {
    //! let task = preempt::spawn(USER.scope("me".to_owned(), async { USER.with(String::len) }));
    //! assert_eq!(task.await.unwrap(), 2);
    //! # }
    //! ```
    //!
    //! [`Builder`] gives a task a name, and says how far its polls may be preempted:
    //!
    //! ```
    //! use preempt::task::{Builder, Preemption};
    //!
    //! # #[preempt::main(worker_threads = 1)]
    //! # async fn main() -> std::io::Result<()> {
    //! let sum = Builder::new()
    //!     .name("sums up")
    //!     .preemption(Preemption::Cooperative)
    //!     .spawn(async { (0..10).sum::<u32>() })?;
    //! assert_eq!(sum.await?, 45);
    //! # Ok(())
    //! # }
    //! ```
    //!
    //! It also says which class the task is of (what goes first), and how long its polls may run:
    //!
    //! ```
    //! use preempt::task::{Builder, Priority};
    //! use std::time::Duration;
    //!
    //! # #[preempt::main(worker_threads = 1)]
    //! # async fn main() -> std::io::Result<()> {
    //! let report = Builder::new()
    //!     .priority(Priority::Batch)
    //!     .time_slice(Duration::from_millis(20))
    //!     .spawn(async { (0..10).product::<u32>() })?;
    //! assert_eq!(report.await?, 0);
    //! # Ok(())
    //! # }
    //! ```

    pub use preempt_checkpoint::{is_cancelled, yield_now};
    pub use preempt_executor::task::*;
    pub use preempt_executor::{block_in_place, spawn, spawn_blocking};
}

/// Waits for several futures at once, and goes on with the first that is ready: `tokio::select!`, with
/// all that it knows (`biased;`, `, if ..`, `else`).
///
/// Which branch is polled first is drawn; on a seeded runtime
/// ([`Builder::new_seeded`](runtime::Builder::new_seeded)) by the seed, which `tokio::select!` itself does
/// not know.
///
/// ```
/// use preempt::time::{Duration, sleep};
///
/// # #[preempt::main(worker_threads = 1)]
/// # async fn main() {
/// let first = preempt::select! {
///     () = sleep(Duration::from_millis(1)) => "short",
///     () = sleep(Duration::from_secs(60)) => "long",
/// };
/// assert_eq!(first, "short");
/// # }
/// ```
#[macro_export]
macro_rules! select {
    // What `tokio::select!` makes of its branches, with another draw.
    ($pattern:pat = $($branches:tt)*) => {
        $crate::__private::tokio::select!(
            @{ start={ $crate::__private::first_branch(BRANCHES) }; () } $pattern = $($branches)*
        )
    };
    ($($other:tt)*) => {
        $crate::__private::tokio::select!($($other)*)
    };
}

/// What the macros write calls of.
#[doc(hidden)]
pub mod __private {
    pub use preempt_checkpoint::__private::*;
    pub use preempt_executor::first_branch;
    pub use preempt_executor::runtime::seeds;
    pub use tokio;
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles the examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../docs/port_from_tokio.md")]
struct PortFromTokio;

/// Compiles the example of the guide.
#[cfg(doctest)]
#[doc = include_str!("../docs/deterministic_tests.md")]
struct DeterministicTests;
