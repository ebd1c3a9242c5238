//! Unix sockets for datagrams.

use super::SocketAddr;
use crate::io::{ReadBuf, Ready};
use crate::net::attempt::{self, READ, WRITE};
use crate::net::descriptor::{converts_to_std, lends_descriptor};
use crate::net::methods::{datagram_methods, readiness_methods};
use crate::netpoll::poll_evented::PollEvented;
use crate::netpoll::scheduled_io::Direction;
use bytes::BufMut;
use socket2::SockRef;
use std::io;
use std::net::Shutdown;
use std::path::Path;
use std::task::{Context, Poll};

/// A Unix socket for datagrams.
///
/// All methods take `&self`, so that one task can send while others receive: share it in an `Arc`.
/// Nothing is lost on the way and the order is kept; a sender waits while the receiver's queue is
/// full. Dropping the socket does not remove the file that a path names.
///
/// Wherever a path is taken, on Linux one that begins with a zero byte is an abstract name.
pub struct UnixDatagram {
    io: PollEvented<mio::net::UnixDatagram>,
}

impl UnixDatagram {
    /// A socket that is bound to a path.
    ///
    /// # Errors
    /// Those of the system, such as `AddrInUse` if the path exists; and if the runtime has shut
    /// down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        let addr = SocketAddr::of_path(path.as_ref())?;
        Self::from_mio(mio::net::UnixDatagram::bind_addr(&addr.0)?)
    }

    /// Two sockets without names that are connected to each other.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = mio::net::UnixDatagram::pair()?;
        Ok((Self::from_mio(one)?, Self::from_mio(other)?))
    }

    /// A socket without a name, to which nobody can answer.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn unbound() -> io::Result<UnixDatagram> {
        Self::from_mio(mio::net::UnixDatagram::unbound()?)
    }

    #[track_caller]
    pub(super) fn from_mio(socket: mio::net::UnixDatagram) -> io::Result<UnixDatagram> {
        let io = PollEvented::new(socket)?;
        // As a rule; it spares the first send a wait for the poller.
        io.registration().assume_ready(Ready::WRITABLE);
        Ok(UnixDatagram { io })
    }

    /// Connects to a path: [`send`](Self::send) goes there, and only what comes from there is
    /// received.
    ///
    /// # Errors
    /// Those of the system.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        SockRef::from(self).connect(&socket2::SockAddr::unix(path)?)
    }

    readiness_methods!();
    datagram_methods!();

    /// Sends a datagram to a path.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        self.io.registration().async_io(WRITE, || self.send_to_once(buf, target.as_ref())).await
    }

    /// As [`send_to`](Self::send_to), as a poll. Only the task that called last is woken.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to).
    pub fn poll_send_to<P: AsRef<Path>>(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: P,
    ) -> Poll<io::Result<usize>> {
        let send = |_| self.send_to_once(buf, target.as_ref());
        self.io.registration().poll_io(cx, Direction::Write, send)
    }

    /// As [`send_to`](Self::send_to), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room, and those of [`send_to`](Self::send_to).
    pub fn try_send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        self.io.registration().try_io(WRITE, || self.send_to_once(buf, target.as_ref()))
    }

    fn send_to_once(&self, buf: &[u8], target: &Path) -> io::Result<usize> {
        let target = socket2::SockAddr::unix(target)?;
        self.io.try_io(|| SockRef::from(self).send_to_with_flags(buf, &target, SEND_FLAGS))
    }

    /// Receives a datagram, and says whose it is. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let received = self.io.registration().async_io(READ, || self.io.recv_from(buf)).await;
        received.map(named)
    }

    /// As [`recv_from`](Self::recv_from), as a poll. Only the task that called last is woken.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let recv = |_| SocketAddr::of_sender(&attempt::recv_from(&*self.io, buf)?);
        self.io.registration().poll_io(cx, Direction::Read, recv)
    }

    /// As [`recv_from`](Self::recv_from), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, and those of [`recv_from`](Self::recv_from).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.registration().try_io(READ, || self.io.recv_from(buf)).map(named)
    }

    /// As [`try_recv_from`](Self::try_recv_from), into the free space of `buf`, which need not be
    /// initialised.
    ///
    /// # Errors
    /// As for [`try_recv_from`](Self::try_recv_from).
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.io.registration().try_io(READ, || self.recv_buf_from_once(buf))
    }

    /// As [`recv_from`](Self::recv_from), into the free space of `buf`, which need not be
    /// initialised.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.io.registration().async_io(READ, || self.recv_buf_from_once(buf)).await
    }

    fn recv_buf_from_once(&self, buf: &mut impl BufMut) -> io::Result<(usize, SocketAddr)> {
        let (n, sender) = attempt::into_buf_mut(buf, |buf| attempt::recv_from(&*self.io, buf))?;
        Ok((n, SocketAddr::of_sender(&sender)?))
    }

    /// The address of this end.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr().map(SocketAddr)
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    /// Those of the system; `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr().map(SocketAddr)
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    /// Those of the system.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.shutdown(how)
    }
}

/// A peer that is gone is an error and not a signal.
#[cfg(any(target_os = "macos", target_os = "ios"))]
const SEND_FLAGS: libc::c_int = 0;
#[cfg(not(any(target_os = "macos", target_os = "ios")))]
const SEND_FLAGS: libc::c_int = libc::MSG_NOSIGNAL;

fn named((n, sender): (usize, std::os::unix::net::SocketAddr)) -> (usize, SocketAddr) {
    (n, SocketAddr(sender))
}

converts_to_std!(UnixDatagram, mio::net::UnixDatagram, std::os::unix::net::UnixDatagram);
lends_descriptor!(UnixDatagram, io);
