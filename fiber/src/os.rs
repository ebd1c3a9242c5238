//! What depends on the operating system: memory, signal stacks, sleeping threads, standard error.
//!
//! `raw`, `rseq` and `setxid` are for the user backend (x86-64 Linux with glibc) and know how glibc
//! keeps its books about kernel threads; the rest is for any unix. `missing` lets the crate compile
//! elsewhere.

pub(crate) mod gate;
#[cfg(unix)]
pub(crate) mod mapping;
#[cfg(unix)]
pub(crate) mod signal_stack;
#[cfg(unix)]
pub(crate) mod thread;

#[cfg(not(unix))]
mod missing;
#[cfg(not(unix))]
pub(crate) use missing::{mapping, signal_stack, thread};

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) mod raw;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) mod rseq;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) mod setxid;
