//! Pipes: anonymous ones ([`pipe()`]) and FIFO files ([`OpenOptions`]).
//!
//! A pipe's end closes when the [`Sender`] is dropped, on every side that has one.

use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use crate::net::attempt::{READ, WRITE, into_buf_mut};
use crate::net::descriptor::lends_descriptor;
use crate::netpoll::poll_evented::PollEvented;
use crate::netpoll::scheduled_io::Direction;
use bytes::BufMut;
use mio::unix::pipe as mio_pipe;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A new anonymous pipe.
///
/// # Errors
/// Those of the system, and if the runtime has shut down.
///
/// # Panics
/// Outside a runtime.
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = mio_pipe::new()?;
    Ok((Sender::from_mio(sender)?, Receiver::from_mio(receiver)?))
}

/// How to open a FIFO file.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// The default: for one direction, and only what is a FIFO file.
    #[must_use]
    pub fn new() -> OpenOptions {
        Self::default()
    }

    /// Opens the file for both directions. Then opening it to write does not need a reader, and
    /// reading does not end when the last writer goes. Linux only.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn read_write(&mut self, value: bool) -> &mut Self {
        self.read_write = value;
        self
    }

    /// Does not look whether the file is a FIFO.
    pub fn unchecked(&mut self, value: bool) -> &mut Self {
        self.unchecked = value;
        self
    }

    /// Opens a FIFO file for reading. Does not wait for a writer.
    ///
    /// # Errors
    /// Those of the system, `InvalidInput` if it is no FIFO; and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        let file = self.open(path.as_ref(), std::fs::OpenOptions::new().read(true))?;
        Receiver::from_file_unchecked(file)
    }

    /// Opens a FIFO file for writing.
    ///
    /// # Errors
    /// Those of the system, `ENXIO` among them if nobody has it open for reading; `InvalidInput` if
    /// it is no FIFO; and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        let file = self.open(path.as_ref(), std::fs::OpenOptions::new().write(true))?;
        Sender::from_file_unchecked(file)
    }

    fn open(&self, path: &Path, options: &mut std::fs::OpenOptions) -> io::Result<File> {
        if self.read_write {
            options.read(true).write(true);
        }
        let file = options.custom_flags(libc::O_NONBLOCK).open(path)?;
        if !self.unchecked {
            check_is_pipe(&file)?;
        }
        Ok(file)
    }
}

/// The writing end of a pipe.
///
/// # Writing
/// A write of at most `PIPE_BUF` bytes goes in as a whole, also with several writers.
#[derive(Debug)]
pub struct Sender {
    io: PollEvented<mio_pipe::Sender>,
}

/// The reading end of a pipe.
#[derive(Debug)]
pub struct Receiver {
    io: PollEvented<mio_pipe::Receiver>,
}

/// What the two ends have in common: `$needs` is in `access` what the descriptor has to allow.
macro_rules! pipe_end {
    ($end:ident, $mio:ty, $interest:expr, $allows:expr, $direction:literal) => {
        impl $end {
            #[track_caller]
            fn from_mio(pipe: $mio) -> io::Result<Self> {
                Ok($end { io: PollEvented::with_interest(pipe, $interest)? })
            }

            /// Takes over a file, and sets it to non-blocking mode, for whoever else has it open as
            /// well.
            ///
            /// # Errors
            #[doc = concat!("`InvalidInput` if it is no pipe or not open for ", $direction, ";")]
            /// those of the system, and if the runtime has shut down.
            ///
            /// # Panics
            /// Outside a runtime.
            #[track_caller]
            pub fn from_file(file: File) -> io::Result<Self> {
                Self::from_owned_fd(file.into())
            }

            /// As [`from_file`](Self::from_file), from a descriptor.
            ///
            /// # Errors
            /// As for [`from_file`](Self::from_file).
            ///
            /// # Panics
            /// Outside a runtime.
            #[track_caller]
            pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
                let file = File::from(fd);
                check_is_pipe(&file)?;
                let flags = status_flags(file.as_fd())?;
                if !$allows(flags & libc::O_ACCMODE) {
                    let message = concat!("the pipe is not open for ", $direction);
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
                }
                set_status_flags(file.as_fd(), flags | libc::O_NONBLOCK)?;
                Self::from_file_unchecked(file)
            }

            /// Takes over a file that is a pipe in non-blocking mode, without looking.
            ///
            /// # Errors
            /// Those of the system, and if the runtime has shut down.
            ///
            /// # Panics
            /// Outside a runtime.
            #[track_caller]
            pub fn from_file_unchecked(file: File) -> io::Result<Self> {
                Self::from_owned_fd_unchecked(file.into())
            }

            /// As [`from_file_unchecked`](Self::from_file_unchecked), from a descriptor.
            ///
            /// # Errors
            /// As for [`from_file_unchecked`](Self::from_file_unchecked).
            ///
            /// # Panics
            /// Outside a runtime.
            #[track_caller]
            pub fn from_owned_fd_unchecked(fd: OwnedFd) -> io::Result<Self> {
                Self::from_mio(<$mio>::from(fd))
            }

            /// Leaves the runtime. The descriptor stays in non-blocking mode.
            ///
            /// # Errors
            /// Those of the system.
            pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
                self.io.into_inner().map(OwnedFd::from)
            }

            /// Leaves the runtime, and sets the descriptor to blocking mode.
            ///
            /// # Errors
            /// Those of the system.
            pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
                let fd = self.into_nonblocking_fd()?;
                let flags = status_flags(fd.as_fd())?;
                set_status_flags(fd.as_fd(), flags & !libc::O_NONBLOCK)?;
                Ok(fd)
            }

            /// Waits until the pipe is ready for a part of `interest`, and says for which. Any
            /// number of tasks may wait at the same time.
            ///
            /// # Errors
            /// If the runtime has shut down.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                Ok(self.io.registration().readiness(interest).await?.ready)
            }

            /// Calls `f` once if the pipe is known to be ready. If `f` returns `WouldBlock` the
            /// readiness is taken back, so `f` must return that only if an operation on this end
            /// did.
            ///
            /// # Errors
            /// Those of `f`; `WouldBlock` if the pipe is not ready; and if the runtime has shut
            /// down.
            pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.io.registration().try_io($interest, || self.io.try_io(f))
            }
        }

        lends_descriptor!($end, io);
    };
}

