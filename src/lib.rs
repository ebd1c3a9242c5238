//! Go's preemption for Rust: an async runtime in which no task can starve the others.
pub use preempt_checkpoint::{alloc, checkpoint, no_preempt};
pub use preempt_executor::{runtime, time};
pub use preempt_macros::{main, preemptible, test};

/// Tasks.
pub mod task {
    pub use preempt_checkpoint::yield_now;
    pub use preempt_executor::task::*;
    pub use preempt_executor::{block_in_place, spawn, spawn_blocking};
}
pub use preempt_executor::spawn;

#[doc(hidden)]
pub use preempt_checkpoint::__private;
