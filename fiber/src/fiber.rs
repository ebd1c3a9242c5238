//! A fiber, and the handles that say what state it is in.
//!
//! ```text
//!                 top_up                take_spare, start
//!   (no fiber) ───────────> idle: Spare ──────────────────> running: Current
//!       ^                     │    ^                          │   │     ^
//!       └─────────────────────┘    └── Leave returned ────────┘   │     │ resume(Suspended, ..)
//!          pool dropped                                           v     │
//!                                             suspended: Suspended, made by the post-switch action
//! ```
//!
//! A [`Spare`] or [`Suspended`] exists exactly as long as its fiber is in that state, and only once:
//! it is the right to continue the fiber. A `Suspended` comes into being only when the switch away
//! from its fiber is complete, so it cannot be published too early.
//!
//! A [`Record`] lies in the first frame of its donor's thread. The thread ends only when released,
//! for which the `Spare` is given up. Handles therefore need no reference count.

use std::cell::Cell;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

use crate::backend::Context;
use crate::machine::Machine;
use crate::pool::Shared;

thread_local! {
    /// The fiber that owns this thread-local block. Set once by the donor: since the block moves
    /// with the fiber, no switch has to change it. Null on ordinary threads.
    static OWN: Cell<*const Record> = const { Cell::new(ptr::null()) };
}

/// One fiber. Shared by its handle, its own code and its donor; see the fields.
pub(crate) struct Record {
    pub(crate) context: Context,
    stack: Stack,
    id: FiberId,
    pub(crate) pool: Arc<Shared>,
    /// Place in the pool's tables.
    pub(crate) slot: u32,
    /// Number of the donor's kernel thread.
    kernel_thread: usize,
    /// The machine it is on, or was on last. Written by the fiber's own code at every switch-in;
    /// atomic because handlers read it.
    machine: AtomicPtr<Machine>,
    machine_token: AtomicUsize,
}

impl Record {
    pub(crate) fn new(context: Context, stack: Stack, pool: Arc<Shared>, slot: u32) -> Self {
        let kernel_thread = crate::os::thread::KernelThread::none();
        kernel_thread.set_to_caller();
        Record {
            context,
            stack,
            id: FiberId(pool.next_id()),
            pool,
            slot,
            kernel_thread: kernel_thread.get(),
            machine: AtomicPtr::new(ptr::null_mut()),
            machine_token: AtomicUsize::new(0),
        }
    }

    /// Makes this the fiber of the calling donor's thread-local block.
    pub(crate) fn adopt_thread(&self) {
        OWN.set(self);
    }

    /// Undoes [`Self::adopt_thread`], before the record goes.
    pub(crate) fn disown_thread() {
        OWN.set(ptr::null());
    }

    /// The fiber that the calling code runs on.
    pub(crate) fn own() -> Option<NonNull<Record>> {
        NonNull::new(OWN.get().cast_mut())
    }

    /// Notes which machine the fiber is on. Own code, first thing after a switch-in.
    pub(crate) fn arrive_on(&self, machine: NonNull<Machine>) {
        // SAFETY: a machine stays alive until a fiber on it has left with `Leave::Exit`.
        let arrived = unsafe { machine.as_ref() };
        self.machine.store(machine.as_ptr(), Relaxed);
        self.machine_token.store(arrived.token(), Relaxed);
        if matches!(self.context, Context::Kernel(_)) {
            arrived.runs_on(self.kernel_thread);
        }
    }

    /// The machine it is on. Own code only: the pointer is dangling when the fiber is elsewhere.
    pub(crate) fn machine(&self) -> NonNull<Machine> {
        NonNull::new(self.machine.load(Relaxed)).expect("a running fiber is on a machine")
    }

    /// Gives the memory of the stack that the calling fiber does not use any more back to the
    /// operating system; it reads as zeros when it is used again.
    ///
    /// Own code only: with the kernel backend, handlers may run on the stack of an idle fiber.
    pub(crate) fn give_back_stack(&self) {
        /// What this function and the system call may use below the local.
        const OWN_FRAMES_BYTES: usize = 8 * 1024;
        let local = 0u8;
        let hi = (&raw const local).addr().saturating_sub(OWN_FRAMES_BYTES);
        // A sanitizer may have locals elsewhere.
        if !(self.stack.lo..self.stack.hi).contains(&hi) {
            return;
        }
        // SAFETY: nothing lives that far below the current frame.
        unsafe { crate::os::mapping::discard(self.stack.lo..hi) };
    }
}

/// Distinguishes fibers; never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiberId(u64);

impl FiberId {
    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

/// Bounds of a fiber's stack: usable addresses, without the guard below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Lowest usable address.
    pub lo: usize,
    /// One past the highest.
    pub hi: usize,
}

impl Stack {
    /// Bytes left below stack pointer `sp`; 0 if `sp` is not on this stack.
    #[must_use]
    pub fn remaining_bytes(self, sp: usize) -> usize {
        if sp <= self.hi { sp.saturating_sub(self.lo) } else { 0 }
    }
}

