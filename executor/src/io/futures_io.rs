//! The sockets as `futures::io::AsyncRead` and `AsyncWrite`, for code that is written against the
//! futures crate. Behind the feature `futures-io`.

use crate::io::{AsyncRead, AsyncWrite, ReadBuf};
use crate::net::{TcpStream, tcp};
#[cfg(unix)]
use crate::net::{UnixStream, unix};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

macro_rules! reads {
    ($($type:ty),+ $(,)?) => {$(
        impl futures_io::AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let mut buf = ReadBuf::new(buf);
                ready!(AsyncRead::poll_read(self, cx, &mut buf))?;
                Poll::Ready(Ok(buf.filled().len()))
            }
        }
    )+};
}

macro_rules! writes {
    ($($type:ty),+ $(,)?) => {$(
        impl futures_io::AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write(self, cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                AsyncWrite::poll_write_vectored(self, cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_flush(self, cx)
            }

            /// Ends the writing direction.
            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_shutdown(self, cx)
            }
        }
    )+};
}

reads!(TcpStream, tcp::ReadHalf<'_>, tcp::OwnedReadHalf);
writes!(TcpStream, tcp::WriteHalf<'_>, tcp::OwnedWriteHalf);

#[cfg(unix)]
reads!(UnixStream, unix::ReadHalf<'_>, unix::OwnedReadHalf, unix::pipe::Receiver);
#[cfg(unix)]
writes!(UnixStream, unix::WriteHalf<'_>, unix::OwnedWriteHalf, unix::pipe::Sender);
