//! This process's ends of a child's standard streams.

use crate::net::unix::pipe::{Receiver, Sender};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a child reads as its standard input. Closed by dropping it; `shutdown` does not.
#[derive(Debug)]
pub struct ChildStdin(Sender);

/// What a child writes to its standard output.
#[derive(Debug)]
pub struct ChildStdout(Receiver);

/// What a child writes to its standard error.
#[derive(Debug)]
pub struct ChildStderr(Receiver);

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for ChildStdout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, target)
    }
}

impl AsyncRead for ChildStderr {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, target)
    }
}

/// What the three have in common.
macro_rules! is_pipe {
    ($pipe:ident, $end:ident) => {
        impl $pipe {
            /// Takes over std's end of the pipe.
            ///
            /// # Errors
            /// If it is no pipe, or the runtime has shut down.
            ///
            /// # Panics
            /// Outside a runtime.
            #[track_caller]
            pub fn from_std(pipe: std::process::$pipe) -> io::Result<Self> {
                $end::from_owned_fd(OwnedFd::from(pipe)).map($pipe)
            }

            /// The descriptor, which blocks again.
            ///
            /// # Errors
            /// Those of the system.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                self.0.into_blocking_fd()
            }
        }

        /// For another process's standard stream.
        impl TryFrom<$pipe> for Stdio {
            type Error = io::Error;

            fn try_from(pipe: $pipe) -> io::Result<Stdio> {
                pipe.into_owned_fd().map(Stdio::from)
            }
        }

        impl AsFd for $pipe {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl AsRawFd for $pipe {
            fn as_raw_fd(&self) -> RawFd {
                self.0.as_raw_fd()
            }
        }
    };
}

is_pipe!(ChildStdin, Sender);
is_pipe!(ChildStdout, Receiver);
is_pipe!(ChildStderr, Receiver);
