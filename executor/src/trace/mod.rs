//! The execution trace: what the scheduler did, moment by moment, for a person to look at.
//!
//! ```text
//!   hooks.rs     one-line calls in the scheduler; while nothing is recorded each is a branch
//!      │ Event (event.rs), stamped by clock.rs
//!      ▼
//!   recorder.rs  a ring (ring.rs) for each machine, and one for all other threads
//!      │ a copy, at any time, by any thread
//!      ▼
//!   snapshot.rs  Trace: the events, the names of tasks and threads
//!      │
//!      ▼
//!   timeline.rs  tracks, slices, instants, flows ──▶ perfetto.rs, chrome.rs
//!   activity.rs  what each task did in all
//! ```
//!
//! The rings are a flight recorder: the newest events replace the oldest. Whoever writes waits for
//! nobody and allocates nothing. The ring that several threads share has a lock, whose holder is never
//! suspended.
//!
//! A poll is one event, written when it is over; what goes on now is the ring's *state*. So a poll takes
//! one reading of the clock: it begins when the one before it ended, unless the machine looked for work
//! in between.
//!
//! It is off by default: an empty poll takes 54 ns and 67 ns while it is recorded, of which the clock
//! takes 9 (`benches/observe_cost.rs`; AMD EPYC virtual machine, Linux 6.18, 2026-11-25). While it is off
//! the difference to a runtime on which it never was on is below what can be measured.

mod activity;
mod chrome;
pub(crate) mod clock;
mod event;
mod hooks;
mod perfetto;
mod recorder;
pub(crate) mod ring;
mod session;
mod snapshot;
mod timeline;
mod tracer;
pub(crate) mod triggers;

pub(crate) use activity::{Activity, TaskActivity};
pub(crate) use event::{Outcome, Subject};
pub(crate) use hooks::{BlockOn, run_blocking};
pub(crate) use recorder::{Lane, Recorder};
pub(crate) use session::Session;
pub use snapshot::Trace;
pub use tracer::Tracer;
