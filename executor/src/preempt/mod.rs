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
//! * `handler.rs`: the handler, its installation, sending the signal.
//! * `asleep.rs`: whether a thread sleeps in the kernel.
//! * `allocator.rs`: a warning about allocators that a poll must not be suspended in.
//!
//! On platforms without a way to inject a call there is `unsupported.rs` in the place of the last
//! four, and long polls are handed off.

mod safe_point;

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod allocator;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod asleep;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod handler;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod text;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
#[path = "unsupported.rs"]
mod handler;

#[cfg(unix)]
pub(crate) use handler::share_signal;
pub(crate) use handler::{
    install, interrupt, prepare, prepare_signal_mask, refused_while_switching,
};
pub(crate) use safe_point::{REFUSALS, Refusal};
