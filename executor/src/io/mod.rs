//! Asynchronous reading and writing.
//!
//! The traits and all that needs no runtime are tokio's own types, so that whatever is written
//! against `tokio::io` takes the sockets of [`net`](crate::net) as they are. What belongs to this
//! runtime is here: [`Interest`] and [`Ready`], the standard streams, and on Unix `unix::AsyncFd`,
//! which waits for any file descriptor.

#[cfg(unix)]
mod async_fd;
#[cfg(unix)]
mod async_fd_guard;
mod buffer;
#[cfg(feature = "futures-io")]
mod futures_io;
mod stdin;
mod stdout;

pub use crate::netpoll::interest::Interest;
pub use crate::netpoll::ready::Ready;

pub(crate) use stdin::is_stdin_awaited;
pub use stdin::{Stdin, stdin};
pub use stdout::{Stderr, Stdout, stderr, stdout};

#[doc(no_inline)]
pub use std::io::{Error, ErrorKind, Result, SeekFrom};

pub use tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
pub use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
pub use tokio::io::{
    BufReader, BufStream, BufWriter, Chain, DuplexStream, Empty, Join, Lines, ReadHalf, Repeat,
    SimplexStream, Sink, Split, Take, WriteHalf,
};
pub use tokio::io::{
    copy, copy_bidirectional, copy_bidirectional_with_sizes, copy_buf, duplex, empty, join, repeat,
    simplex, sink, split,
};

pub(crate) use buffer::{Buffer, MOST_BYTES};

#[cfg(unix)]
pub mod unix {
    //! Waiting for any file descriptor.

    pub use super::async_fd::{AsyncFd, AsyncFdRegisterError};
    pub use super::async_fd_guard::{AsyncFdReadyGuard, AsyncFdReadyMutGuard, TryIoError};
}
