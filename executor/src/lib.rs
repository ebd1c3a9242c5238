//! The executor of preempt: tasks, their scheduler, timers and the runtime around them.
//!
//! Users see this crate through the facade `preempt`. The modules, from the outside in:
//!
//! | module | what it owns |
//! |---|---|
//! | [`runtime`] | building, `block_on`, shutting down |
//! | [`task`] | a task's memory and state, its handles |
//! | `scheduler` | processors, machines, queues, sleeping and hand-off |
//! | [`time`] | timers |
//! | [`net`], [`io`] | sockets; reading and writing, the standard streams |
//! | `netpoll` | readiness of I/O resources |
//! | [`fs`] | files and directories |
//! | `signal`, `process` | signals of the operating system; child processes (Unix) |
//! | [`trace`] | what the scheduler did, moment by moment |
//! | `blocking` | threads for `spawn_blocking` |
//! | `observe` | showing what tasks do: reports of long polls, dumps, profiles |
//! | `endpoint` | showing all that over HTTP |
//! | `cancel` | ending a poll in the middle that was cancelled |
//! | `cpus` | how many processors the process may use |
//! | `context` | what a thread knows about where it is |

#[cfg(not(loom))]
mod blocking;
#[cfg(not(loom))]
mod cancel;
#[cfg(not(loom))]
mod context;
#[cfg(not(loom))]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has quotas"))]
mod cpus;
#[cfg(not(loom))]
mod debug;
#[cfg(not(loom))]
mod endpoint;
#[cfg(not(loom))]
pub mod fs;
#[cfg(all(target_os = "linux", not(loom), any(fuzzing, test)))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(not(loom))]
pub mod io;
#[cfg(not(loom))]
mod metrics;
#[cfg(not(loom))]
pub mod net;
#[cfg(not(loom))]
mod netpoll;
#[cfg(not(loom))]
mod observe;
#[cfg(not(loom))]
mod preempt;
#[cfg(all(unix, not(loom)))]
pub mod process;
#[cfg(not(loom))]
mod report;
#[cfg(not(loom))]
pub mod runtime;
#[cfg(all(unix, not(loom)))]
pub mod signal;
mod sync;
#[cfg(not(loom))]
pub mod task;
#[cfg(not(loom))]
pub mod time;

#[cfg(not(loom))]
mod scheduler;
#[cfg(not(loom))]
pub mod trace;

// Under loom only the protocols are built, each with its models at the end of its file.
#[cfg(loom)]
#[allow(dead_code, reason = "the models use a part of the protocol")]
mod blocking {
    pub(crate) mod jobs;
}
#[cfg(loom)]
#[allow(dead_code, reason = "the models use a part of the protocols")]
mod scheduler {
    pub(crate) mod attention;
    pub(crate) mod barrier;
    pub(crate) mod idle;
    pub(crate) mod offer;
    pub(crate) mod parker;
    pub(crate) mod places;
    #[path = "seeded/turns.rs"]
    mod turns;
}
#[cfg(loom)]
#[allow(dead_code, reason = "the models use a part of the protocol")]
mod netpoll {
    pub(crate) mod interest;
    pub(crate) mod keeper;
    pub(crate) mod ready;
    pub(crate) mod rings_at;
    pub(crate) mod scheduled_io;
}
#[cfg(loom)]
#[allow(dead_code, reason = "the models use a part of the protocol")]
#[path = "task/state.rs"]
mod state;
#[cfg(loom)]
#[allow(dead_code, reason = "the models use a part of the protocol")]
mod time {
    pub(crate) mod shards;
    pub(crate) mod wheel;
}
#[cfg(loom)]
#[allow(dead_code, reason = "the models use a part of the protocol")]
mod trace {
    pub(crate) mod ring;
}

#[cfg(not(loom))]
pub use blocking::block_in_place;
#[cfg(not(loom))]
pub use spawn::{spawn, spawn_blocking};
#[cfg(not(loom))]
use task::coop;

/// The first branch that `select!` polls. Not for hand-written code.
#[doc(hidden)]
#[cfg(not(loom))]
#[inline]
#[must_use]
pub fn first_branch(branches: u32) -> u32 {
    match scheduler::seeded::draw_below(branches as usize) {
        Some(drawn) => drawn as u32,
        None => tokio::macros::support::thread_rng_n(branches),
    }
}

#[cfg(not(loom))]
mod spawn {
    use crate::runtime::Handle;
    use crate::task::JoinHandle;
    use std::future::Future;

    /// Spawns a task on the current runtime. It runs also if the handle is dropped.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Handle::current().spawn(future)
    }

    /// Runs blocking code on a thread of its own.
    ///
    /// # Panics
    /// Outside a runtime; and if the system gives no thread at all.
    #[track_caller]
    pub fn spawn_blocking<F, T>(work: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Handle::current().spawn_blocking(work)
    }
}
