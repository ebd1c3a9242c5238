//! What a checkpoint looks at: one [`Local`] per thread (feature `std`) or one for the program.
//!
//! Only the owning thread touches `depth`, `hook` and `allocated`; `requested` may be raised by any
//! thread. Everything is atomic with relaxed ordering: the flag carries no data, and a signal handler on
//! the same thread may read all of it.

use crate::runtime::Hook;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, Ordering::Relaxed, Ordering::SeqCst, compiler_fence,
};

#[repr(C)]
pub(crate) struct Local {
    /// First, so that a check adds nothing to the thread pointer's offset.
    requested: AtomicBool,
    /// How many `no_preempt` sections are open.
    depth: AtomicU32,
    /// A [`Hook`] as a pointer, null if there is none.
    hook: AtomicPtr<()>,
    /// `alloc::NoPreempt` has allocated. Here and not in one flag for all: every allocation sets it.
    allocated: AtomicBool,
}

impl Local {
    const fn new() -> Self {
        Local {
            requested: AtomicBool::new(false),
            depth: AtomicU32::new(0),
            hook: AtomicPtr::new(core::ptr::null_mut()),
            allocated: AtomicBool::new(false),
        }
    }

    #[inline(always)]
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Relaxed)
    }

    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.requested
    }

    pub(crate) fn depth_word(&self) -> &AtomicU32 {
        &self.depth
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth.load(Relaxed)
    }

    /// The fences keep the compiler from moving the section's code out of the section: a signal
    /// handler of this thread looks at the depth. Wrapping: a panic is no good in an allocator.
    #[inline]
    pub(crate) fn enter_no_preempt(&self) {
        self.depth.store(self.depth.load(Relaxed).wrapping_add(1), Relaxed);
        compiler_fence(SeqCst);
    }

    #[inline]
    pub(crate) fn leave_no_preempt(&self) {
        compiler_fence(SeqCst);
        self.depth.store(self.depth.load(Relaxed).wrapping_sub(1), Relaxed);
    }

    #[inline]
    pub(crate) fn note_protected_allocation(&self) {
        self.allocated.store(true, Relaxed);
    }

    pub(crate) fn take_protected_allocation(&self) -> bool {
        let allocated = self.allocated.load(Relaxed);
        self.allocated.store(false, Relaxed);
        allocated
    }

    pub(crate) fn set_hook(&self, hook: Hook) {
        self.hook.store(hook as *mut (), Relaxed);
    }

    pub(crate) fn clear_hook(&self) {
        self.hook.store(core::ptr::null_mut(), Relaxed);
    }

    /// The hook, unless a `no_preempt` section is open.
    #[allow(unsafe_code, reason = "turns the stored pointer back into the function it was")]
    pub(crate) fn hook_to_call(&self) -> Option<Hook> {
        let hook = self.hook.load(Relaxed);
        if hook.is_null() || self.depth() > 0 {
            return None;
        }
        // SAFETY: `set_hook` is the only place that stores a non-null pointer, and it stores a
        // `Hook`.
        Some(unsafe { core::mem::transmute::<*mut (), Hook>(hook) })
    }
}

#[cfg(feature = "std")]
std::thread_local! {
    // Const-initialised and without a destructor: the access is a plain thread-pointer offset.
    static LOCAL: Local = const { Local::new() };
}

#[cfg(not(feature = "std"))]
static LOCAL: Local = Local::new();

#[cfg(feature = "std")]
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(&Local) -> R) -> R {
    LOCAL.with(f)
}

#[cfg(not(feature = "std"))]
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(&Local) -> R) -> R {
    f(&LOCAL)
}
