//! The traits of tokio's `io`, which are ours, for hyper, and hyper's for whatever wants tokio's.
//!
//! Both families read into memory that need not be initialized, so both directions carry a count
//! of bytes from one buffer type to the other. That is all the `unsafe` code here.

use crate::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::hyper::rt::{self, ReadBufCursor};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A wrapper that has the traits of both sides: hyper's if `T` has those of [`io`](crate::io), and the
/// other way round, which is for connections that hyper gives back (`hyper::upgrade`).
#[derive(Debug)]
pub struct PreemptIo<T> {
    inner: T,
}

impl<T> PreemptIo<T> {
    /// Wraps a stream.
    pub fn new(inner: T) -> Self {
        PreemptIo { inner }
    }

    /// The stream.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// The stream.
    pub fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The stream, without the wrapper.
    pub fn into_inner(self) -> T {
        self.inner
    }

    fn pinned(self: Pin<&mut Self>) -> Pin<&mut T> {
        // SAFETY: the stream is pinned whenever the wrapper is: `inner_mut` and `into_inner` cannot be
        // called on a pinned wrapper unless it is `Unpin`, which it is only if `T` is, and it has no
        // `Drop`.
        unsafe { self.map_unchecked_mut(|io| &mut io.inner) }
    }
}

impl<T: AsyncRead> rt::Read for PreemptIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: it is only seen through a `ReadBuf`, which keeps what is initialized so: its
        // methods that could change that are unsafe themselves.
        let memory = unsafe { cursor.as_mut() };
        let begin = memory.as_ptr();
        let mut buf = ReadBuf::uninit(memory);
        ready!(self.pinned().poll_read(cx, &mut buf))?;
        let filled = buf.filled();
        // `poll_read` could put another buffer in its place, in safe code; then nothing would be known
        // about this one.
        assert!(std::ptr::eq(filled.as_ptr(), begin.cast()), "`poll_read` has replaced the buffer");
        let count = filled.len();
        // SAFETY: it is the same memory, and `ReadBuf` says that so many of its bytes are filled.
        unsafe { cursor.advance(count) };
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> rt::Write for PreemptIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write_vectored(cx, slices)
    }
}

impl<T: rt::Read> AsyncRead for PreemptIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: it is only seen through hyper's buffer, which keeps what is initialized so: its
        // methods that could change that are unsafe themselves.
        let memory = unsafe { buf.unfilled_mut() };
        let mut part = rt::ReadBuf::uninit(memory);
        ready!(self.pinned().poll_read(cx, part.unfilled()))?;
        let count = part.filled().len();
        // SAFETY: hyper's buffer says that so many bytes are filled, from the first that was not
        // before. It is the same memory: a cursor lets nobody replace it.
        unsafe { buf.assume_init(count) };
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<T: rt::Write> AsyncWrite for PreemptIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write_vectored(cx, slices)
    }
}
