//! A TCP socket that neither listens nor is connected yet, for its options.

use super::{TcpListener, TcpStream};
use crate::net::attempt::is_in_progress;
use crate::net::descriptor::lends_descriptor;
use crate::net::ip_options::ip_options;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A TCP socket on the way to a [`TcpStream`] or a [`TcpListener`], for options that have to be
/// set before.
///
/// It belongs to no runtime before [`connect`](Self::connect) or [`listen`](Self::listen).
pub struct TcpSocket {
    inner: Socket,
}

impl TcpSocket {
    /// A socket for IPv4 addresses.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new_v4() -> io::Result<TcpSocket> {
        Self::new(Domain::IPV4)
    }

    /// A socket for IPv6 addresses.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new_v6() -> io::Result<TcpSocket> {
        Self::new(Domain::IPV6)
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        let inner = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        inner.set_nonblocking(true)?;
        Ok(TcpSocket { inner })
    }

    /// Takes over a socket of std's, which may be neither connected nor listening, in spite of its
    /// type, and has to be in non-blocking mode.
    #[must_use]
    pub fn from_std_stream(socket: std::net::TcpStream) -> TcpSocket {
        TcpSocket { inner: socket.into() }
    }

    /// Binds the socket to the address of this end.
    ///
    /// # Errors
    /// Those of the system, such as `AddrInUse` and `AddrNotAvailable`.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.inner.bind(&addr.into())
    }

    /// Connects.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    ///
    /// # Cancellation
    /// Dropping the future closes the socket.
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        match self.inner.connect(&addr.into()) {
            Err(error) if !is_in_progress(&error) => return Err(error),
            _ => {}
        }
        let socket = std::net::TcpStream::from(self.inner);
        TcpStream::connected(mio::net::TcpStream::from_std(socket)).await
    }

    /// Listens, with room for so many connections that nobody has accepted yet. The system has a
    /// limit of its own.
    ///
    /// # Errors
    /// Those of the system, and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.inner.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        let socket = std::net::TcpListener::from(self.inner);
        TcpListener::from_mio(mio::net::TcpListener::from_std(socket))
    }

    /// The address of this end.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip_addr(&self.inner.local_addr()?)
    }

    /// The error that the socket is in, if nobody has been told of it yet (`SO_ERROR`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    /// Whether the system asks a silent peer if it is still there (`SO_KEEPALIVE`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.inner.keepalive()
    }

    /// Sets whether the system asks a silent peer if it is still there (`SO_KEEPALIVE`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.inner.set_keepalive(keepalive)
    }

    /// Whether the socket may be bound to an address whose connections of before are still being
    /// wound up (`SO_REUSEADDR`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.inner.reuse_address()
    }

    /// Sets whether the socket may be bound to an address whose connections of before are still
    /// being wound up (`SO_REUSEADDR`). On Windows it allows much more.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        self.inner.set_reuse_address(reuseaddr)
    }

    /// Whether several sockets may be bound to the same address (`SO_REUSEPORT`).
    ///
    /// # Errors
    /// Those of the system.
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    pub fn reuseport(&self) -> io::Result<bool> {
        self.inner.reuse_port()
    }

    /// Sets whether several sockets may be bound to the same address (`SO_REUSEPORT`). Each has to
    /// be set.
    ///
    /// # Errors
    /// Those of the system.
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    pub fn set_reuseport(&self, reuseport: bool) -> io::Result<()> {
        self.inner.set_reuse_port(reuseport)
    }

    /// The size of the kernel's buffer for sending, in bytes (`SO_SNDBUF`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.inner.send_buffer_size().map(saturating)
    }

    /// Asks for a size of the kernel's buffer for sending, in bytes (`SO_SNDBUF`). Linux takes
    /// twice as much.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.inner.set_send_buffer_size(size as usize)
    }

    /// The size of the kernel's buffer for receiving, in bytes (`SO_RCVBUF`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.inner.recv_buffer_size().map(saturating)
    }

    /// Asks for a size of the kernel's buffer for receiving, in bytes (`SO_RCVBUF`). Linux takes
    /// twice as much.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.inner.set_recv_buffer_size(size as usize)
    }

    /// How long closing waits for what is unsent (`SO_LINGER`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.inner.linger()
    }

    /// Sets how long closing waits for what is unsent (`SO_LINGER`).
    ///
    /// # Errors
    /// Those of the system.
    #[deprecated = "closing the socket, and so dropping it, blocks the thread for as long; end the \
                    stream with `AsyncWriteExt::shutdown`, or see `set_zero_linger`"]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.inner.set_linger(linger)
    }

    /// Has closing throw away what is unsent and reset the connection (`SO_LINGER` with no time),
    /// which does not block.
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.inner.set_linger(Some(Duration::ZERO))
    }

    /// Whether small writes go out at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.inner.tcp_nodelay()
    }

    /// Sets whether small writes go out at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.inner.set_tcp_nodelay(nodelay)
    }

    ip_options!();
}

fn saturating(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn ip_addr(addr: &SockAddr) -> io::Result<SocketAddr> {
    let no_ip = || io::Error::new(io::ErrorKind::InvalidInput, "the socket is no IP socket");
    addr.as_socket().ok_or_else(no_ip)
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

lends_descriptor!(TcpSocket, inner);

#[cfg(unix)]
impl std::os::fd::IntoRawFd for TcpSocket {
    fn into_raw_fd(self) -> std::os::fd::RawFd {
        self.inner.into_raw_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::FromRawFd for TcpSocket {
    /// Takes over a TCP socket that is neither connected nor listening. It has to be in
    /// non-blocking mode.
    unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> TcpSocket {
        // SAFETY: the caller gives an open descriptor away.
        TcpSocket { inner: unsafe { Socket::from_raw_fd(fd) } }
    }
}

#[cfg(windows)]
impl std::os::windows::io::IntoRawSocket for TcpSocket {
    fn into_raw_socket(self) -> std::os::windows::io::RawSocket {
        self.inner.into_raw_socket()
    }
}

#[cfg(windows)]
impl std::os::windows::io::FromRawSocket for TcpSocket {
    /// Takes over a TCP socket that is neither connected nor listening. It has to be in
    /// non-blocking mode.
    unsafe fn from_raw_socket(socket: std::os::windows::io::RawSocket) -> TcpSocket {
        // SAFETY: the caller gives an open socket away.
        TcpSocket { inner: unsafe { Socket::from_raw_socket(socket) } }
    }
}
