//! A TCP connection.

use super::split_owned::split_owned;
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::io::{Interest, ReadBuf, Ready};
use crate::net::addr::{ToSocketAddrs, no_address, resolve};
use crate::net::attempt::{self, READ, Short};
use crate::net::descriptor::{converts_to_std, lends_descriptor};
use crate::net::halves::{impl_async_read, impl_async_write};
use crate::net::methods::{readiness_methods, stream_methods};
use crate::netpoll::poll_evented::PollEvented;
use crate::netpoll::scheduled_io::Direction;
use socket2::SockRef;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

/// A TCP connection between this and another socket.
///
/// Read and written through [`AsyncRead`](crate::io::AsyncRead) and
/// [`AsyncWrite`](crate::io::AsyncWrite), whose extension traits have the methods. Two tasks can
/// do so at the same time through [`split`](Self::split) or [`into_split`](Self::into_split).
/// `AsyncWriteExt::shutdown` ends the writing direction, dropping the stream both.
///
/// A stream is written without waiting for anything but room in the kernel's buffer, so there is
/// nothing to flush.
pub struct TcpStream {
    pub(super) io: PollEvented<mio::net::TcpStream>,
}

/// Urgent data is asked for because it ends reads early; see `attempt.rs`.
#[cfg(any(target_os = "linux", target_os = "android"))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

impl TcpStream {
    /// Connects to the first of the addresses that `addr` names which accepts.
    ///
    /// # Errors
    /// The last address's error, `InvalidInput` if there is no address, those of the resolver;
    /// and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    ///
    /// # Cancellation
    /// Dropping the future closes the connection that is being made.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let mut last = no_address();
        for addr in resolve(addr).await? {
            match Self::connect_to(addr).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(addr: SocketAddr) -> io::Result<TcpStream> {
        Self::connected(mio::net::TcpStream::connect(addr)?).await
    }

    /// Waits for the end of a `connect` that was begun.
    pub(super) async fn connected(socket: mio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = Self::from_mio(socket)?;
        let connect = |_| stream.connected_once();
        poll_fn(|cx| stream.io.registration().poll_io(cx, Direction::Write, connect)).await?;
        Ok(stream)
    }

    /// What became of a `connect`. A socket becomes writable when it is connected, and also when
    /// that has failed; mio asks to look for a peer as well, as events may come for no reason.
    fn connected_once(&self) -> io::Result<()> {
        if let Some(error) = self.io.take_error()? {
            return Err(error);
        }
        match self.io.peer_addr() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            result => result.map(drop),
        }
    }

    #[track_caller]
    pub(super) fn from_mio(socket: mio::net::TcpStream) -> io::Result<TcpStream> {
        Ok(TcpStream { io: PollEvented::with_interest(socket, INTEREST)? })
    }

    /// A connection that was accepted: there is room to write, and as a rule the peer has sent
    /// something. This spares the first reader and the first writer a wait for the poller.
    pub(super) fn accepted(socket: mio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = Self::from_mio(socket)?;
        stream.io.registration().assume_ready(Ready::READABLE | Ready::WRITABLE);
        Ok(stream)
    }

    readiness_methods!();
    stream_methods!();

    /// Receives without taking it out of the stream: the next read returns it again. Waits until
    /// there is something. `Ok(0)`: the end, or `buf` is empty.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.registration().async_io(READ, || self.io.peek(buf)).await
    }

    /// As [`peek`](Self::peek), as a poll. Only the task that called this or `poll_read` last is
    /// woken.
    ///
    /// # Errors
    /// As for [`peek`](Self::peek).
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        self.io.registration().poll_io(cx, Direction::Read, |_| {
            attempt::peek(&*self.io, buf)?;
            Ok(buf.filled().len() - before)
        })
    }

    /// Takes the stream apart for as long as the halves live. This costs nothing.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Takes the stream apart into halves that may go to different tasks. Dropping the writing
    /// half ends the writing direction; the socket is closed with the second half.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split_owned(self)
    }

    /// The address of this end.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// Those of the system; `NotConnected` once the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr()
    }

    /// The error that the connection is in, if nobody has been told of it yet (`SO_ERROR`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.take_error()
    }

    /// Whether small writes go out at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.nodelay()
    }

    /// Sets whether small writes go out at once (`TCP_NODELAY`), or wait until those before them
    /// have arrived.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.set_nodelay(nodelay)
    }

    /// Whether what arrives is acknowledged at once (`TCP_QUICKACK`).
    ///
    /// # Errors
    /// Those of the system.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn quickack(&self) -> io::Result<bool> {
        SockRef::from(self).tcp_quickack()
    }

    /// Sets whether what arrives is acknowledged at once (`TCP_QUICKACK`). The kernel may change
    /// it again.
    ///
    /// # Errors
    /// Those of the system.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        SockRef::from(self).set_tcp_quickack(quickack)
    }

    /// How long closing waits for what is unsent (`SO_LINGER`); `None`: it does not wait, and the
    /// kernel goes on sending.
    ///
    /// # Errors
    /// Those of the system.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Sets how long closing waits for what is unsent (`SO_LINGER`).
    ///
    /// # Errors
    /// Those of the system.
    #[deprecated = "closing the socket, and so dropping it, blocks the thread for as long; end the \
                    stream with `AsyncWriteExt::shutdown`, or see `set_zero_linger`"]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self).set_linger(linger)
    }

    /// Has closing throw away what is unsent and reset the connection (`SO_LINGER` with no time),
    /// which does not block.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        SockRef::from(self).set_linger(Some(Duration::ZERO))
    }

    /// How many hops the packets may take (`IP_TTL`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.ttl()
    }

    /// Sets how many hops the packets may take (`IP_TTL`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.set_ttl(ttl)
    }

    pub(super) fn poll_read_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        attempt::poll_read(&self.io, cx, buf, Short::IsLast)
    }

    pub(super) fn poll_write_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        attempt::poll_write(&self.io, cx, buf, Short::IsLast)
    }

    pub(super) fn poll_write_vectored_shared(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        attempt::poll_write_vectored(&self.io, cx, bufs)
    }

    pub(super) fn shut_down_writing(&self) -> io::Result<()> {
        attempt::shut_down_writing(|how| self.io.shutdown(how))
    }

    fn itself(&self) -> &Self {
        self
    }
}

converts_to_std!(TcpStream, mio::net::TcpStream, std::net::TcpStream);
lends_descriptor!(TcpStream, io);
impl_async_read!(TcpStream, TcpStream::itself);
impl_async_write!(TcpStream, TcpStream::itself, |_: &mut TcpStream| {});

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}
