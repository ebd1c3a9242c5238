//! What the kernel tells of a thread of this process that sleeps in it: the system call, where it was
//! called, and the memory of its stack. Such a thread is not signalled: its system call might fail.
//!
//! Memory is read by the kernel (`process_vm_readv`), as the thread may go on at any moment: what is
//! read may then be nonsense, which is noticed afterwards, but it is neither a fault nor a race.

use std::fs;

/// Where a sleeping thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asleep {
    /// Number of the system call; none: it sleeps for another reason, a page fault for example.
    pub(crate) system_call: Option<i64>,
    pub(crate) pc: usize,
    pub(crate) sp: usize,
}

/// Where the thread sleeps; `None`: it runs, is gone, or the kernel does not say.
pub(crate) fn asleep(thread: usize) -> Option<Asleep> {
    parse(&fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).ok()?)
}

/// "number, six arguments, stack pointer, pc", or "-1, stack pointer, pc", or "running".
fn parse(line: &str) -> Option<Asleep> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let address = |text: &str| usize::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let (&[.., sp, pc], number) = (&fields[..], fields.first()?.parse::<i64>().ok()?) else {
        return None;
    };
    let system_call = (number >= 0).then_some(number);
    Some(Asleep { system_call, pc: address(pc)?, sp: address(sp)? })
}

/// Reads memory of this process from the address on, as far as there is any. Answers how much.
pub(crate) fn read_memory(address: usize, into: &mut [u8]) -> usize {
    const PAGE: usize = 4096;
    // A page each, as a part of a piece is not read.
    let mut pieces = Vec::with_capacity(into.len() / PAGE + 2);
    let end = address.saturating_add(into.len());
    let mut start = address;
    while start < end {
        let next = (start / PAGE + 1).saturating_mul(PAGE).min(end);
        pieces.push(libc::iovec {
            iov_base: std::ptr::with_exposed_provenance_mut(start),
            iov_len: next - start,
        });
        start = next;
    }
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    // SAFETY: the buffer is valid for its length; what is read the kernel checks.
    let read = unsafe {
        let process = libc::getpid();
        libc::process_vm_readv(process, &local, 1, pieces.as_ptr(), pieces.len() as u64, 0)
    };
    usize::try_from(read).unwrap_or(0)
}

/// A word of this process's memory.
pub(crate) fn read_word(address: usize) -> Option<usize> {
    let mut word = [0; size_of::<usize>()];
    (read_memory(address, &mut word) == word.len()).then(|| usize::from_ne_bytes(word))
}

/// What a system call is called that a poll may be blocked in; `None`: no common one.
#[rustfmt::skip]
pub(crate) fn name_of(system_call: i64) -> Option<&'static str> {
    const NAMES: &[(i64, &str)] = &[
        (libc::SYS_read, "read"), (libc::SYS_write, "write"), (libc::SYS_openat, "open"),
        (libc::SYS_close, "close"), (libc::SYS_fsync, "fsync"), (libc::SYS_fdatasync, "fdatasync"),
        (libc::SYS_pread64, "pread"), (libc::SYS_pwrite64, "pwrite"), (libc::SYS_readv, "readv"),
        (libc::SYS_writev, "writev"), (libc::SYS_getdents64, "getdents"), (libc::SYS_statx, "statx"),
        (libc::SYS_flock, "flock"), (libc::SYS_fcntl, "fcntl"), (libc::SYS_ioctl, "ioctl"),
        (libc::SYS_poll, "poll"), (libc::SYS_ppoll, "ppoll"), (libc::SYS_select, "select"),
        (libc::SYS_pselect6, "pselect"), (libc::SYS_epoll_wait, "epoll_wait"),
        (libc::SYS_epoll_pwait, "epoll_pwait"), (libc::SYS_accept, "accept"),
        (libc::SYS_accept4, "accept"), (libc::SYS_connect, "connect"), (libc::SYS_recvfrom, "recv"),
        (libc::SYS_recvmsg, "recvmsg"), (libc::SYS_sendto, "send"), (libc::SYS_sendmsg, "sendmsg"),
        (libc::SYS_sendfile, "sendfile"), (libc::SYS_futex, "futex"),
        (libc::SYS_nanosleep, "nanosleep"), (libc::SYS_clock_nanosleep, "clock_nanosleep"),
        (libc::SYS_wait4, "wait4"), (libc::SYS_waitid, "waitid"), (libc::SYS_pause, "pause"),
        (libc::SYS_mmap, "mmap"), (libc::SYS_munmap, "munmap"), (libc::SYS_madvise, "madvise"),
        (libc::SYS_sched_yield, "sched_yield"),
    ];
    NAMES.iter().find(|(number, _)| *number == system_call).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_understood() {
        let line = "230 0x1 0x1 0x7ff7484e2ab0 0x0 0x0 0x0 0x7ff7484e2a70 0x7ff748aed545\n";
        let found = parse(line).unwrap();
        let expected = Asleep { system_call: Some(230), pc: 0x7ff748aed545, sp: 0x7ff7484e2a70 };
        assert_eq!(found, expected);
        assert_eq!(name_of(230), Some("clock_nanosleep"));
        assert_eq!(parse("-1 0x10 0x20"), Some(Asleep { system_call: None, pc: 0x20, sp: 0x10 }));
        assert_eq!(parse("running\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn memory_is_read_up_to_where_there_is_none() {
        let words = [7_usize, 8];
        let start = words.as_ptr().expose_provenance();
        assert_eq!(read_word(start + size_of::<usize>()), Some(8));
        assert_eq!(read_word(8), None);
        // SAFETY: a mapping of its own, of which the second page cannot be read.
        let pages = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let pages = libc::mmap(std::ptr::null_mut(), 8192, access, flags, -1, 0);
            assert_eq!(libc::mprotect(pages.byte_add(4096), 4096, libc::PROT_NONE), 0);
            pages
        };
        let mut into = [0; 8192];
        assert_eq!(read_memory(pages.expose_provenance() + 96, &mut into), 4000);
        // SAFETY: mapped above.
        unsafe { libc::munmap(pages, 8192) };
    }
}
