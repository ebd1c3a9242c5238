//! One attempt at reading or writing a socket, and the poll loops for streams.
//!
//! Reads go into memory that need not be initialised; the unsafe code for that is all here.

use crate::io::ReadBuf;
use crate::netpoll::interest::Interest;
use crate::netpoll::poll_evented::PollEvented;
use crate::netpoll::registration::Registration;
use crate::netpoll::scheduled_io::{Direction, ReadyEvent};
use bytes::BufMut;
use mio::event::Source;
use socket2::{SockAddr, SockRef};
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
#[cfg(unix)]
use std::os::fd::AsFd as AsOsSocket;
#[cfg(windows)]
use std::os::windows::io::AsSocket as AsOsSocket;
use std::task::{Context, Poll};

/// When reading is worth an attempt. An error is reported to whoever tries something next.
pub(super) const READ: Interest = Interest::READABLE.add(Interest::ERROR);
/// When writing is worth an attempt.
pub(super) const WRITE: Interest = Interest::WRITABLE.add(Interest::ERROR);

/// Room for connections that nobody has accepted yet. The kernel takes the smaller of this and
/// its own limit (`net.core.somaxconn`, 4096 on Linux); Go asks for that limit as well.
pub(super) const BACKLOG: i32 = 4096;

/// Whether a `connect` that does not wait has only begun.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    let in_progress = error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    let in_progress = error.kind() == io::ErrorKind::WouldBlock;
    in_progress
}

/// A socket of mio's.
pub(super) trait Socket: Source + AsOsSocket {
    /// Calls `f` so that mio sees whether it would block: on Windows it then asks for the next
    /// event.
    fn attempt<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R>;
}

macro_rules! sockets {
    ($($socket:ty),+) => {$(
        impl Socket for $socket {
            fn attempt<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.try_io(f)
            }
        }
    )+};
}

sockets!(mio::net::TcpStream, mio::net::UdpSocket);
#[cfg(unix)]
sockets!(mio::net::UnixStream, mio::net::UnixDatagram);

/// Has `read` fill the rest of `buf`.
///
/// # Safety
/// `read` returns how many bytes it has stored, from the beginning.
unsafe fn fill<R>(
    buf: &mut ReadBuf<'_>,
    read: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<(usize, R)>,
) -> io::Result<R> {
    // SAFETY: `read` stores bytes and makes nothing uninitialised.
    let (n, result) = read(unsafe { buf.unfilled_mut() })?;
    // SAFETY: by this function's contract.
    unsafe { buf.assume_init(n) };
    buf.advance(n);
    Ok(result)
}

/// Receives from a stream or a connected peer.
pub(super) fn recv(socket: &impl Socket, buf: &mut ReadBuf<'_>) -> io::Result<()> {
    let recv = |free: &mut [_]| Ok((SockRef::from(socket).recv(free)?, ()));
    // SAFETY: the system says how much it has stored.
    socket.attempt(|| unsafe { fill(buf, recv) })
}

/// As [`recv`], and leaves it where it is.
pub(super) fn peek(socket: &impl Socket, buf: &mut ReadBuf<'_>) -> io::Result<()> {
    let peek = |free: &mut [_]| Ok((SockRef::from(socket).peek(free)?, ()));
    // SAFETY: the system says how much it has stored.
    socket.attempt(|| unsafe { fill(buf, peek) })
}

/// Receives a datagram and whose it is.
pub(super) fn recv_from(socket: &impl Socket, buf: &mut ReadBuf<'_>) -> io::Result<SockAddr> {
    // SAFETY: the system says how much it has stored.
    socket.attempt(|| unsafe { fill(buf, |free| SockRef::from(socket).recv_from(free)) })
}

/// As [`recv_from`], and leaves it where it is.
pub(super) fn peek_from(socket: &impl Socket, buf: &mut ReadBuf<'_>) -> io::Result<SockAddr> {
    // SAFETY: the system says how much it has stored.
    socket.attempt(|| unsafe { fill(buf, |free| SockRef::from(socket).peek_from(free)) })
}

/// Has `read` fill a chunk of `buf`; returns how much that was.
pub(super) fn into_buf_mut<R>(
    buf: &mut impl BufMut,
    read: impl FnOnce(&mut ReadBuf<'_>) -> io::Result<R>,
) -> io::Result<(usize, R)> {
    // SAFETY: `ReadBuf` makes nothing uninitialised.
    let mut chunk = ReadBuf::uninit(unsafe { buf.chunk_mut().as_uninit_slice_mut() });
    let result = read(&mut chunk)?;
    let n = chunk.filled().len();
    // SAFETY: what `ReadBuf` says is filled is initialised.
    unsafe { buf.advance_mut(n) };
    Ok((n, result))
}

/// Whether a read that returns less than it was asked for, or a write that takes less, has emptied
/// or filled the kernel's buffer, as epoll(7) and kqueue(2) have it for streams. Not for Unix
/// sockets: there a read ends at a message that carries descriptors, although more follows.
const SHORT_IS_LAST: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "illumos",
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
));

/// Whether a stream's short read or write means that the next would block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    /// It does; this spares a system call that would only say so.
    IsLast,
    #[cfg(unix)]
    MeansNothing,
}

impl Short {
    fn take_back(self, registration: &Registration, event: ReadyEvent, n: usize, asked: usize) {
        if SHORT_IS_LAST && self == Short::IsLast && 0 < n && n < asked && !is_urgent(registration)
        {
            registration.clear_readiness(event);
        }
    }
}

/// Urgent data ends a read early.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_urgent(registration: &Registration) -> bool {
    registration.ready_now().is_priority()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_urgent(_registration: &Registration) -> bool {
    false
}

/// `AsyncRead::poll_read` of a stream.
pub(super) fn poll_read<S: Socket>(
    io: &PollEvented<S>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    short: Short,
) -> Poll<io::Result<()>> {
    let (asked, before) = (buf.remaining(), buf.filled().len());
    io.registration().poll_io(cx, Direction::Read, |event| {
        recv(&**io, buf)?;
        short.take_back(io.registration(), event, buf.filled().len() - before, asked);
        Ok(())
    })
}

/// `AsyncWrite::poll_write` of a stream.
pub(super) fn poll_write<S: Socket>(
    io: &PollEvented<S>,
    cx: &mut Context<'_>,
    buf: &[u8],
    short: Short,
) -> Poll<io::Result<usize>>
where
    for<'a> &'a S: Write,
{
    io.registration().poll_io(cx, Direction::Write, |event| {
        let n = (&**io).write(buf)?;
        short.take_back(io.registration(), event, n, buf.len());
        Ok(n)
    })
}

/// `AsyncWrite::poll_write_vectored` of a stream.
pub(super) fn poll_write_vectored<S: Source>(
    io: &PollEvented<S>,
    cx: &mut Context<'_>,
    bufs: &[IoSlice<'_>],
) -> Poll<io::Result<usize>>
where
    for<'a> &'a S: Write,
{
    io.registration().poll_io(cx, Direction::Write, |_| (&**io).write_vectored(bufs))
}

/// Ends the writing direction. That it has ended already, with the connection, is no error.
pub(super) fn shut_down_writing(
    shutdown: impl FnOnce(std::net::Shutdown) -> io::Result<()>,
) -> io::Result<()> {
    match shutdown(std::net::Shutdown::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}
