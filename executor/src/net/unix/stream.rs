//! A connection between Unix sockets.

use super::split_owned::split_owned;
use super::ucred::{UCred, peer_cred};
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, SocketAddr, WriteHalf};
use crate::io::{ReadBuf, Ready};
use crate::net::attempt::{self, Short};
use crate::net::descriptor::{converts_to_std, lends_descriptor};
use crate::net::halves::{impl_async_read, impl_async_write};
use crate::net::methods::{readiness_methods, stream_methods};
use crate::netpoll::poll_evented::PollEvented;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::path::Path;
use std::task::{Context, Poll};

/// A connection between this and another Unix socket.
///
/// Read and written through [`AsyncRead`](crate::io::AsyncRead) and
/// [`AsyncWrite`](crate::io::AsyncWrite), whose extension traits have the methods. Two tasks can
/// do so at the same time through [`split`](Self::split) or [`into_split`](Self::into_split).
/// `AsyncWriteExt::shutdown` ends the writing direction, dropping the stream both.
pub struct UnixStream {
    io: PollEvented<mio::net::UnixStream>,
}

impl UnixStream {
    /// Connects to a path. On Linux a path that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    /// Those of the system, such as `NotFound` and `ConnectionRefused`; on Linux `WouldBlock` if
    /// too many connections wait to be accepted there; and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    ///
    /// # Cancellation
    /// Dropping the future closes the connection that is being made.
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        Self::connect_addr(&SocketAddr::of_path(path.as_ref())?).await
    }

    /// As [`connect`](Self::connect), to an address.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    ///
    /// # Panics
    /// Outside a runtime.
    pub async fn connect_addr(socket_addr: &SocketAddr) -> io::Result<UnixStream> {
        Self::connected(mio::net::UnixStream::connect_addr(&socket_addr.0)?).await
    }

    /// Waits for the end of a `connect` that was begun.
    pub(super) async fn connected(socket: mio::net::UnixStream) -> io::Result<UnixStream> {
        let stream = Self::from_mio(socket)?;
        // A socket becomes writable when it is connected, and also when that has failed.
        poll_fn(|cx| stream.io.registration().poll_write_ready(cx)).await?;
        match stream.io.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    #[track_caller]
    fn from_mio(socket: mio::net::UnixStream) -> io::Result<UnixStream> {
        Ok(UnixStream { io: PollEvented::new(socket)? })
    }

    /// A connection that was accepted: there is room to write, and as a rule the peer has sent
    /// something.
    pub(super) fn accepted(socket: mio::net::UnixStream) -> io::Result<UnixStream> {
        let stream = Self::from_mio(socket)?;
        stream.io.registration().assume_ready(Ready::READABLE | Ready::WRITABLE);
        Ok(stream)
    }

    /// Two sockets without names that are connected to each other.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = mio::net::UnixStream::pair()?;
        let (one, other) = (Self::from_mio(one)?, Self::from_mio(other)?);
        // Their buffers are empty.
        one.io.registration().assume_ready(Ready::WRITABLE);
        other.io.registration().assume_ready(Ready::WRITABLE);
        Ok((one, other))
    }

    readiness_methods!();
    stream_methods!();

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
        self.io.local_addr().map(SocketAddr)
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// Those of the system.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr().map(SocketAddr)
    }

    /// Who was at the other end when it connected, or made the pair, or began to listen.
    ///
    /// # Errors
    /// Those of the system; `Unsupported` where it does not say.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        peer_cred(self)
    }

    /// The error that the connection is in, if nobody has been told of it yet (`SO_ERROR`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.take_error()
    }

    pub(super) fn poll_read_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        attempt::poll_read(&self.io, cx, buf, Short::MeansNothing)
    }

    pub(super) fn poll_write_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        attempt::poll_write(&self.io, cx, buf, Short::MeansNothing)
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

converts_to_std!(UnixStream, mio::net::UnixStream, std::os::unix::net::UnixStream);
lends_descriptor!(UnixStream, io);
impl_async_read!(UnixStream, UnixStream::itself);
impl_async_write!(UnixStream, UnixStream::itself, |_: &mut UnixStream| {});

impl AsRef<UnixStream> for UnixStream {
    fn as_ref(&self) -> &Self {
        self
    }
}
