//! Making interrupted code call a function, from a signal handler.
//!
//! [`inject_call`] only rewrites the interrupted context; the call happens when the handler has
//! returned, outside of any signal context, in a trampoline that saves every register and flag
//! (`isa/x86_64.rs`). There the function may suspend the fiber.
//!
//! # The injection count
//!
//! A counter per thread-local block, that is, per fiber. It is raised by `inject_call`, and lowered
//! by the trampoline when the interrupted code's registers are back but for a few pops, whose
//! addresses are in [`text_range`]. Raised as well while a fiber is inside this crate's switches.
//! A handler that injects only if the count is zero and the pc is outside of the range never nests
//! an injection into another one or into a switch.
//!
//! Rejected: lowering it in Rust before the trampoline restores the registers. A signal in between
//! would inject again, and a stream of signals would fill the stack with trampolines.

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
use crate::isa;

thread_local! {
    /// Only touched by the thread that it belongs to: by code, by handlers, by the trampoline.
    static COUNT: AtomicU32 = const { AtomicU32::new(0) };
}

/// Finds out what the trampoline has to save. Whatever the backend: calls are injected with each.
pub(crate) fn prepare() {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    isa::prepare();
}

/// Whether [`inject_call`] works: a pool has been built, and the processor can save its state.
///
/// # Signal safety
///
/// May be called by handlers.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[must_use]
pub fn can_inject() -> bool {
    isa::is_prepared()
}

/// Whether the calling fiber (or thread) is in an injected call or in one of this crate's switches.
///
/// # Signal safety
///
/// For handlers: while it is true, [`inject_call`] must not be called.
#[inline]
#[must_use]
pub fn injecting() -> bool {
    COUNT.with(|count| count.load(Relaxed) != 0)
}

/// Address of the `u32` of the calling fiber (or thread) that is not zero while [`injecting`] is true, for
/// whoever looks at the fiber from outside. It is gone when the thread has ended.
#[must_use]
pub fn injecting_place() -> usize {
    COUNT.with(|count| count.as_ptr().expose_provenance())
}

/// Rewrites the context of a signal handler so that the interrupted code calls
/// `function(argument)` when the handler returns, and then goes on as if nothing had happened.
///
/// The function runs on the interrupted stack and may do what ordinary code may do at that point:
/// [`start`](crate::start) another fiber, for example. It must not unwind (the process aborts).
/// `errno`, all registers, all flags and the floating-point environment are preserved; the function
/// itself starts with the default floating-point environment.
///
/// The stack can be unwound from within the call, through the trampoline, wherever the interrupted
/// code has unwind tables that are right for every instruction. What rustc generates has (a test
/// checks each instruction); the stubs that linkers put into `.plt`, and inline assembly that moves
/// the stack pointer, have not.
///
/// # Safety
///
/// - `context` is the third argument of a signal handler that is running, installed with
///   `SA_SIGINFO`; the handler returns normally, does not change the context further, and does so
///   at most once.
/// - [`injecting`] is false and the interrupted pc is not in [`text_range`].
/// - At least [`inject_stack_bytes`] plus what `function` needs are left below the interrupted stack
///   pointer.
/// - The interrupted code bears the call at this point: it holds no lock that the function wants
///   and is not in the middle of something that must not be suspended (the async-safe point
///   predicate). Mind callbacks: ordinary text that `dl_iterate_phdr` or `pthread_once` has called
///   runs under a lock of libc.
///
/// [`can_inject`] must be true; the process aborts if it is not.
///
/// # Signal safety
///
/// Allocates nothing, takes no lock, calls no libc function.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub unsafe fn inject_call(
    context: *mut libc::ucontext_t,
    function: extern "C" fn(*mut ()),
    argument: *mut (),
) {
    if !can_inject() {
        crate::abort("a call was injected before any pool was built");
    }
    COUNT.with(|count| {
        count.store(count.load(Relaxed) + 1, Relaxed);
        // SAFETY: the caller's contract; the count is in the thread-local block of the interrupted
        // fiber, which is there when the trampoline lowers it, as it moves with the fiber.
        unsafe { isa::rewrite(context, function, argument, count.as_ptr()) };
    });
}

/// Stack that [`inject_call`] uses itself: registers, vector state, alignment.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[must_use]
pub fn inject_stack_bytes() -> usize {
    /// `run_injected`, between the trampoline and the function.
    const RUST_FRAMES_BYTES: usize = 128;
    isa::inject_stack_bytes() + RUST_FRAMES_BYTES
}

/// Addresses of the switch and the trampoline, where no call may be injected.
///
/// # Signal safety
///
/// May be called by handlers.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[must_use]
pub fn text_range() -> Range<usize> {
    isa::text()
}

/// Whether an injected call is about to begin at `pc`: the fiber is the calling thread's, and its stack can
/// be unwound from there.
///
/// # Signal safety
///
/// May be called by handlers.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[must_use]
pub fn begins_injected_call(pc: usize) -> bool {
    pc == isa::trampoline()
}

/// Where a signal interrupted the code.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// Address of the instruction that comes next.
    pub pc: usize,
    /// Stack pointer.
    pub sp: usize,
}

/// Reads program counter and stack pointer out of a signal handler's context.
///
/// # Safety
///
/// `context` is the third argument of a signal handler that is running.
///
/// # Signal safety
///
/// May be called by handlers.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[must_use]
pub unsafe fn interrupted(context: *const libc::ucontext_t) -> Interrupted {
    // SAFETY: the caller's contract.
    let (pc, sp) = unsafe { isa::interrupted(context) };
    Interrupted { pc, sp }
}

/// Raises or lowers the count of the calling fiber for a scope that begins and ends on it.
pub(crate) struct Busy {
    undo: u32,
}

impl Busy {
    /// Raises the count: a switch is under way.
    pub(crate) fn enter() -> Self {
        add(1);
        Busy { undo: 1u32.wrapping_neg() }
    }

    /// Lowers the count that the base loop keeps raised: the fiber works.
    pub(crate) fn pause() -> Self {
        add(1u32.wrapping_neg());
        Busy { undo: 1 }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        add(self.undo);
    }
}

/// Load and store: nobody else writes, and handlers leave the count as they found it.
fn add(difference: u32) {
    COUNT.with(|count| count.store(count.load(Relaxed).wrapping_add(difference), Relaxed));
}
