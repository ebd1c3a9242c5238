//! A Unix socket that neither listens nor is connected yet.

use super::{UnixDatagram, UnixListener, UnixStream};
use crate::net::attempt::is_in_progress;
use crate::net::descriptor::lends_descriptor;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fmt;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, RawFd};
use std::os::unix::net;
use std::path::Path;

/// A Unix socket on the way to a [`UnixStream`], a [`UnixListener`] or a [`UnixDatagram`]: for one
/// that connects from a name of its own, and for the length of a listener's queue.
///
/// It belongs to no runtime before that. Where a path is taken, on Linux one that begins with a
/// zero byte is an abstract name.
pub struct UnixSocket {
    inner: Socket,
}

impl UnixSocket {
    /// A socket for connections.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new_stream() -> io::Result<UnixSocket> {
        Self::new(Type::STREAM)
    }

    /// A socket for datagrams.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new_datagram() -> io::Result<UnixSocket> {
        Self::new(Type::DGRAM)
    }

    fn new(kind: Type) -> io::Result<UnixSocket> {
        let inner = Socket::new(Domain::UNIX, kind, None)?;
        inner.set_nonblocking(true)?;
        Ok(UnixSocket { inner })
    }

    /// Binds the socket to a path.
    ///
    /// # Errors
    /// Those of the system, such as `AddrInUse` if the path exists.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.inner.bind(&SockAddr::unix(path)?)
    }

    /// Listens, with room for so many connections that nobody has accepted yet.
    ///
    /// # Errors
    /// Those of the system, for a socket for datagrams, and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        self.expect(Type::STREAM, "`UnixSocket::listen`")?;
        self.inner.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        let socket = net::UnixListener::from(std::os::fd::OwnedFd::from(self.inner));
        UnixListener::from_mio(mio::net::UnixListener::from_std(socket))
    }

    /// Connects to a path.
    ///
    /// # Errors
    /// As for [`UnixStream::connect`], and for a socket for datagrams.
    ///
    /// # Panics
    /// Outside a runtime.
    ///
    /// # Cancellation
    /// Dropping the future closes the socket.
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        self.expect(Type::STREAM, "`UnixSocket::connect`")?;
        match self.inner.connect(&SockAddr::unix(path)?) {
            Err(error) if !is_in_progress(&error) => return Err(error),
            _ => {}
        }
        let socket = net::UnixStream::from(std::os::fd::OwnedFd::from(self.inner));
        UnixStream::connected(mio::net::UnixStream::from_std(socket)).await
    }

    /// Makes it a socket that sends and receives datagrams.
    ///
    /// # Errors
    /// For a socket for connections, those of the system, and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        self.expect(Type::DGRAM, "`UnixSocket::datagram`")?;
        let socket = net::UnixDatagram::from(std::os::fd::OwnedFd::from(self.inner));
        UnixDatagram::from_mio(mio::net::UnixDatagram::from_std(socket))
    }

    fn expect(&self, kind: Type, what: &str) -> io::Result<()> {
        if self.inner.r#type()? == kind {
            return Ok(());
        }
        let made_by = if kind == Type::STREAM { "new_stream" } else { "new_datagram" };
        Err(io::Error::other(format!("{what} needs a socket made by `UnixSocket::{made_by}`")))
    }
}

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

lends_descriptor!(UnixSocket, inner);

impl FromRawFd for UnixSocket {
    /// Takes over a Unix socket that is neither connected nor listening. It has to be in
    /// non-blocking mode.
    unsafe fn from_raw_fd(fd: RawFd) -> UnixSocket {
        // SAFETY: the caller gives an open descriptor away.
        UnixSocket { inner: unsafe { Socket::from_raw_fd(fd) } }
    }
}

impl IntoRawFd for UnixSocket {
    fn into_raw_fd(self) -> RawFd {
        self.inner.into_raw_fd()
    }
}
