//! For runtimes: raising the flag of a thread, and being called when a checkpoint finds it raised.
//!
//! A runtime calls [`install`] on each thread that runs its tasks, keeps the thread's [`Flag`]
//! where its monitor finds it, and clears the request before each poll. Several runtimes may share
//! a program; each installs its hook on its own threads.

use crate::local::{self, CANCELLED, REQUESTED, Raised};
use core::ptr::NonNull;

/// The function that a checkpoint calls when a request is pending.
pub type Hook = fn();

/// The function that says whether a poll is to give way where it has come to, see [`set_chooser`].
pub type Chooser = fn() -> bool;

/// Makes checkpoints on this thread call `hook` while a request is pending and no `no_preempt`
/// section is open. The hook should end the request with [`clear_request`].
pub fn install(hook: Hook) {
    #[cfg(all(feature = "std", target_arch = "x86_64", unix, not(miri)))]
    crate::trampoline::prepare();
    local::with(|local| local.set_hook(hook));
}

/// For a runtime that decides anew at each place where a poll may give way, as one for tests does: it
/// keeps the flag raised ([`raise_request`]). [`preempt_requested`](crate::preempt_requested) then
/// returns what `chooser` says; [`checkpoint`](crate::checkpoint) calls the hook as ever, which decides
/// for itself. Meanwhile loops have checks at places that do not depend on time.
pub fn set_chooser(chooser: Option<Chooser>) {
    local::with(|local| local.set_chooser(chooser));
}

/// Whether this thread has a [`Chooser`].
#[must_use]
pub fn has_chooser() -> bool {
    local::with(|local| local.has_chooser())
}

/// How a runtime ends code that was cancelled, for the checks of `#[preemptible(cancel)]`.
#[derive(Clone, Copy, Debug)]
pub struct Cancellation {
    /// Whether the running poll was cancelled.
    pub is_cancelled: fn() -> bool,
    /// Called by a check that found something raised, after the [`Hook`] and outside of `no_preempt`
    /// sections: whether to unwind now. It ends the notice with [`clear_cancellation`] if not. It must
    /// not unwind itself: that aborts.
    pub is_to_unwind: fn() -> bool,
    /// Unwinds to where the runtime catches it.
    pub unwind: fn() -> !,
}

/// Makes checks with `cancel`, and [`is_cancelled`](crate::is_cancelled), ask `cancellation` on this
/// thread, until [`uninstall`].
pub fn install_cancellation(cancellation: &'static Cancellation) {
    local::with(|local| local.set_cancellation(cancellation));
}

/// Undoes [`install`], [`set_chooser`] and [`install_cancellation`], and forgets what is pending.
pub fn uninstall() {
    local::with(|local| local.clear_hooks());
    begin_poll();
}

/// A new poll begins on this thread: nothing is requested of it, and nobody has cancelled it.
#[inline(always)]
pub fn begin_poll() {
    local::with(|local| local.raised().clear());
}

/// Raises this thread's own flag.
pub fn raise_request() {
    local::with(|local| local.raised().add(REQUESTED));
}

/// Whether this thread's flag is raised. No chooser is asked.
#[must_use]
pub fn is_request_raised() -> bool {
    local::with(|local| local.raised().has(REQUESTED))
}

/// Takes back a request on this thread.
pub fn clear_request() {
    local::with(|local| local.raised().remove(REQUESTED));
}

/// Makes the checks with `cancel` on this thread ask whether the poll was cancelled.
pub fn note_cancellation() {
    local::with(|local| local.raised().add(CANCELLED));
}

/// Takes back what [`note_cancellation`] or [`Flag::cancel_remote`] did on this thread.
pub fn clear_cancellation() {
    local::with(|local| local.raised().remove(CANCELLED));
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
    Flag(local::with(|local| NonNull::from(local.raised())))
}

/// The flag of one thread, for others to raise.
///
/// A plain address: whoever keeps it must drop it before its thread ends, see
/// [`request_remote`](Flag::request_remote).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(NonNull<Raised>);

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
        unsafe { self.0.as_ref() }.add(REQUESTED);
    }

    /// The thread's next check with `cancel` asks whether its poll was cancelled. Asks for nothing else:
    /// it may as well be another poll by then.
    ///
    /// # Safety
    /// As of [`request_remote`](Flag::request_remote).
    #[allow(unsafe_code, reason = "dereferences the address of another thread's flag")]
    pub unsafe fn cancel_remote(self) {
        // SAFETY: the caller vouches that the thread, and so its flag, is still there.
        unsafe { self.0.as_ref() }.add(CANCELLED);
    }
}
