//! Takes a donor's restartable-sequences area away from the kernel.
//!
//! glibc 2.35 and later registers, for every kernel thread, an `rseq` area inside its thread-local
//! block, where the kernel keeps the processor number. On a fiber that area is the donor's, the
//! donor is asleep, and the area of the machine's kernel thread is elsewhere: `sched_getcpu` would
//! be told a stale number, and critical sections (tcmalloc's per-processor caches) would never be
//! restarted, which corrupts memory. Unregistered, the area says "not available": glibc falls back
//! to `getcpu`, tcmalloc to its slow path.
//!
//! Rejected: registering each fiber's area at every switch-in (two system calls per switch).

use std::ffi::CStr;
use std::ptr::with_exposed_provenance_mut;

const RSEQ_FLAG_UNREGISTER: u32 = 1;
/// x86 value of `RSEQ_SIG`, which glibc registers with.
const RSEQ_SIGNATURE: u32 = 0x5305_3053;
/// Auxiliary vector: bytes of the area that the kernel uses, and its alignment.
const AT_RSEQ_FEATURE_SIZE: u64 = 27;
const AT_RSEQ_ALIGN: u64 = 28;
/// Size of the area before it became extensible; glibc never registers less.
const ORIGINAL_BYTES: usize = 32;

/// Unregisters the calling thread's area, if glibc has registered one.
///
/// Must run on the donor's own kernel thread, before the fiber is lent out.
pub(crate) fn unregister(fs_base: usize) {
    let (Some(offset), Some(bytes)) = (glibc_value(c"__rseq_offset"), glibc_size()) else {
        return;
    };
    if bytes == 0 {
        return; // Not registered, for example because of GLIBC_TUNABLES.
    }
    let area = fs_base.wrapping_add_signed(offset);
    // SAFETY: queries without preconditions.
    let (feature_bytes, align) =
        unsafe { (libc::getauxval(AT_RSEQ_FEATURE_SIZE), libc::getauxval(AT_RSEQ_ALIGN)) };
    let extended = (feature_bytes as usize).max(ORIGINAL_BYTES);
    let extended = extended.next_multiple_of((align as usize).max(ORIGINAL_BYTES));
    for registered in [ORIGINAL_BYTES, extended] {
        // SAFETY: the kernel compares address, length and signature with what was registered and
        // fails (EINVAL) unless they are the same; then it resets the area and forgets it.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rseq,
                with_exposed_provenance_mut::<u8>(area),
                registered as u32,
                RSEQ_FLAG_UNREGISTER,
                RSEQ_SIGNATURE,
            )
        };
        if result == 0 {
            return;
        }
    }
}

/// `__rseq_size` is an `unsigned int`.
fn glibc_size() -> Option<u32> {
    // SAFETY: glibc exports it as a constant of this type.
    symbol(c"__rseq_size").map(|address| unsafe { address.cast::<u32>().read() })
}

fn glibc_value(name: &CStr) -> Option<isize> {
    // SAFETY: `__rseq_offset` is a `ptrdiff_t` constant.
    symbol(name).map(|address| unsafe { address.cast::<isize>().read() })
}

/// Looked up at run time, as older versions of glibc do not have it.
fn symbol(name: &CStr) -> Option<*const u8> {
    // SAFETY: a lookup by name.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address.cast_const().cast())
}
