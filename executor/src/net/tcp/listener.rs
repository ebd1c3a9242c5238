//! A TCP socket that accepts connections.

use super::TcpStream;
use crate::net::addr::{ToSocketAddrs, first_of};
use crate::net::attempt::{BACKLOG, READ};
use crate::net::descriptor::{converts_to_std, lends_descriptor};
use crate::netpoll::poll_evented::PollEvented;
use crate::netpoll::scheduled_io::Direction;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

/// A TCP socket that accepts connections.
///
/// # When the system is out of descriptors
/// [`accept`](Self::accept) returns the error (`EMFILE`), and the connection stays in the queue: the
/// next call tries again at once. Wait a while, or drop connections, before calling it again.
pub struct TcpListener {
    io: PollEvented<mio::net::TcpListener>,
}

impl TcpListener {
    /// Binds to the first of the addresses that `addr` names which is free, and listens. Port 0:
    /// the system chooses a port, see [`local_addr`](Self::local_addr).
    ///
    /// An address whose connections of before are still being wound up counts as free
    /// (`SO_REUSEADDR`, not on Windows). For other options see [`TcpSocket`](super::TcpSocket).
    ///
    /// # Errors
    /// The last address's error, such as `AddrInUse` or `AddrNotAvailable`; `InvalidInput` if
    /// there is no address, those of the resolver; and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        first_of(addr, |addr| {
            let socket = mio::net::TcpListener::bind(addr)?;
            // mio asks for a queue of 128.
            SockRef::from(&socket).listen(BACKLOG)?;
            Self::from_mio(socket)
        })
        .await
    }

    #[track_caller]
    pub(super) fn from_mio(socket: mio::net::TcpListener) -> io::Result<TcpListener> {
        Ok(TcpListener { io: PollEvented::new(socket)? })
    }

    /// Accepts a connection, when there is one. Any number of tasks may wait at the same time.
    ///
    /// # Errors
    /// Those of the system, each once: `ConnectionAborted` for a connection that has ended in the
    /// queue, `EMFILE` or `ENFILE` while there are no descriptors; the listener can be used on. If
    /// the runtime has shut down.
    ///
    /// # Cancellation
    /// No connection is lost.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = self.io.registration().async_io(READ, || self.io.accept()).await?;
        Ok((TcpStream::accepted(socket)?, peer))
    }

    /// As [`accept`](Self::accept), as a poll. Only the task that called last is woken.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.io.registration().poll_io(cx, Direction::Read, |_| self.io.accept()).map(|accepted| {
            let (socket, peer) = accepted?;
            Ok((TcpStream::accepted(socket)?, peer))
        })
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// How many hops the packets may take (`IP_TTL`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.ttl()
    }

    /// Sets how many hops the packets of connections accepted from now on may take (`IP_TTL`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.set_ttl(ttl)
    }
}

converts_to_std!(TcpListener, mio::net::TcpListener, std::net::TcpListener);
lends_descriptor!(TcpListener, io);