pipe_end!(
    Sender,
    mio_pipe::Sender,
    Interest::WRITABLE,
    |access| access == libc::O_WRONLY || access == libc::O_RDWR,
    "writing"
);
pipe_end!(
    Receiver,
    mio_pipe::Receiver,
    Interest::READABLE,
    |access| access == libc::O_RDONLY || access == libc::O_RDWR,
    "reading"
);

impl Sender {
    /// Waits until there is room, or all readers are gone.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// As [`writable`](Self::writable), as a poll. Only the task that called this or `poll_write`
    /// last is woken.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_write_ready(cx).map_ok(drop)
    }

    /// Writes as much as there is room for; returns how much that was.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room, `BrokenPipe` if all readers are gone; others of the
    /// system; and if the runtime has shut down.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.registration().try_io(WRITE, || (&*self.io).write(buf))
    }

    /// As [`try_write`](Self::try_write), from several buffers, one after the other.
    ///
    /// # Errors
    /// As for [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.io.registration().try_io(WRITE, || (&*self.io).write_vectored(bufs))
    }
}

impl AsyncWrite for Sender {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io.registration().poll_io(cx, Direction::Write, |_| (&*self.io).write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.registration().poll_io(cx, Direction::Write, |_| (&*self.io).write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: a pipe's writing end is closed by dropping it.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Receiver {
    /// Waits until there is something to read, or all writers are gone.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// As [`readable`](Self::readable), as a poll. Only the task that called this or `poll_read`
    /// last is woken.
    ///
    /// # Errors
    /// If the runtime has shut down.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_read_ready(cx).map_ok(drop)
    }

    /// Reads what is there. `Ok(0)`: all writers are gone, or `buf` is empty.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing; others of the system; and if the runtime has shut down.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.registration().try_io(READ, || (&*self.io).read(buf))
    }

    /// As [`try_read`](Self::try_read), into several buffers, one after the other.
    ///
    /// # Errors
    /// As for [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.io.registration().try_io(READ, || (&*self.io).read_vectored(bufs))
    }

    /// As [`try_read`](Self::try_read), into the free space of `buf`, which need not be
    /// initialised.
    ///
    /// # Errors
    /// As for [`try_read`](Self::try_read).
    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        let read = || into_buf_mut(buf, |buf| self.read_once(buf));
        self.io.registration().try_io(READ, read).map(|(n, ())| n)
    }

    /// Reads into memory that need not be initialised.
    fn read_once(&self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        // SAFETY: `read` stores bytes and makes nothing uninitialised.
        let free = unsafe { buf.unfilled_mut() };
        // SAFETY: the descriptor is open, and `free` has room for as many bytes as it is long.
        let n = unsafe { libc::read(self.io.as_raw_fd(), free.as_mut_ptr().cast(), free.len()) };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        // SAFETY: the system has stored so many bytes.
        unsafe { buf.assume_init(n) };
        buf.advance(n);
        Ok(())
    }
}

impl AsyncRead for Receiver {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io.registration().poll_io(cx, Direction::Read, |_| self.read_once(buf))
    }
}

fn check_is_pipe(file: &File) -> io::Result<()> {
    if file.metadata()?.file_type().is_fifo() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the file or descriptor is no pipe"))
}

fn status_flags(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: asks about an open descriptor.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) } {
        -1 => Err(io::Error::last_os_error()),
        flags => Ok(flags),
    }
}

fn set_status_flags(fd: BorrowedFd<'_>, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: changes the mode of an open descriptor.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
