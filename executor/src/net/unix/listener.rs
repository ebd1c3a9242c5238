//! A Unix socket that accepts connections.

use super::{SocketAddr, UnixStream};
use crate::net::attempt::{BACKLOG, READ};
use crate::net::descriptor::{converts_to_std, lends_descriptor};
use crate::netpoll::poll_evented::PollEvented;
use crate::netpoll::scheduled_io::Direction;
use socket2::SockRef;
use std::io;
use std::path::Path;
use std::task::{Context, Poll};

/// A Unix socket that accepts connections.
///
/// Dropping it does not remove the file that a path names; remove it before binding to the same
/// path again. When the system is out of descriptors see
/// [`TcpListener`](crate::net::TcpListener).
pub struct UnixListener {
    io: PollEvented<mio::net::UnixListener>,
}

impl UnixListener {
    /// Binds to a path, and listens. On Linux a path that begins with a zero byte is an abstract
    /// name.
    ///
    /// # Errors
    /// Those of the system, such as `AddrInUse` if the path exists; and if the runtime has shut
    /// down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        Self::bind_addr(&SocketAddr::of_path(path.as_ref())?)
    }

    /// As [`bind`](Self::bind), to an address.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind).
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixListener> {
        let socket = mio::net::UnixListener::bind_addr(&socket_addr.0)?;
        // mio asks for a queue of 128.
        SockRef::from(&socket).listen(BACKLOG)?;
        Self::from_mio(socket)
    }

    #[track_caller]
    pub(super) fn from_mio(socket: mio::net::UnixListener) -> io::Result<UnixListener> {
        Ok(UnixListener { io: PollEvented::new(socket)? })
    }

    /// Accepts a connection, when there is one. Any number of tasks may wait at the same time.
    ///
    /// # Errors
    /// Those of the system, each once: `EMFILE` or `ENFILE` while there are no descriptors; the
    /// listener can be used on. If the runtime has shut down.
    ///
    /// # Cancellation
    /// No connection is lost.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        accepted(self.io.registration().async_io(READ, || self.io.accept()).await?)
    }

    /// As [`accept`](Self::accept), as a poll. Only the task that called last is woken.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let accept = |_| self.io.accept();
        self.io.registration().poll_io(cx, Direction::Read, accept).map(|it| accepted(it?))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(SocketAddr)
    }

    /// The error that the socket is in, if nobody has been told of it yet (`SO_ERROR`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.take_error()
    }
}

fn accepted(
    (socket, peer): (mio::net::UnixStream, std::os::unix::net::SocketAddr),
) -> io::Result<(UnixStream, SocketAddr)> {
    Ok((UnixStream::accepted(socket)?, SocketAddr(peer)))
}

converts_to_std!(UnixListener, mio::net::UnixListener, std::os::unix::net::UnixListener);
lends_descriptor!(UnixListener, io);
