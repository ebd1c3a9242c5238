//! Fibers of the preempt runtime: a stack, a thread-local block and a saved context, moved together.
//!
//! A scheduler that suspends arbitrary Rust code in the middle and continues it on another kernel
//! thread must not tear that code away from its thread-locals: `RefCell`s in them, the allocator's
//! caches and addresses that the compiler has already computed would be another thread's. So what is
//! suspended here is a *fiber*, which to Rust code is a thread: it has a `thread::current().id()`, its
//! own thread-locals and `errno`, and notices nothing when it goes on elsewhere.
//!
//! # The pieces
//!
//! - A [`Pool`] makes fibers and keeps the idle ones ([`Spare`]).
//! - A [`Machine`] turns an ordinary thread into one that runs fibers, one at a time.
//! - [`start`] and [`resume`] leave the current fiber for an idle or a suspended one. What runs right
//!   after gets the handle to the fiber that was left ([`Suspended`]) and publishes it.
//! - [`inject_call`] lets a signal handler make the interrupted code call a function, which may do
//!   the same: that is forced preemption.
//!
//! ```
//! use preempt_fiber::{Builder, Leave, Machine, Suspended, resume, start};
//! use std::sync::{Arc, Mutex};
//!
//! let pool = Builder::new().build()?;
//! pool.prepare(2)?;
//! let queue = Arc::new(Mutex::new(Vec::<Suspended>::new()));
//! let first = pool.take_spare().expect("two were prepared");
//! let second = pool.take_spare().expect("two were prepared");
//!
//! Machine::new(0).run(first, move || {
//!     let publish = Arc::clone(&queue);
//!     let work = move || {
//!         let other = queue.lock().unwrap().pop().expect("the first fiber was published");
//!         Leave::Resume(other)
//!     };
//!     start(second, work, move |left| publish.lock().unwrap().push(left));
//!     // Resumed. The second fiber is a spare again.
//!     Leave::Exit
//! })?;
//! # Ok::<(), preempt_fiber::Error>(())
//! ```
//!
//! # What is tied to the kernel thread
//!
//! With [`Backend::User`] a fiber runs on the kernel thread of whichever machine continues it, and
//! these do *not* move with it: `gettid`, the signal mask, `sigaltstack`, CPU affinity, scheduling
//! priority, CPU-time clocks, `unshare`/`setns`, per-thread credentials set by raw system calls,
//! seccomp filters, `prctl` settings, io_uring rings with `SINGLE_ISSUER`, `ptrace` relations. Code
//! that depends on them must not be suspended.
//!
//! What glibc keeps in the thread descriptor *does* move, and stays consistent: `pthread_self`, the
//! thread id that mutexes of type ERRORCHECK, RECURSIVE and ROBUST record (the donor's), `errno`, locale.
//! Exceptions and what follows from them:
//! - Priority-inheritance mutexes: the kernel compares the recorded id with the kernel thread's. Do
//!   not use them on fibers (neither std nor parking_lot does).
//! - `pthread_kill`, `pthread_setaffinity_np`, `pthread_getcpuclockid` and `pthread_cancel` aimed at a
//!   fiber reach its donor, which sleeps with signals blocked. `raise` and `abort` work.
//! - Restartable sequences: a fiber has none (`sched_getcpu` asks the kernel), see `os/rseq.rs`.
//! - `setuid` and its like, called anywhere in the process, reach machines and donors: `os/setxid.rs`.
//! - `fork` on a fiber leaves the child with that one fiber; `exec` or `_exit` are all it should do.
//!
//! With [`Backend::Kernel`] all of that stays with the fiber.
//!
//! # Platforms
//!
//! The crate compiles on every platform that std supports. Without a backend, [`Builder::build`] gives
//! [`Error::Unsupported`]. [`inject_call`] and its companions exist on x86-64 Linux with glibc only.

mod backend;
mod error;
mod fiber;
mod inject;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod isa;
mod machine;
mod os;
mod pool;
mod switch;

pub use backend::Backend;
pub use error::Error;
pub use fiber::{Current, FiberId, Leave, Spare, Stack, Suspended, current};
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub use inject::{
    Interrupted, begins_injected_call, can_inject, inject_call, inject_stack_bytes, interrupted,
    text_range,
};
pub use inject::{injecting, injecting_place};
pub use machine::Machine;
pub use pool::{Builder, Pool};
pub use switch::{resume, start};

/// Ends the process because an invariant of this crate is broken.
///
/// Writes to standard error directly: locks and thread-locals cannot be relied on.
#[cold]
#[inline(never)]
fn abort(message: &str) -> ! {
    #[cfg(unix)]
    for part in ["preempt-fiber: ", message, "; aborting\n"] {
        // SAFETY: a valid buffer; that the write may fail does not matter here.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    #[cfg(not(unix))]
    eprintln!("preempt-fiber: {message}; aborting");
    std::process::abort()
}
