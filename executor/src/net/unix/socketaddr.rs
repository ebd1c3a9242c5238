//! Addresses of Unix sockets.

use std::fmt;
use std::io;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::path::Path;

/// The address of a Unix socket: a path, an abstract name (Linux), or none.
#[derive(Clone)]
pub struct SocketAddr(pub(super) net::SocketAddr);

impl SocketAddr {
    /// Whether the socket has no address.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.0.is_unnamed()
    }

    /// The path, if it is one.
    #[must_use]
    pub fn as_pathname(&self) -> Option<&Path> {
        self.0.as_pathname()
    }

    /// The abstract name, if it is one, without the zero byte before it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[must_use]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        self.0.as_abstract_name()
    }

    /// What a path means: one that begins with a zero byte is an abstract name where there are
    /// such.
    pub(super) fn of_path(path: &Path) -> io::Result<SocketAddr> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(name) = path.as_os_str().as_encoded_bytes().strip_prefix(b"\0") {
            return net::SocketAddr::from_abstract_name(name).map(SocketAddr);
        }
        net::SocketAddr::from_pathname(path).map(SocketAddr)
    }

    /// What the system says of a sender.
    pub(super) fn of_sender(addr: &socket2::SockAddr) -> io::Result<SocketAddr> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(name) = addr.as_abstract_namespace() {
            return net::SocketAddr::from_abstract_name(name).map(SocketAddr);
        }
        // Without a path there is no name; the empty path is std's address without one.
        net::SocketAddr::from_pathname(addr.as_pathname().unwrap_or(Path::new(""))).map(SocketAddr)
    }
}

impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<net::SocketAddr> for SocketAddr {
    fn from(addr: net::SocketAddr) -> Self {
        SocketAddr(addr)
    }
}

impl From<SocketAddr> for net::SocketAddr {
    fn from(addr: SocketAddr) -> Self {
        addr.0
    }
}
