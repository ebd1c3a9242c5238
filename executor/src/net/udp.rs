//! UDP sockets.

use crate::io::{ReadBuf, Ready};
use crate::net::addr::{ToSocketAddrs, first_of, no_address, resolve};
use crate::net::attempt::{self, READ, WRITE};
use crate::net::descriptor::{converts_to_std, lends_descriptor};
use crate::net::ip_options::ip_options;
use crate::net::methods::{datagram_methods, readiness_methods};
use crate::netpoll::poll_evented::PollEvented;
use crate::netpoll::scheduled_io::Direction;
use bytes::BufMut;
use socket2::{SockAddr, SockRef};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

/// A UDP socket.
///
/// All methods take `&self`, so that one task can send while others receive: share it in an
/// `Arc`. Either with any peer ([`send_to`](Self::send_to), [`recv_from`](Self::recv_from)), or with
/// one that it is [connected](Self::connect) to ([`send`](Self::send), [`recv`](Self::recv)).
///
/// ```
/// # extern crate preempt_executor as preempt;
/// use preempt::net::UdpSocket;
///
/// # let runtime = preempt::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.connect(server.local_addr()?).await?;
/// client.send(b"hello").await?;
///
/// let mut buf = [0; 1500];
/// let (n, peer) = server.recv_from(&mut buf).await?;
/// assert_eq!((&buf[..n], peer), (&b"hello"[..], client.local_addr()?));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UdpSocket {
    io: PollEvented<mio::net::UdpSocket>,
}

impl UdpSocket {
    /// Binds to the first of the addresses that `addr` names which is free. Port 0: the system
    /// chooses a port, see [`local_addr`](Self::local_addr).
    ///
    /// # Errors
    /// The last address's error, such as `AddrInUse` or `AddrNotAvailable`; `InvalidInput` if
    /// there is no address, those of the resolver; and if the runtime has shut down.
    ///
    /// # Panics
    /// Outside a runtime.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        first_of(addr, |addr| Self::from_mio(mio::net::UdpSocket::bind(addr)?)).await
    }

    #[track_caller]
    fn from_mio(socket: mio::net::UdpSocket) -> io::Result<UdpSocket> {
        let io = PollEvented::new(socket)?;
        // As a rule; it spares the first send a wait for the poller.
        io.registration().assume_ready(Ready::WRITABLE);
        Ok(UdpSocket { io })
    }

    /// Connects to the first of the addresses that `addr` names which can be: what is sent by
    /// [`send`](Self::send) goes there, and only what comes from there is received.
    ///
    /// # Errors
    /// The last address's error, `InvalidInput` if there is no address; those of the resolver.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        first_of(addr, |addr| self.io.connect(addr)).await
    }

    readiness_methods!();
    datagram_methods!();

    /// Sends a datagram to the first of the addresses that `addr` names.
    ///
    /// # Errors
    /// Those of the system, also those of an earlier datagram; `InvalidInput` if there is no
    /// address; those of the resolver; and if the runtime has shut down.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let addr = resolve(addr).await?.next().ok_or_else(no_address)?;
        self.io.registration().async_io(WRITE, || self.io.send_to(buf, addr)).await
    }

    /// As [`send_to`](Self::send_to), as a poll. Only the task that called last is woken.
    ///
    /// # Errors
    /// As for [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let send = |_| self.io.send_to(buf, target);
        self.io.registration().poll_io(cx, Direction::Write, send)
    }

    /// As [`send_to`](Self::send_to), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room, and those of [`send_to`](Self::send_to).
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.io.registration().try_io(WRITE, || self.io.send_to(buf, target))
    }

    /// Receives a datagram, and says whose it is. What does not fit into `buf` is lost.
    ///
    /// # Errors
    /// Those of the system, also what became of a datagram that was sent. If the runtime has shut
    /// down.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.registration().async_io(READ, || self.io.recv_from(buf)).await
    }

    /// As [`recv_from`](Self::recv_from), as a poll. Only the task that called last is woken.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let recv = |_| ip_addr(&attempt::recv_from(&*self.io, buf)?);
        self.io.registration().poll_io(cx, Direction::Read, recv)
    }

    /// As [`recv_from`](Self::recv_from), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, and those of [`recv_from`](Self::recv_from).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.registration().try_io(READ, || self.io.recv_from(buf))
    }

    /// As [`try_recv_from`](Self::try_recv_from), into the free space of `buf`, which need not be
    /// initialised.
    ///
    /// # Errors
    /// As for [`try_recv_from`](Self::try_recv_from).
    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.io.registration().try_io(READ, || self.recv_buf_from_once(buf))
    }

    /// As [`recv_from`](Self::recv_from), into the free space of `buf`, which need not be
    /// initialised.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        self.io.registration().async_io(READ, || self.recv_buf_from_once(buf)).await
    }

    fn recv_buf_from_once(&self, buf: &mut impl BufMut) -> io::Result<(usize, SocketAddr)> {
        let (n, peer) = attempt::into_buf_mut(buf, |buf| attempt::recv_from(&*self.io, buf))?;
        Ok((n, ip_addr(&peer)?))
    }

    /// As [`recv`](Self::recv), and leaves the datagram for the next call.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.registration().async_io(READ, || self.io.peek(buf)).await
    }

    /// As [`peek`](Self::peek), as a poll. Only the task that called last is woken.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let peek = |_| attempt::peek(&*self.io, buf);
        self.io.registration().poll_io(cx, Direction::Read, peek)
    }

    /// As [`peek`](Self::peek), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, and those of [`recv`](Self::recv).
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.registration().try_io(READ, || self.io.peek(buf))
    }

    /// As [`recv_from`](Self::recv_from), and leaves the datagram for the next call.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.registration().async_io(READ, || self.io.peek_from(buf)).await
    }

    /// As [`peek_from`](Self::peek_from), as a poll. Only the task that called last is woken.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let peek = |_| ip_addr(&attempt::peek_from(&*self.io, buf)?);
        self.io.registration().poll_io(cx, Direction::Read, peek)
    }

    /// As [`peek_from`](Self::peek_from), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, and those of [`recv_from`](Self::recv_from).
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.registration().try_io(READ, || self.io.peek_from(buf))
    }

    /// Waits for a datagram, leaves it for the next call, and says whose it is.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.io.registration().async_io(READ, || self.peek_sender_once()).await
    }

    /// As [`peek_sender`](Self::peek_sender), as a poll. Only the task that called last is woken.
    ///
    /// # Errors
    /// As for [`recv_from`](Self::recv_from).
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.io.registration().poll_io(cx, Direction::Read, |_| self.peek_sender_once())
    }

    /// As [`peek_sender`](Self::peek_sender), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, and those of [`recv_from`](Self::recv_from).
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.io.registration().try_io(READ, || self.peek_sender_once())
    }

    fn peek_sender_once(&self) -> io::Result<SocketAddr> {
        self.io.try_io(|| ip_addr(&SockRef::from(self).peek_sender()?))
    }
}

