//! A global allocator that polls are not suspended in.
//!
//! A runtime that suspends a poll at any instruction (forced preemption) leaves libc alone, and so
//! libc's `malloc`, by its address. An allocator that is linked into the program is ordinary code:
//! a poll may be suspended while it holds the allocator's lock, and whoever allocates next waits
//! for that poll, the thread that would resume it included. [`NoPreempt`] makes each call of the
//! allocator a [`no_preempt`](crate::no_preempt) section:
//!
//! ```
//! # struct MiMalloc;
//! # unsafe impl std::alloc::GlobalAlloc for MiMalloc {
//! #     unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
//! #         unsafe { std::alloc::System.alloc(layout) }
//! #     }
//! #     unsafe fn dealloc(&self, block: *mut u8, layout: std::alloc::Layout) {
//! #         unsafe { std::alloc::System.dealloc(block, layout) }
//! #     }
//! # }
//! # mod preempt { pub use preempt_checkpoint::alloc; }
//! use preempt::alloc::NoPreempt;
//!
//! #[global_allocator]
//! static GLOBAL: NoPreempt<MiMalloc> = NoPreempt::new(MiMalloc);
//! # fn main() { drop(vec![1]); }
//! ```
//!
//! # Who needs it
//! | allocator | wrap it |
//! |---|---|
//! | mimalloc, jemalloc, snmalloc, tcmalloc and others that are linked into the program | yes |
//! | one's own: arenas, counters with a lock, bump allocators | yes, unless it holds no lock |
//! | a `malloc` that replaces libc's (`LD_PRELOAD`, or exported by the program) | yes, `NoPreempt<System>`, which leaves the calls that C code makes as they are |
//! | `std::alloc::System` with libc's `malloc`, the default | no |
//!
//! Only a runtime with forced preemption can suspend a poll inside an allocator. When such a runtime
//! of preempt is built, it makes a trial allocation and prints a warning if the allocator is neither
//! wrapped nor libc's. It does not notice one that takes its memory from libc and adds a lock of
//! its own.
//!
//! # What it costs
//! Two additions to a thread-local per call, and no atomic read-modify-write. Per pair of `alloc` and
//! `dealloc` at most 0.3 ns at the median, of 4 to 13 ns; times the plain allocator:
//!
//! | blocks | `System` | mimalloc | jemalloc |
//! |---|---|---|---|
//! | one at a time | 1.00 (0.59 to 1.62) | 1.00 (0.67 to 1.73) | 1.08 (0.87 to 1.44) |
//! | a hundred beside each other | 0.98 (0.81 to 1.37) | 1.01 (0.55 to 1.65) | 1.05 (0.71 to 1.57) |
//!
//! Median, lowest and highest of 301 interleaved turns; the plain allocator against itself has 1.00
//! (0.60 to 1.51). `cargo bench --bench alloc_cost`, 2026-11-23, AMD EPYC VM, 2 cores in use by
//! others as well, Linux 6.18, Rust 1.95.
//!
//! A request that comes during a call is honoured soon after it: at the next checkpoint, or by the
//! next signal. A poll that does nothing but allocate is suspended between two calls; signals that
//! find it inside are counted in `RuntimeMetrics::refusals.no_preempt`.
//!
//! # What it does not cover
//! Only calls through `GlobalAlloc` are protected. What calls the allocator in another way is not:
//! its own interface (`mi_collect`, `mallctl`), C code that uses it, or the handlers that jemalloc
//! registers with `pthread_atfork`, which run in `fork` (`Command` with a `pre_exec` closure). Wrap
//! such calls in [`no_preempt`](crate::no_preempt) if a task makes them.
//!
//! # Rejected
//! * Refusing by address, as for libc: the program's own text does not tell which functions belong
//!   to the allocator, and inlined fast paths belong to their callers.
//! * Honouring a request at the end of the call: code that the caller does not expect to give way
//!   would, in the middle of `Vec::push`, and the common path would have a branch more.

use crate::{Section, local};
use core::alloc::{GlobalAlloc, Layout};

/// Wraps an allocator so that no poll is suspended inside it; see the [module](self).
///
/// It adds nothing to the memory layout, and may be nested and used together with other allocators.
/// It does not allocate and does not panic. Its thread-local has no destructor, so that it works in
/// the destructors of others, before `main` and after it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPreempt<A> {
    allocator: A,
}

impl<A> NoPreempt<A> {
    /// Wraps `allocator`.
    pub const fn new(allocator: A) -> Self {
        NoPreempt { allocator }
    }

    /// The wrapped allocator, for what is not in `GlobalAlloc`. Such calls are not protected: make
    /// them in [`no_preempt`](crate::no_preempt).
    pub const fn allocator(&self) -> &A {
        &self.allocator
    }
}

#[allow(unsafe_code, reason = "the trait is unsafe; each method forwards its caller's contract")]
// SAFETY: every call goes to the wrapped allocator as it came, so that what that one guarantees is
// guaranteed here. `Section` neither allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for NoPreempt<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _section = Section::enter();
        local::with(|local| local.note_protected_allocation());
        // SAFETY: the caller's contract.
        unsafe { self.allocator.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let _section = Section::enter();
        // SAFETY: the caller's contract.
        unsafe { self.allocator.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let _section = Section::enter();
        // SAFETY: the caller's contract.
        unsafe { self.allocator.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        let _section = Section::enter();
        // SAFETY: the caller's contract.
        unsafe { self.allocator.realloc(block, layout, new_bytes) }
    }
}
