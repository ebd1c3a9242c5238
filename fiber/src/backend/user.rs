//! The user backend: a kernel thread continues a fiber by loading its stack pointer and FS base.
//!
//! ```text
//!            donor's kernel thread                          machine's kernel thread
//!   start    main stack + TLS                               own stack + TLS ("home")
//!   lent     park stack, asleep in futex                    main stack + TLS of this or that donor
//!   release  main stack + TLS, returns, ends                home again
//! ```
//!
//! While lent out, the donor's kernel thread and the machine share the thread-local block: the
//! donor must not touch it. What runs on the park stack therefore makes raw system calls only and
//! allocates, locks and formats nothing. All signals are blocked there but glibc's own, whose
//! handlers do without thread-locals apart from atomic flags in the thread descriptor.

use std::cell::Cell;
use std::io;
use std::ptr::null_mut;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::fiber::Record;
use crate::isa::{self, FsBase, SwitchFrame};
use crate::os::mapping::Mapping;
use crate::os::{raw, setxid};
use crate::switch::{Handoff, RELEASE};

const LENT: u32 = 0;
const RELEASED: u32 = 1;

/// Enough for a signal frame with AVX-512 and AMX state (11 KiB) and glibc's handler.
const PARK_STACK_BYTES: usize = 32 * 1024;

/// Kernel and processor can save everything, so that nothing is lost by an injected call.
pub(crate) fn is_supported() -> bool {
    isa::prepare()
}

/// What a pool has found out about the system.
pub(crate) struct Machinery {
    method: FsBase,
}

impl Machinery {
    /// `force_syscall`: do not use `wrfsbase` even where it works (for tests of the other way).
    pub(crate) fn new(force_syscall: bool) -> Self {
        let instruction = raw::has_fsgsbase() && !force_syscall;
        Machinery { method: if instruction { FsBase::Instruction } else { FsBase::Syscall } }
    }

    /// glibc has installed its set*id handler by now, as there is a second thread.
    pub(crate) fn first_donor_runs(&self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(setxid::install);
    }
}

/// A stack pointer and an FS base. Only the context that runs and whoever has the right to continue
/// it touch `frame`.
pub(crate) struct Context {
    frame: Cell<*mut SwitchFrame>,
    fs_base: usize,
    method: FsBase,
    /// Futex on which the donor sleeps; not used by a machine's home.
    donor: AtomicU32,
    /// Where the donor sleeps. Written once by the donor, unmapped with the context at its end.
    park: Cell<Option<ParkStack>>,
}

impl Context {
    pub(crate) fn of_this_thread(machinery: &Machinery) -> Self {
        Context {
            frame: Cell::new(null_mut()),
            fs_base: raw::fs_base(),
            method: machinery.method,
            donor: AtomicU32::new(LENT),
            park: Cell::new(None),
        }
    }

    pub(crate) fn fs_base(&self) -> usize {
        self.fs_base
    }

    /// # Safety
    ///
    /// As for the backend-neutral `Context::switch`.
    #[inline]
    pub(crate) unsafe fn switch(&self, to: &Context, handoff: *const Handoff) -> *const Handoff {
        // SAFETY: `to` is suspended, so that its frame was stored by a switch and its stack and
        // thread-locals are alive; only the caller may continue it. The method was checked.
        let word = unsafe {
            isa::switch(
                self.frame.as_ptr(),
                to.frame.get(),
                to.fs_base,
                handoff.expose_provenance(),
                self.method,
            )
        };
        std::ptr::with_exposed_provenance(word)
    }

    /// # Safety
    ///
    /// As for the backend-neutral `Context::lend_out`.
    pub(crate) unsafe fn lend_out(
        &self,
        record: &Record,
        stack: ParkStack,
        publish: fn(&Record),
    ) -> *const Handoff {
        let donor = Donor { context: self, record, publish };
        // SAFETY: the park stack is new, and stays mapped as long as the context lives: longer than
        // the donor's sleep.
        let first = unsafe {
            isa::new_stack(stack.0.top(), donor_main, (&raw const donor).cast_mut().cast())
        };
        self.park.set(Some(stack));
        // SAFETY: a new stack, with this thread's own FS base.
        let word = unsafe {
            isa::switch(self.frame.as_ptr(), first.as_ptr(), self.fs_base, 0, self.method)
        };
        std::ptr::with_exposed_provenance(word)
    }

    pub(crate) fn release(&self) {
        let address = self.donor.as_ptr().addr();
        // Release: pairs with the load in `donor_main`, which continues the fiber as it was left.
        self.donor.store(RELEASED, Ordering::Release);
        raw::futex_wake(address);
    }

    /// The donor's sleep. No thread-locals in here.
    fn sleep_until_released(&self) {
        // Acquire: pairs with `release`.
        while self.donor.load(Ordering::Acquire) != RELEASED {
            raw::futex_wait(&self.donor, LENT);
        }
    }
}

/// What `donor_main` is told. Lies on the main stack, in the frame of `lend_out`, and is copied
/// before the fiber is published.
struct Donor {
    context: *const Context,
    record: *const Record,
    publish: fn(&Record),
}

/// Runs on the park stack, on the donor's kernel thread, with the FS base of the fiber.
extern "C" fn donor_main(argument: *mut (), _word: usize) -> ! {
    // SAFETY: `lend_out` passes its local, and its frame stands still until the publication below.
    let Donor { context, record, publish } = unsafe { argument.cast::<Donor>().read() };
    // SAFETY: the record and its context live until the donor's thread ends, after the release.
    let (context, record) = unsafe { (&*context, &*record) };
    publish(record);
    context.sleep_until_released();
    let mut never_continued = null_mut();
    // SAFETY: the fiber is idle and the releaser gave this thread the right to continue it; its
    // FS base is this thread's own.
    unsafe {
        isa::switch(
            &mut never_continued,
            context.frame.get(),
            context.fs_base,
            (&raw const RELEASE).expose_provenance(),
            context.method,
        )
    };
    crate::abort("a park stack was continued")
}

/// Where the donor sleeps.
pub(crate) struct ParkStack(Mapping);

impl ParkStack {
    pub(crate) fn new() -> io::Result<Self> {
        Mapping::new(PARK_STACK_BYTES).map(ParkStack)
    }
}
