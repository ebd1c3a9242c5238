//! System calls without libc, for code that may not touch thread-locals.
//!
//! A parked donor shares its thread-local block, `errno` included, with the fiber that it lends
//! out: it may run nothing that reads or writes a thread-local. x86-64 Linux only.

use std::arch::asm;
use std::sync::atomic::AtomicU32;

const SYS_FUTEX: usize = 202;
const SYS_ARCH_PRCTL: usize = 158;
const FUTEX_WAIT_PRIVATE: usize = 128;
const FUTEX_WAKE_PRIVATE: usize = 129;
const ARCH_SET_FS: usize = 0x1002;
const ARCH_GET_FS: usize = 0x1003;

/// # Safety
///
/// As the system call in question requires.
unsafe fn syscall4(number: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let result;
    // SAFETY: the kernel clobbers rax, rcx and r11 and, beyond that, does what the call says.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Sleeps while the word is `expected`; may return for no reason.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32) {
    // SAFETY: the word is alive, no time-out is given; every result is answered by looking again.
    unsafe { syscall4(SYS_FUTEX, word.as_ptr().addr(), FUTEX_WAIT_PRIVATE, expected as usize, 0) };
}

/// Wakes one sleeper of the word at `address`, which is not read: it may be gone.
pub(crate) fn futex_wake(address: usize) {
    // SAFETY: waking only uses the address as a name.
    unsafe { syscall4(SYS_FUTEX, address, FUTEX_WAKE_PRIVATE, 1, 0) };
}

/// FS base of the calling kernel thread: the thread-local block it works with.
pub(crate) fn fs_base() -> usize {
    let mut base = 0usize;
    // SAFETY: the kernel writes the base to the address of the local.
    let result =
        unsafe { syscall4(SYS_ARCH_PRCTL, ARCH_GET_FS, (&raw mut base).expose_provenance(), 0, 0) };
    assert_eq!(result, 0, "arch_prctl(ARCH_GET_FS) failed");
    base
}

/// # Safety
///
/// `base` is a live thread-local block, and nothing between this call and the one that undoes it
/// uses a thread-local that the compiler may have located before.
pub(crate) unsafe fn set_fs_base(base: usize) {
    // SAFETY: the caller's contract.
    unsafe { syscall4(SYS_ARCH_PRCTL, ARCH_SET_FS, base, 0, 0) };
}

/// Whether programs may use `wrfsbase`: bit 1 of `AT_HWCAP2` on x86-64.
pub(crate) fn has_fsgsbase() -> bool {
    const HWCAP2_FSGSBASE: u64 = 1 << 1;
    // SAFETY: no preconditions.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & HWCAP2_FSGSBASE != 0 }
}
