//! The monitor of the preempt runtime: a thread, outside the scheduler, that finds polls which
//! outlive their time slice while somebody waits.
//!
//! ```text
//!   processor ── begin_poll / end_poll ──▶ Watch ◀── observe / retake ── Monitor
//!                                                                          │
//!   policy::decide(poll, waiting, limits) ── Request | HandOff ──▶ trait Scheduler
//! ```
//!
//! * [`Watch`] is the one word per processor that settles every race between a poll that ends and
//!   the monitor that takes the processor away.
//! * [`policy`] is a pure function from what was observed to what is done.
//! * [`Monitor`] is the thread: it looks, decides, and calls the [`Scheduler`].
//!
//! The crate knows nothing of tasks or queues; the executor implements [`Scheduler`].

#![deny(unsafe_code)]

#[cfg(not(loom))]
mod monitor;
#[cfg(not(loom))]
mod pace;
pub mod policy;
#[cfg_attr(loom, allow(dead_code, reason = "the models use a part of the protocol"))]
mod rest;
mod watch;

#[cfg(not(loom))]
pub use monitor::{Interrupted, Kicked, Monitor, MonitorThread, Scheduler};
pub use watch::{Slice, Watch};
