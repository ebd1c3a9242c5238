//! Kernel threads: their names for signals, their stacks, and spawning them with signals blocked.

use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Which kernel thread to signal; zero as long as there is none.
///
/// Linux: the kernel's thread id (never glibc's cached one, which belongs to the fiber's donor).
/// Elsewhere: the `pthread_t`.
#[derive(Debug)]
pub(crate) struct KernelThread(AtomicUsize);

impl KernelThread {
    /// Makes it the calling kernel thread.
    pub(crate) fn set_to_caller(&self) {
        self.0.store(caller(), Relaxed);
    }

    /// None yet.
    pub(crate) const fn none() -> Self {
        KernelThread(AtomicUsize::new(0))
    }

    /// Makes it another one, by the number that [`Self::get`] gave.
    pub(crate) fn set(&self, thread: usize) {
        self.0.store(thread, Relaxed);
    }

    /// Makes it none.
    pub(crate) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    /// The number, zero for none.
    pub(crate) fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn caller() -> usize {
    // SAFETY: no preconditions; never fails.
    let id = unsafe { libc::syscall(libc::SYS_gettid) };
    id as usize
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn caller() -> usize {
    // SAFETY: no preconditions.
    unsafe { libc::pthread_self() as usize }
}

/// Sends `signal` to a thread of this process. Signal-safe, but for `errno`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn signal(thread: usize, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is involved; a thread id of this process that is gone gives ESRCH.
    let result =
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread as libc::pid_t, signal) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends `signal` to a thread of this process.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn signal(thread: usize, signal: i32) -> io::Result<()> {
    // SAFETY: the caller clears `KernelThread` before the thread ends; fibers' threads end after
    // their last machine has gone on.
    match unsafe { libc::pthread_kill(thread as libc::pthread_t, signal) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Usable stack of the calling thread, without its guard.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn own_stack() -> io::Result<Range<usize>> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: asks about the calling thread; fills the attributes on success.
    match unsafe { libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) } {
        0 => {}
        error => return Err(io::Error::from_raw_os_error(error)),
    }
    let (mut base, mut bytes) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes were filled in above and are destroyed exactly once.
    unsafe {
        libc::pthread_attr_getstack(attributes.as_ptr(), &mut base, &mut bytes);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
    }
    Ok(base.addr()..base.addr() + bytes)
}

/// Usable stack of the calling thread.
#[cfg(any(target_os = "macos", target_os = "ios"))]
pub(crate) fn own_stack() -> io::Result<Range<usize>> {
    // SAFETY: both ask about the calling thread only.
    let (top, bytes) = unsafe {
        let this = libc::pthread_self();
        (libc::pthread_get_stackaddr_np(this).addr(), libc::pthread_get_stacksize_np(this))
    };
    Ok(top - bytes..top)
}

/// Nobody has written this for the platform yet: an empty range, no room at any address.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "ios"
)))]
pub(crate) fn own_stack() -> io::Result<Range<usize>> {
    Ok(0..0)
}

/// Blocks every signal of the calling thread until dropped; threads spawned meanwhile inherit that.
///
/// glibc keeps its own two signals (thread cancellation, set*id) out of every mask.
pub(crate) struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    pub(crate) fn new() -> Self {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the set is filled before it is used, the old mask is written on success, and
        // there is no way to fail with these arguments.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            SignalsBlocked(before.assume_init())
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: a mask that this thread had before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_stack_contains_a_local() {
        let local = 0u8;
        let stack = own_stack().expect("pthread_getattr_np");
        assert!(stack.contains(&(&raw const local).addr()));
    }

    #[test]
    fn a_thread_can_signal_itself() {
        let this = KernelThread::none();
        this.set_to_caller();
        signal(this.get(), 0).expect("signal 0 only checks");
    }
}
