//! Showing what tasks do: where a poll is that does not end, and where all the others are.
//!
//! ```text
//!   detach, monitor ── event ──▶ Reporter ── unwind, symbols ──▶ tracing, standard error, a hook
//!                                   ▲
//!   Handle::dump ───────────────────┘
//! ```
//!
//! * `stack.rs`: registers and a copy of a stack, made where the code is; `unwind.rs`: its frames.
//! * `kernel.rs`, `probe.rs`: the stacks of threads that sleep, and of those that run.
//! * `who.rs`: which task; `symbols.rs`: functions, files and lines.
//! * `stall.rs`: when a long poll is worth a report; `verdict.rs`: what to do about it; `reporter.rs`:
//!   the thread that writes it.
//! * `sampling.rs`: where the time goes; `profile.rs`: what was found; `pprof.rs`: as a file for pprof.
//! * `dump.rs`: where all tasks are; `quit.rs`: showing that at SIGQUIT.
//!
//! Nothing here is on the way of a task that gives way in time.

mod dump;
mod machine;
#[cfg(feature = "pprof")]
mod pprof;
mod profile;
#[cfg(unix)]
mod quit;
mod reporter;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod sampling;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
#[path = "sampling_missing.rs"]
mod sampling;
mod stall;
mod symbols;
mod verdict;
mod waits;

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod kernel;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) mod probe;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod stack;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod unwind;
mod who;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
#[path = "probe_missing.rs"]
mod probe;

pub use dump::{DumpedTask, TaskDump, TaskState};
pub(crate) use machine::Place;
pub(crate) use probe::{Paused, is_asleep, is_in_section, task_on};
pub use profile::{Profile, ProfileKind, ProfileSample};
#[cfg(unix)]
pub(crate) use quit::DumpOnQuit;
pub use stall::{Outcome, Stall};
pub(crate) use stall::{Stalls, is_spared, note_hand_off, note_resumption, note_suspension};
pub use symbols::{Frame, Origin};
pub(crate) use waits::Waits;
pub(crate) use who::Who;

/// Whether an address is in libc or the like.
fn is_system_code(address: usize) -> bool {
    !crate::preempt::is_ordinary_code(address)
}
