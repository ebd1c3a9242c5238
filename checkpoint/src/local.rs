//! What a checkpoint looks at: one [`Local`] per thread (feature `std`) or one for the program.
//!
//! Only the owning thread touches `depth`, `hook`, `chooser`, `cancellation` and `allocated`; bits of
//! `raised` may be set by any thread. Everything is atomic with relaxed ordering: the bits carry no data, and a signal
//! handler on the same thread may read all of it.
//!
//! Both bits are in one byte, so that a check of either kind is one test: a check without `cancel` asks
//! for `REQUESTED`, one with it for any bit. Other threads set them by a read-modify-write, which is
//! seldom; the store that begins a poll is a plain one.

use crate::runtime::{Cancellation, Chooser, Hook};
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, Ordering::Relaxed, Ordering::SeqCst, compiler_fence,
};

/// The poll is to give way.
pub(crate) const REQUESTED: u8 = 1;
/// The poll may have been cancelled.
pub(crate) const CANCELLED: u8 = 2;

/// What is raised of a thread.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Raised(AtomicU8);

impl Raised {
    #[inline(always)]
    pub(crate) fn has(&self, bit: u8) -> bool {
        self.0.load(Relaxed) & bit != 0
    }

    #[inline(always)]
    pub(crate) fn has_any(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    #[inline(always)]
    pub(crate) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    #[cfg(target_has_atomic = "8")]
    pub(crate) fn add(&self, bits: u8) {
        self.0.fetch_or(bits, Relaxed);
    }

    #[cfg(target_has_atomic = "8")]
    pub(crate) fn remove(&self, bits: u8) {
        self.0.fetch_and(!bits, Relaxed);
    }

    /// Such a target has one core. A timer interrupt that comes in the middle raises its bit again.
    #[cfg(not(target_has_atomic = "8"))]
    pub(crate) fn add(&self, bits: u8) {
        self.0.store(self.0.load(Relaxed) | bits, Relaxed);
    }

    #[cfg(not(target_has_atomic = "8"))]
    pub(crate) fn remove(&self, bits: u8) {
        self.0.store(self.0.load(Relaxed) & !bits, Relaxed);
    }
}

#[repr(C)]
pub(crate) struct Local {
    /// First, so that a check adds nothing to the thread pointer's offset.
    raised: Raised,
    /// How many `no_preempt` sections are open.
    depth: AtomicU32,
    /// A [`Hook`] as a pointer, null if there is none.
    hook: AtomicPtr<()>,
    /// A [`Chooser`] as a pointer, null if there is none.
    chooser: AtomicPtr<()>,
    /// Null if there is none.
    cancellation: AtomicPtr<Cancellation>,
    /// `alloc::NoPreempt` has allocated. Here and not in one flag for all: every allocation sets it.
    allocated: AtomicBool,
}

impl Local {
    const fn new() -> Self {
        Local {
            raised: Raised(AtomicU8::new(0)),
            depth: AtomicU32::new(0),
            hook: AtomicPtr::new(core::ptr::null_mut()),
            chooser: AtomicPtr::new(core::ptr::null_mut()),
            cancellation: AtomicPtr::new(core::ptr::null_mut()),
            allocated: AtomicBool::new(false),
        }
    }

    #[inline(always)]
    pub(crate) fn raised(&self) -> &Raised {
        &self.raised
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

    pub(crate) fn clear_hooks(&self) {
        self.hook.store(core::ptr::null_mut(), Relaxed);
        self.chooser.store(core::ptr::null_mut(), Relaxed);
        self.cancellation.store(core::ptr::null_mut(), Relaxed);
    }

    pub(crate) fn set_cancellation(&self, cancellation: &'static Cancellation) {
        self.cancellation.store(core::ptr::from_ref(cancellation).cast_mut(), Relaxed);
    }

    #[allow(unsafe_code, reason = "turns the stored pointer back into the reference it was")]
    pub(crate) fn cancellation(&self) -> Option<&'static Cancellation> {
        // SAFETY: `set_cancellation` is the only place that stores a pointer other than null.
        unsafe { self.cancellation.load(Relaxed).as_ref() }
    }

    pub(crate) fn set_chooser(&self, chooser: Option<Chooser>) {
        let chooser = chooser.map_or(core::ptr::null_mut(), |chooser| chooser as *mut ());
        self.chooser.store(chooser, Relaxed);
    }

    /// Whether requests stand until the chooser has been asked.
    pub(crate) fn has_chooser(&self) -> bool {
        !self.chooser.load(Relaxed).is_null()
    }

    #[allow(unsafe_code, reason = "turns the stored pointer back into the function it was")]
    pub(crate) fn chooser(&self) -> Option<Chooser> {
        let chooser = self.chooser.load(Relaxed);
        if chooser.is_null() {
            return None;
        }
        // SAFETY: `set_chooser` is the only place that stores a non-null pointer, and it stores a
        // `Chooser`.
        Some(unsafe { core::mem::transmute::<*mut (), Chooser>(chooser) })
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
