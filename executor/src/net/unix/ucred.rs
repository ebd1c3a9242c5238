//! Who is at the other end of a Unix socket.

use super::{UnixStream, gid_t, pid_t, uid_t};
use std::io;

/// A user, a group and, where the system tells, a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<pid_t>,
    uid: uid_t,
    gid: gid_t,
}

impl UCred {
    /// The user.
    #[must_use]
    pub fn uid(&self) -> uid_t {
        self.uid
    }

    /// The group.
    #[must_use]
    pub fn gid(&self) -> gid_t {
        self.gid
    }

    /// The process. It may have ended, and the number may be another's by now. `None` where the
    /// system does not tell.
    #[must_use]
    pub fn pid(&self) -> Option<pid_t> {
        self.pid
    }
}

pub(super) use imp::peer_cred;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use super::*;
    use std::mem;
    use std::os::fd::AsRawFd;

    /// Asks for `SO_PEERCRED`.
    pub(in super::super) fn peer_cred(stream: &UnixStream) -> io::Result<UCred> {
        let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let mut len = mem::size_of_val(&cred) as libc::socklen_t;
        // SAFETY: the descriptor is open, and `cred` has room for `len` bytes.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut cred).cast(),
                &mut len,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(UCred { pid: Some(cred.pid), uid: cred.uid, gid: cred.gid })
    }
}

#[cfg(any(
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd",
))]
mod imp {
    use super::*;
    use std::os::fd::AsRawFd;

    /// Asks `getpeereid`, which does not know of processes.
    pub(in super::super) fn peer_cred(stream: &UnixStream) -> io::Result<UCred> {
        let (mut uid, mut gid) = (0, 0);
        // SAFETY: the descriptor is open, and the numbers are valid places.
        if unsafe { libc::getpeereid(stream.as_raw_fd(), &mut uid, &mut gid) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(UCred { pid: None, uid, gid })
    }
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd",
)))]
mod imp {
    use super::*;

    pub(in super::super) fn peer_cred(_stream: &UnixStream) -> io::Result<UCred> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "preempt does not know how to ask this system for the credentials of a peer",
        ))
    }
}
