//! For runtimes: raising the flag of a thread, and being called when a checkpoint finds it raised.
//!
//! A runtime calls [`install`] on each thread that runs its tasks, keeps the thread's [`Flag`]
//! where its monitor finds it, and clears the request before each poll. Several runtimes may share
//! a program; each installs its hook on its own threads.

use crate::local;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The function that a checkpoint calls when a request is pending.
pub type Hook = fn();

/// Makes checkpoints on this thread call `hook` while a request is pending and no `no_preempt`
/// section is open. The hook should end the request with [`clear_request`].
pub fn install(hook: Hook) {
    #[cfg(all(feature = "std", target_arch = "x86_64", unix, not(miri)))]
    crate::trampoline::prepare();
    local::with(|local| local.set_hook(hook));
}

/// Undoes [`install`] and drops a pending request.
pub fn uninstall() {
    local::with(|local| local.clear_hook());
    clear_request();
}

/// Takes back a request on this thread.
#[inline(always)]
pub fn clear_request() {
    local::with(|local| local.flag().store(false, Relaxed));
}

/// How many [`no_preempt`](crate::no_preempt) sections are open on this thread.
#[must_use]
pub fn no_preempt_depth() -> u32 {
    local::with(|local| local.depth())
}

/// Address of the `u32` in which the calling thread keeps [`no_preempt_depth`], for whoever looks at the
/// thread from outside. It may be gone when it is used, so that only the system may read it.
#[must_use]
pub fn no_preempt_depth_place() -> usize {
    local::with(|local| core::ptr::from_ref(local.depth_word()).expose_provenance())
}

/// Opens a `no_preempt` section that ends with [`leave`], for a runtime's own code: unlike
/// [`no_preempt`](crate::no_preempt) its end is no checkpoint.
#[inline]
pub fn enter() {
    local::with(|local| local.enter_no_preempt());
}

/// Ends the section of [`enter`]. Each `enter` is followed by one `leave` on the same thread.
#[inline]
pub fn leave() {
    debug_assert!(no_preempt_depth() > 0, "no `no_preempt` section is open on this thread");
    local::with(|local| local.leave_no_preempt());
}

/// Whether [`NoPreempt`](crate::alloc::NoPreempt) has allocated on this thread since this was last
/// asked. Tells a runtime whether the global allocator is wrapped: ask, allocate, ask again.
#[must_use = "asking forgets the answer"]
pub fn take_protected_allocation() -> bool {
    local::with(|local| local.take_protected_allocation())
}

/// The flag of the thread that calls this.
#[must_use]
pub fn this_thread() -> Flag {
    Flag(local::with(|local| NonNull::from(local.flag())))
}

/// The flag of one thread, for others to raise.
///
/// A plain address: whoever keeps it must drop it before its thread ends, see
/// [`request_remote`](Flag::request_remote).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(NonNull<AtomicBool>);

#[allow(unsafe_code, reason = "an address whose use is governed by `request_remote`")]
// SAFETY: the flag is an atomic; that it is still there is the obligation of `request_remote`.
unsafe impl Send for Flag {}

impl Flag {
    /// Raises the flag: the thread's next checkpoint calls its hook.
    ///
    /// # Safety
    /// The thread that made this `Flag` has not ended and does not end during the call.
    #[allow(unsafe_code, reason = "dereferences the address of another thread's flag")]
    pub unsafe fn request_remote(self) {
        // SAFETY: the caller vouches that the thread, and so its flag, is still there.
        unsafe { self.0.as_ref() }.store(true, Relaxed);
    }
}
