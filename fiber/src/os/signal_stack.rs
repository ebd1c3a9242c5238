//! The alternate signal stack of a kernel thread that fibers run on.
//!
//! `sigaltstack` is a property of the *kernel thread*: it does not travel with a fiber. Handlers
//! with `SA_ONSTACK` run on the stack of the machine that the fiber happens to be on, which is why a
//! handler never switches fibers. What std prints about a stack overflow is looked up by the
//! address of the thread-locals, hence travels with the fiber, and is right.
//!
//! The highest words of the stack hold a [`Header`]: a handler finds it by `uc_stack` and so learns
//! which kernel thread it is on, however half-way a switch may be.

use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use super::mapping::Mapping;

/// std takes 8 KiB or what AVX-512 frames need. Backtraces printed by a crash handler need more.
const STACK_BYTES: usize = 64 * 1024;

/// Marks a signal stack as ours: random bits.
const MAGIC: [u64; 2] = [0x9d1c_5e2b_70a4_f386, 0x3b88_e6c1_4d57_029f];

/// What a handler finds at the top of our signal stacks.
#[repr(C)]
pub(crate) struct Header {
    magic: [u64; 2],
    /// FS base of the kernel thread's own thread-locals, 0 where that is of no interest.
    pub(crate) home_fs_base: usize,
    unused: usize,
}

/// A signal stack of the calling kernel thread for as long as the value lives.
///
/// Made and dropped on the same kernel thread (`!Send`).
pub(crate) struct SignalStack {
    before: libc::stack_t,
    _memory: Mapping,
}

impl SignalStack {
    /// Maps a stack with a guard page and makes it the calling kernel thread's.
    pub(crate) fn install(home_fs_base: usize) -> io::Result<Self> {
        let memory = Mapping::new(STACK_BYTES)?;
        let header = memory.top().cast::<Header>().wrapping_sub(1);
        // SAFETY: inside the new mapping, aligned because its top is.
        unsafe { header.write(Header { magic: MAGIC, home_fs_base, unused: 0 }) };
        let stack = libc::stack_t {
            ss_sp: memory.base().cast(),
            ss_flags: 0,
            ss_size: header.addr() - memory.base().addr(),
        };
        let mut before = MaybeUninit::<libc::stack_t>::uninit();
        // SAFETY: the memory lives until `drop` has put the previous stack back.
        if unsafe { libc::sigaltstack(&stack, before.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: filled in by the successful call.
        let before = unsafe { before.assume_init() };
        Ok(SignalStack { before, _memory: memory })
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        // SAFETY: the stack that was there before is still mapped: its owner outlives this value.
        unsafe { libc::sigaltstack(&self.before, null_mut()) };
    }
}

/// The header of the signal stack that an interrupted kernel thread has, if it is one of ours.
///
/// Signal safety: reads memory only.
///
/// # Safety
///
/// `stack` is the `uc_stack` of a running signal handler's context.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) unsafe fn header_of(stack: &libc::stack_t) -> Option<&Header> {
    if stack.ss_size != STACK_BYTES - size_of::<Header>() || stack.ss_sp.is_null() {
        return None;
    }
    let header = stack.ss_sp.cast::<u8>().wrapping_add(stack.ss_size).cast::<Header>();
    if !header.is_aligned() {
        return None;
    }
    // SAFETY: a stack of this unusual size is ours, or else a stranger's whose next 32 bytes are
    // read; strangers' stacks of that very size are not to be expected.
    let header = unsafe { &*header };
    (header.magic == MAGIC).then_some(header)
}
