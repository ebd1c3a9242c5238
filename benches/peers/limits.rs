//! How many files this process may have open.

use std::io;

/// Both ends of 1,000 connections are in this process.
const NEEDED: libc::rlim_t = 4096;

/// As many as the hard limit allows, if it is too few now.
pub(crate) fn raise_open_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes a whole `rlimit` there.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    assert_eq!(result, 0, "getrlimit: {}", io::Error::last_os_error());
    if limit.rlim_cur >= NEEDED {
        return;
    }
    let hard = limit.rlim_max;
    assert!(hard >= NEEDED, "{NEEDED} open files are needed, and the hard limit is {hard}");
    limit.rlim_cur = hard;
    // SAFETY: the kernel only reads it.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    assert_eq!(result, 0, "setrlimit: {}", io::Error::last_os_error());
}
