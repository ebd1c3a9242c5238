//! Size and shape of the processor's extended state (x87, SSE, AVX, AVX-512, AMX, APX, PKRU).
//!
//! [`prepare`] fills [`LAYOUT`] once, before any call is injected; from then on it is only read,
//! by the trampoline. The values are the same on every processor of a machine, as Linux refuses
//! to bring up processors that differ in XCR0.

use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::Release};

/// Read by the trampoline through the offsets below.
#[repr(C)]
pub(crate) struct Layout {
    /// XCR0: every state component that the kernel has enabled.
    mask: AtomicU64,
    /// Bytes of the save area, a multiple of 64. Zero until [`prepare`] has run.
    area_bytes: AtomicU64,
    /// 1 if XSAVEC is there.
    compact: AtomicU32,
    default_mxcsr: AtomicU32,
}

pub(crate) const MASK_OFFSET: usize = offset_of!(Layout, mask);
pub(crate) const AREA_BYTES_OFFSET: usize = offset_of!(Layout, area_bytes);
pub(crate) const COMPACT_OFFSET: usize = offset_of!(Layout, compact);
pub(crate) const DEFAULT_MXCSR_OFFSET: usize = offset_of!(Layout, default_mxcsr);

pub(crate) static LAYOUT: Layout = Layout {
    mask: AtomicU64::new(0),
    area_bytes: AtomicU64::new(0),
    compact: AtomicU32::new(0),
    default_mxcsr: AtomicU32::new(0x1f80),
};

/// Finds out what there is to save. False if the processor or the kernel has no XSAVE.
///
/// Idempotent; any thread may call it, not from a signal handler.
pub(crate) fn prepare() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    const XSAVEC: u32 = 1 << 1;
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return false;
    }
    // SAFETY: OSXSAVE says that the instruction may be used.
    let mask = unsafe { read_xcr0() };
    let compact = __cpuid_count(0xd, 1).eax & XSAVEC != 0;
    // EBX is the size for the enabled components: leaf 0xD.0 in the standard format, 0xD.1 in the
    // compacted one. Room for either, should one ever be the larger.
    let packed = if compact { __cpuid_count(0xd, 1).ebx } else { 0 };
    let bytes = u64::from(__cpuid_count(0xd, 0).ebx.max(packed)).next_multiple_of(64);
    LAYOUT.mask.store(mask, Relaxed);
    LAYOUT.compact.store(u32::from(compact), Relaxed);
    // Last, as it tells that the others are there; handlers of this thread see them in order, and
    // other threads hear of a pool by means that order more.
    LAYOUT.area_bytes.store(bytes, Release);
    true
}

/// # Safety
///
/// CPUID reports OSXSAVE.
#[target_feature(enable = "xsave")]
unsafe fn read_xcr0() -> u64 {
    // SAFETY: XCR0 exists where XGETBV does; the feature is there by this function's contract.
    unsafe { _xgetbv(0) }
}

/// Whether [`prepare`] has succeeded.
pub(crate) fn is_prepared() -> bool {
    area_bytes() != 0
}

/// Bytes of the save area; zero before [`prepare`].
pub(crate) fn area_bytes() -> usize {
    LAYOUT.area_bytes.load(Relaxed) as usize
}
