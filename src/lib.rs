//! Go's preemption for Rust.
pub use preempt_checkpoint::{checkpoint, no_preempt};
pub use preempt_macros::preemptible;

#[doc(hidden)]
pub use preempt_checkpoint::__private;
