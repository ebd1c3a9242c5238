//! Lets `setuid` and its like reach machines that are on a fiber.
//!
//! Credentials belong to kernel threads; POSIX wants them per process. So glibc signals every thread
//! (signal 33), whose handler makes the system call and marks its own thread descriptor as done; the
//! caller repeats until all are. On a machine the handler would mark the descriptor of the fiber in
//! place of the machine's, and the caller would repeat for ever. Here the handler is wrapped: on a
//! machine's signal stack it runs with the machine's own FS base.
//!
//! glibc installs its handler when the first thread is made and never again (2.34 and later; before,
//! too). The signal is not available through `sigaction`, hence the system call.
//!
//! # Signal safety
//!
//! [`handler`] runs at any instruction, in the middle of a switch too. It uses no thread-locals: which
//! machine it is on it learns from the signal stack.

use std::mem::{MaybeUninit, transmute};
use std::ptr::null;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::raw;
use super::signal_stack::header_of;

/// glibc's number for it (`SIGSETXID`), not exported.
const SIGSETXID: i32 = 33;
const SA_RESTORER: libc::c_ulong = 0x0400_0000;

type Handler = unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// glibc's handler.
static ORIGINAL: AtomicUsize = AtomicUsize::new(0);

/// The kernel's `struct sigaction`, not glibc's.
#[repr(C)]
struct KernelSigaction {
    handler: usize,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

/// Wraps glibc's handler, if it is there. To be called after the first thread was made.
pub(crate) fn install() {
    let Some(mut action) = kernel_sigaction(None) else { return };
    if action.handler == libc::SIG_DFL || action.handler == libc::SIG_IGN {
        return; // Not installed: this glibc works in another way.
    }
    // Release: pairs with the load in `handler`, though the system call orders them as well.
    ORIGINAL.store(action.handler, Ordering::Release);
    action.handler = handler as Handler as usize;
    action.flags |= (libc::SA_ONSTACK | libc::SA_SIGINFO) as libc::c_ulong;
    debug_assert!(action.flags & SA_RESTORER != 0);
    kernel_sigaction(Some(&action));
}

/// Replaces the action if there is a new one; returns the old one.
fn kernel_sigaction(new: Option<&KernelSigaction>) -> Option<KernelSigaction> {
    let new = new.map_or(null(), |new| &raw const *new);
    let mut old = MaybeUninit::<KernelSigaction>::uninit();
    // SAFETY: both have the kernel's layout, 8 is the size of its signal sets.
    let result = unsafe {
        libc::syscall(libc::SYS_rt_sigaction, SIGSETXID, new, old.as_mut_ptr(), size_of::<u64>())
    };
    // SAFETY: filled in by the successful call.
    (result == 0).then(|| unsafe { old.assume_init() })
}

/// See the module.
unsafe extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // Acquire: pairs with `install`.
    let original = ORIGINAL.load(Ordering::Acquire);
    // SAFETY: the address of glibc's handler, which has this type as it is installed with SA_SIGINFO.
    let original = unsafe { transmute::<usize, Handler>(original) };
    // SAFETY: the kernel passes a context to a handler that is installed with SA_SIGINFO.
    let stack = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_stack };
    // SAFETY: it is the stack of that context.
    let home = unsafe { header_of(stack) }.map_or(0, |header| header.home_fs_base);
    if home == 0 {
        // SAFETY: as the kernel would have called it.
        return unsafe { original(signal, info, context) };
    }
    let fiber = raw::fs_base();
    // SAFETY: the home of this kernel thread is alive as long as it is a machine; this function
    // uses no thread-locals, and the interrupted code gets its own back.
    unsafe {
        raw::set_fs_base(home);
        original(signal, info, context);
        raw::set_fs_base(fiber);
    }
}