/// An idle fiber, taken out of its pool. Dropped, it goes back.
pub struct Spare(NonNull<Record>);

// SAFETY: the handle is the sole right to continue the fiber, whose thread-locals move with it.
unsafe impl Send for Spare {}

impl Spare {
    /// # Safety
    ///
    /// The fiber is idle and no other handle to it exists.
    pub(crate) unsafe fn new(record: NonNull<Record>) -> Self {
        Spare(record)
    }

    pub(crate) fn into_record(self) -> NonNull<Record> {
        let record = self.0;
        std::mem::forget(self);
        record
    }

    pub(crate) fn record(&self) -> NonNull<Record> {
        self.0
    }

    /// Which fiber it is.
    #[must_use]
    pub fn id(&self) -> FiberId {
        // SAFETY: a record lives as long as a handle to it.
        unsafe { self.0.as_ref() }.id
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        // The record may be gone, and its share of the pool with it, before `put` returns.
        // SAFETY: a record lives as long as a handle to it.
        let pool = Arc::clone(&unsafe { self.0.as_ref() }.pool);
        pool.put(self.0);
    }
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spare").field(&self.id().get()).finish()
    }
}

/// A fiber that has been left in the middle of its work, and the right to continue it.
///
/// It can be continued on any machine of the same backend, with [`resume`](crate::resume) or
/// [`Leave::Resume`]. Dropped, the fiber is *leaked*: what lies on its stack is never dropped, its
/// stack and its donor stay until the process ends, and the pool counts it in
/// [`Pool::leaked`](crate::Pool::leaked). That is sound, as it is to forget a blocked thread.
#[must_use = "dropping a suspended fiber leaks it"]
pub struct Suspended(NonNull<Record>);

// SAFETY: as for `Spare`; what is on the stack stays with the thread-locals that it was made with.
unsafe impl Send for Suspended {}
// SAFETY: a shared reference only tells the identity.
unsafe impl Sync for Suspended {}

impl Suspended {
    /// # Safety
    ///
    /// The fiber's context is saved and no other handle to it exists.
    pub(crate) unsafe fn new(record: NonNull<Record>) -> Self {
        Suspended(record)
    }

    pub(crate) fn into_record(self) -> NonNull<Record> {
        let record = self.0;
        std::mem::forget(self);
        record
    }

    /// Which fiber it is.
    #[must_use]
    pub fn id(&self) -> FiberId {
        // SAFETY: a record lives as long as a handle to it.
        unsafe { self.0.as_ref() }.id
    }

    pub(crate) fn backend(&self) -> crate::Backend {
        // SAFETY: a record lives as long as a handle to it.
        unsafe { self.0.as_ref() }.context.backend()
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        // SAFETY: a record lives as long as a handle to it, and a leaked one for ever.
        unsafe { self.0.as_ref() }.pool.note_leak();
    }
}

impl fmt::Debug for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Suspended").field(&self.id().get()).finish()
    }
}

/// How a fiber's work ends: what its machine does next. The fiber itself becomes a spare.
#[derive(Debug)]
pub enum Leave {
    /// The machine continues this fiber.
    Resume(Suspended),
    /// The machine is done: [`Machine::run`](crate::Machine::run) returns.
    Exit,
}

/// The fiber that the calling code runs on.
///
/// Neither `Send` nor `Sync`: it speaks about the calling code's own fiber.
///
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<preempt_fiber::Current>();
/// ```
pub struct Current(NonNull<Record>);

/// The fiber that the calling code runs on; `None` on an ordinary thread.
///
/// # Signal safety
///
/// A handler may call it and the methods of the result. If the interrupted pc is in
/// [`text_range`](crate::text_range) or [`injecting`](crate::injecting) is true, a switch may be
/// half-way, and the machine that the fiber reports is one that it was on before. In a library that
/// is loaded at run time, the first access of an ordinary thread to thread-locals may allocate.
#[inline]
#[must_use]
pub fn current() -> Option<Current> {
    Record::own().map(Current)
}

impl Current {
    fn record(&self) -> &Record {
        // SAFETY: the record outlives everything that runs on its fiber.
        unsafe { self.0.as_ref() }
    }

    /// Which fiber it is.
    #[must_use]
    pub fn id(&self) -> FiberId {
        self.record().id
    }

    /// Its stack.
    #[must_use]
    pub fn stack(&self) -> Stack {
        self.record().stack
    }

    /// Token of the [`Machine`] that it is on, or was on at its last switch-in.
    ///
    /// Code that can be suspended may be on another one by the time it uses the answer.
    #[must_use]
    pub fn machine_token(&self) -> usize {
        self.record().machine_token.load(Relaxed)
    }

    /// Backend of its pool.
    #[must_use]
    pub fn backend(&self) -> crate::Backend {
        self.record().context.backend()
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Current").field(&self.id().get()).finish()
    }
}
