//! Anonymous memory with a guard page below it: signal stacks and the stacks of parked donors.

use std::io;
use std::ops::Range;
use std::ptr::{NonNull, null_mut, with_exposed_provenance_mut};

/// Memory of its own, unmapped when dropped. The page below [`Mapping::base`] is a guard.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    guard_bytes: usize,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference only gives out addresses.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` (rounded up to pages) of zeroed memory above a guard page.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        let page = page_bytes();
        let bytes = bytes.next_multiple_of(page);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice.
        let start = unsafe { libc::mmap(null_mut(), page + bytes, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).expect("mmap chose address zero");
        let mapping = Mapping { start, guard_bytes: page, bytes };
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the range is inside the mapping just made.
        if unsafe { libc::mprotect(mapping.base().cast(), bytes, access) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(mapping)
    }

    /// Lowest usable address.
    pub(crate) fn base(&self) -> *mut u8 {
        self.start.as_ptr().wrapping_add(self.guard_bytes)
    }

    /// One past the highest usable address; page-aligned.
    pub(crate) fn top(&self) -> *mut u8 {
        self.base().wrapping_add(self.bytes)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` and nobody uses it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.guard_bytes + self.bytes) };
    }
}

/// Gives the whole pages of a range back to the operating system; they read as zeros afterwards.
///
/// # Safety
///
/// The range is in an anonymous private mapping, and what is there is not needed.
pub(crate) unsafe fn discard(range: Range<usize>) {
    let page = page_bytes();
    let (lo, hi) = (range.start.next_multiple_of(page), range.end / page * page);
    if lo < hi {
        // SAFETY: the caller's contract. A failure costs memory only.
        unsafe { libc::madvise(with_exposed_provenance_mut(lo), hi - lo, libc::MADV_DONTNEED) };
    }
}

/// Size of a page of memory.
fn page_bytes() -> usize {
    // SAFETY: no preconditions.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("sysconf knows the page size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_memory_is_writable_up_to_its_top() {
        let mapping = Mapping::new(1).expect("mmap");
        assert_eq!(mapping.bytes, page_bytes());
        // SAFETY: the last byte of the mapping.
        unsafe { mapping.top().wrapping_sub(1).write(7) };
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(Mapping::new(1 << 50).is_err());
    }
}
