//! Forced preemption: a signal that detaches a poll which reaches no checkpoint.
//!
//! ```text
//!   monitor ── interrupt ──▶ SIGURG ──▶ handler ── situation ──▶ is_async_safe_point
//!                                          │ yes: preempt_fiber::inject_call     │ no: counted,
//!                                          ▼                                     ▼ tried again
//!                              handler returns; the poll calls `detach`
//! ```
//!
//! * `safe_point.rs`: the predicate, and the reasons for which a point is refused.
//! * `text.rs`: which addresses are ordinary code.
//! * `leaf.rs`: functions of libc that count as their caller does; `unwind.rs`: whether the return
//!   address of such a function is where it has to be.
//! * `handler.rs`: the handler, its installation, sending the signal.
//! * `reach.rs`: whether the signals that are sent still come to the handler.
//! * `thread_status.rs`: whether a thread sleeps in the kernel, or has yet to handle a signal.
//! * `allocator.rs`: a warning about allocators that a poll must not be suspended in.
//!
//! On platforms without a way to inject a call there is `unsupported.rs` in the place of all but the
//! first, and long polls are handed off.

mod safe_point;

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod allocator;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod handler;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod leaf;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod reach;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod text;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod thread_status;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) mod unwind;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
#[path = "unsupported.rs"]
mod handler;

#[cfg(unix)]
pub(crate) use handler::share_signal;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) use handler::{ask, interrupted_machine};
pub(crate) use handler::{
    cpu_time, install, interrupt, is_asleep, is_ordinary_code, is_uninterruptible, prepare,
    prepare_signal_mask, refused_while_switching,
};
pub(crate) use safe_point::{REFUSALS, Refusal};