fn ip_addr(addr: &SockAddr) -> io::Result<SocketAddr> {
    addr.as_socket().ok_or_else(|| io::Error::other("the system does not say who sent it"))
}

converts_to_std!(UdpSocket, mio::net::UdpSocket, std::net::UdpSocket);
lends_descriptor!(UdpSocket, io);

/// Addresses and options.
impl UdpSocket {
    /// The address of this end.
    ///
    /// # Errors
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    /// Those of the system; `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr()
    }

    /// Whether it may send to a broadcast address (`SO_BROADCAST`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.io.broadcast()
    }

    /// Sets whether it may send to a broadcast address (`SO_BROADCAST`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.io.set_broadcast(on)
    }

    /// Whether what it sends to an IPv4 group comes back to this host (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.io.multicast_loop_v4()
    }

    /// Sets whether what it sends to an IPv4 group comes back to this host (`IP_MULTICAST_LOOP`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.io.set_multicast_loop_v4(on)
    }

    /// How many hops what it sends to an IPv4 group may take (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.io.multicast_ttl_v4()
    }

    /// Sets how many hops what it sends to an IPv4 group may take (`IP_MULTICAST_TTL`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.io.set_multicast_ttl_v4(ttl)
    }

    /// Whether what it sends to an IPv6 group comes back to this host (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.io.multicast_loop_v6()
    }

    /// Sets whether what it sends to an IPv6 group comes back to this host
    /// (`IPV6_MULTICAST_LOOP`).
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.io.set_multicast_loop_v6(on)
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

    /// Joins an IPv4 group on the interface with that address; `0.0.0.0`: the system chooses one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.join_multicast_v4(&multiaddr, &interface)
    }

    /// Joins an IPv6 group on the interface with that index; 0: the system chooses one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.join_multicast_v6(multiaddr, interface)
    }

    /// Leaves an IPv4 group, see [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    /// Those of the system.
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.leave_multicast_v4(&multiaddr, &interface)
    }

    /// Leaves an IPv6 group, see [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    /// Those of the system.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.leave_multicast_v6(multiaddr, interface)
    }

    ip_options!();
}
