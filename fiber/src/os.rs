//! What depends on the operating system: memory, signal stacks, sleeping threads.
//!
//! `raw`, `rseq` and `setxid` are for the user backend (x86-64 Linux with glibc) and know how glibc
//! keeps its books about kernel threads; the rest is for any unix.

pub(crate) mod gate;
pub(crate) mod mapping;
pub(crate) mod signal_stack;
pub(crate) mod thread;

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) mod raw;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) mod rseq;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) mod setxid;
