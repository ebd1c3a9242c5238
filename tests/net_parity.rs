//! Goal: code that is written against `tokio::net` and `tokio::io` moves over by renaming.
//! Method: the same text is compiled against both crates. It calls every public method of the
//! types with its arguments and results spelled out, and is never run.
#![cfg(target_os = "linux")]
#![allow(dead_code, deprecated, unreachable_code, reason = "the code is only compiled")]
#![allow(clippy::too_many_arguments, unused_must_use, reason = "the code is only compiled")]

use std::io::{IoSlice, IoSliceMut, Result};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll};
use std::time::Duration;

/// A value that no code comes to.
fn any<T>() -> T {
    unreachable!("the code is only compiled")
}

fn is_send<T: Send>(it: T) -> T {
    it
}

macro_rules! code {
    ($name:ident, $krate:ident) => {
        mod $name {
            use super::*;
            use $krate::io::unix::{AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, TryIoError};
            use $krate::io::{
                AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt,
                AsyncWrite, AsyncWriteExt, BufReader, BufStream, BufWriter, DuplexStream, Interest,
                ReadBuf, Ready,
            };
            use $krate::net::{
                TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, UnixDatagram,
                UnixListener, UnixSocket, UnixStream, lookup_host, tcp, unix,
            };

            fn traits<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug>() {}

            fn all_traits() {
                traits::<TcpStream>();
                traits::<UnixStream>();
                traits::<DuplexStream>();
                traits::<BufStream<TcpStream>>();
                fn reads<T: AsyncRead + Unpin + Send + Sync>() {}
                reads::<tcp::ReadHalf<'_>>();
                reads::<tcp::OwnedReadHalf>();
                reads::<unix::ReadHalf<'_>>();
                reads::<unix::OwnedReadHalf>();
                reads::<unix::pipe::Receiver>();
                fn writes<T: AsyncWrite + Unpin + Send + Sync>() {}
                writes::<tcp::WriteHalf<'_>>();
                writes::<tcp::OwnedWriteHalf>();
                writes::<unix::WriteHalf<'_>>();
                writes::<unix::OwnedWriteHalf>();
                writes::<unix::pipe::Sender>();
                writes::<BufWriter<TcpStream>>();
                fn buffers<T: AsyncBufRead>() {}
                buffers::<BufReader<TcpStream>>();
                fn seeks<T: AsyncSeek>() {}
                seeks::<std::io::Cursor<Vec<u8>>>();
                fn lends<T: AsRawFd + AsFd>() {}
                lends::<TcpListener>();
                lends::<TcpSocket>();
                lends::<TcpStream>();
                lends::<UdpSocket>();
                lends::<UnixListener>();
                lends::<UnixSocket>();
                lends::<UnixStream>();
                lends::<UnixDatagram>();
                lends::<unix::pipe::Sender>();
                lends::<unix::pipe::Receiver>();
                lends::<AsyncFd<OwnedFd>>();
                fn given<T: FromRawFd + IntoRawFd>() {}
                given::<TcpSocket>();
                given::<UnixSocket>();
                fn refers<T: AsRef<S>, S>() {}
                refers::<TcpStream, TcpStream>();
                refers::<tcp::ReadHalf<'_>, TcpStream>();
                refers::<tcp::OwnedWriteHalf, TcpStream>();
                refers::<UnixStream, UnixStream>();
                refers::<unix::OwnedReadHalf, UnixStream>();
                fn is_error<T: std::error::Error>() {}
                is_error::<tcp::ReuniteError>();
                is_error::<unix::ReuniteError>();
                is_error::<$krate::io::unix::AsyncFdRegisterError<OwnedFd>>();
                fn unwinds<T: UnwindSafe + RefUnwindSafe>() {}
                unwinds::<TcpListener>();
                unwinds::<TcpStream>();
                unwinds::<tcp::OwnedReadHalf>();
                unwinds::<tcp::OwnedWriteHalf>();
                unwinds::<UdpSocket>();
                unwinds::<UnixListener>();
                unwinds::<UnixStream>();
                unwinds::<UnixDatagram>();
                unwinds::<unix::pipe::Sender>();
                fn tries<T: TryFrom<S, Error = std::io::Error>, S>() {}
                tries::<TcpListener, std::net::TcpListener>();
                tries::<TcpStream, std::net::TcpStream>();
                tries::<UdpSocket, std::net::UdpSocket>();
                tries::<UnixListener, std::os::unix::net::UnixListener>();
                tries::<UnixStream, std::os::unix::net::UnixStream>();
                tries::<UnixDatagram, std::os::unix::net::UnixDatagram>();
            }

            fn addresses() {
                fn names<T: ToSocketAddrs + ?Sized>() {}
                names::<SocketAddr>();
                names::<std::net::SocketAddrV4>();
                names::<std::net::SocketAddrV6>();
                names::<(std::net::IpAddr, u16)>();
                names::<(Ipv4Addr, u16)>();
                names::<(Ipv6Addr, u16)>();
                names::<&[SocketAddr]>();
                names::<str>();
                names::<&str>();
                names::<String>();
                names::<&String>();
                names::<(&str, u16)>();
                names::<(String, u16)>();
            }

            async fn names(name: &str) {
                let found = is_send(lookup_host(name)).await;
                let _: Vec<SocketAddr> = found.unwrap().collect();
            }

            fn sets() {
                let all: [Ready; 8] = [
                    Ready::EMPTY,
                    Ready::READABLE,
                    Ready::WRITABLE,
                    Ready::READ_CLOSED,
                    Ready::WRITE_CLOSED,
                    Ready::PRIORITY,
                    Ready::ERROR,
                    Ready::ALL,
                ];
                let mut it = all[0] | all[1] & all[2] - all[3];
                it |= all[4];
                let _: bool = it.is_empty() && it.is_readable() && it.is_writable();
                let _: bool = it.is_read_closed() && it.is_write_closed();
                let _: bool = it.is_priority() && it.is_error() && it == all[5] && it < all[6];
                const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
                let mut it = BOTH | Interest::PRIORITY;
                it |= Interest::ERROR;
                let _: bool = it.is_readable() && it.is_writable() && it.is_priority();
                let _: bool = it.is_error() && it == BOTH;
                let _: Option<Interest> = it.remove(BOTH);
                format!("{it:?}");
            }

            async fn tcp_listener(cx: &mut Context<'_>) -> Result<()> {
                let it: TcpListener = is_send(TcpListener::bind("x:1")).await?;
                let _: (TcpStream, SocketAddr) = is_send(it.accept()).await?;
                let _: Poll<Result<(TcpStream, SocketAddr)>> = it.poll_accept(cx);
                let _: TcpListener = TcpListener::from_std(any())?;
                let _: SocketAddr = it.local_addr()?;
                let _: u32 = it.ttl()?;
                let _: () = it.set_ttl(1)?;
                let _: std::net::TcpListener = it.into_std()?;
                Ok(())
            }

            async fn tcp_socket() -> Result<()> {
                let it: TcpSocket = TcpSocket::new_v4()?;
                let it6: TcpSocket = TcpSocket::new_v6()?;
                let _: (bool, ()) = (it.keepalive()?, it.set_keepalive(true)?);
                let _: (bool, ()) = (it.reuseaddr()?, it.set_reuseaddr(true)?);
                let _: (bool, ()) = (it.reuseport()?, it.set_reuseport(true)?);
                let _: (u32, ()) = (it.send_buffer_size()?, it.set_send_buffer_size(1)?);
                let _: (u32, ()) = (it.recv_buffer_size()?, it.set_recv_buffer_size(1)?);
                let _: (Option<Duration>, ()) = (it.linger()?, it.set_linger(None)?);
                let _: () = it.set_zero_linger()?;
                let _: (bool, ()) = (it.nodelay()?, it.set_nodelay(true)?);
                let _: (u32, ()) = (it.tos_v4()?, it.set_tos_v4(1)?);
                let _: (u32, ()) = (it.tclass_v6()?, it.set_tclass_v6(1)?);
                let _: (Option<Vec<u8>>, ()) = (it.device()?, it.bind_device(Some(b"x"))?);
                let _: SocketAddr = it.local_addr()?;
                let _: Option<std::io::Error> = it.take_error()?;
                let _: () = it.bind(any())?;
                let _: TcpStream = is_send(it.connect(any())).await?;
                let _: TcpListener = it6.listen(1)?;
                let _: TcpSocket = TcpSocket::from_std_stream(any());
                Ok(())
            }

            async fn tcp_stream(
                cx: &mut Context<'_>,
                buf: &mut [u8],
                bufs: &mut [IoSliceMut<'_>],
                out: &[IoSlice<'_>],
                read_buf: &mut ReadBuf<'_>,
                vec: &mut Vec<u8>,
            ) -> Result<()> {
                let mut it: TcpStream = is_send(TcpStream::connect(("x", 1))).await?;
                let _: TcpStream = TcpStream::from_std(any())?;
                let _: (SocketAddr, SocketAddr) = (it.local_addr()?, it.peer_addr()?);
                let _: Option<std::io::Error> = it.take_error()?;
                let _: Poll<Result<usize>> = it.poll_peek(cx, read_buf);
                let _: Ready = is_send(it.ready(Interest::READABLE)).await?;
                let _: () = is_send(it.readable()).await?;
                let _: () = is_send(it.writable()).await?;
                let _: Poll<Result<()>> = it.poll_read_ready(cx);
                let _: Poll<Result<()>> = it.poll_write_ready(cx);
                let _: usize = it.try_read(buf)?;
                let _: usize = it.try_read_vectored(bufs)?;
                let _: usize = it.try_read_buf(vec)?;
                let _: usize = it.try_write(buf)?;
                let _: usize = it.try_write_vectored(out)?;
                let _: u8 = it.try_io(Interest::READABLE, || Ok(1))?;
                let _: u8 = it.async_io(Interest::READABLE, || Ok(1)).await?;
                let _: usize = is_send(it.peek(buf)).await?;
                let _: (bool, ()) = (it.nodelay()?, it.set_nodelay(true)?);
                let _: (bool, ()) = (it.quickack()?, it.set_quickack(true)?);
                let _: (Option<Duration>, ()) = (it.linger()?, it.set_linger(None)?);
                let _: () = it.set_zero_linger()?;
                let _: (u32, ()) = (it.ttl()?, it.set_ttl(1)?);
                let _: usize = is_send(it.read(buf)).await?;
                let _: () = is_send(it.write_all(buf)).await?;
                {
                    let (mut read, write): (tcp::ReadHalf<'_>, tcp::WriteHalf<'_>) = it.split();
                    let _: Poll<Result<usize>> = read.poll_peek(cx, read_buf);
                    let _: usize = is_send(read.peek(buf)).await?;
                    let _: Ready = is_send(read.ready(Interest::READABLE)).await?;
                    let _: () = is_send(read.readable()).await?;
                    let _: usize = read.try_read(buf)? + read.try_read_vectored(bufs)?;
                    let _: usize = read.try_read_buf(vec)?;
                    let _: (SocketAddr, SocketAddr) = (read.local_addr()?, read.peer_addr()?);
                    let _: Ready = is_send(write.ready(Interest::READABLE)).await?;
                    let _: () = is_send(write.writable()).await?;
                    let _: usize = write.try_write(buf)? + write.try_write_vectored(out)?;
                    let _: (SocketAddr, SocketAddr) = (write.local_addr()?, write.peer_addr()?);
                }
                let (mut read, write): (tcp::OwnedReadHalf, tcp::OwnedWriteHalf) = it.into_split();
                let _: Poll<Result<usize>> = read.poll_peek(cx, read_buf);
                let _: usize = is_send(read.peek(buf)).await?;
                let _: Ready = is_send(read.ready(Interest::READABLE)).await?;
                let _: () = is_send(read.readable()).await?;
                let _: usize = read.try_read(buf)? + read.try_read_vectored(bufs)?;
                let _: usize = read.try_read_buf(vec)?;
                let _: (SocketAddr, SocketAddr) = (read.local_addr()?, read.peer_addr()?);
                let _: Ready = is_send(write.ready(Interest::READABLE)).await?;
                let _: () = is_send(write.writable()).await?;
                let _: usize = write.try_write(buf)? + write.try_write_vectored(out)?;
                let _: (SocketAddr, SocketAddr) = (write.local_addr()?, write.peer_addr()?);
                let it: TcpStream = match read.reunite(write) {
                    Ok(it) => it,
                    Err(tcp::ReuniteError(read, write)) => write.reunite(read).unwrap(),
                };
                any::<tcp::OwnedWriteHalf>().forget();
                let _: std::net::TcpStream = it.into_std()?;
                Ok(())
            }

            async fn udp(
                cx: &mut Context<'_>,
                buf: &mut [u8],
                read_buf: &mut ReadBuf<'_>,
                vec: &mut Vec<u8>,
                addr: SocketAddr,
            ) -> Result<()> {
                let it: UdpSocket = is_send(UdpSocket::bind("x:1")).await?;
                let _: UdpSocket = UdpSocket::from_std(any())?;
                let _: (SocketAddr, SocketAddr) = (it.local_addr()?, it.peer_addr()?);
                let _: () = is_send(it.connect("x:1")).await?;
                let _: Ready = is_send(it.ready(Interest::READABLE)).await?;
                let _: () = is_send(it.readable()).await?;
                let _: () = is_send(it.writable()).await?;
                let _: Poll<Result<()>> = it.poll_send_ready(cx);
                let _: Poll<Result<()>> = it.poll_recv_ready(cx);
                let _: usize = is_send(it.send(buf)).await?;
                let _: Poll<Result<usize>> = it.poll_send(cx, buf);
                let _: usize = it.try_send(buf)?;
                let _: usize = is_send(it.recv(buf)).await?;
                let _: Poll<Result<()>> = it.poll_recv(cx, read_buf);
                let _: usize = it.try_recv(buf)?;
                let _: usize = it.try_recv_buf(vec)?;
                let _: usize = is_send(it.recv_buf(vec)).await?;
                let _: (usize, SocketAddr) = it.try_recv_buf_from(vec)?;
                let _: (usize, SocketAddr) = is_send(it.recv_buf_from(vec)).await?;
                let _: usize = is_send(it.send_to(buf, "x:1")).await?;
                let _: Poll<Result<usize>> = it.poll_send_to(cx, buf, addr);
                let _: usize = it.try_send_to(buf, addr)?;
                let _: (usize, SocketAddr) = is_send(it.recv_from(buf)).await?;
                let _: Poll<Result<SocketAddr>> = it.poll_recv_from(cx, read_buf);
                let _: (usize, SocketAddr) = it.try_recv_from(buf)?;
                let _: u8 = it.try_io(Interest::READABLE, || Ok(1))?;
                let _: u8 = it.async_io(Interest::READABLE, || Ok(1)).await?;
                let _: usize = is_send(it.peek(buf)).await?;
                let _: Poll<Result<()>> = it.poll_peek(cx, read_buf);
                let _: usize = it.try_peek(buf)?;
                let _: (usize, SocketAddr) = is_send(it.peek_from(buf)).await?;
                let _: Poll<Result<SocketAddr>> = it.poll_peek_from(cx, read_buf);
                let _: (usize, SocketAddr) = it.try_peek_from(buf)?;
                let _: SocketAddr = is_send(it.peek_sender()).await?;
                let _: Poll<Result<SocketAddr>> = it.poll_peek_sender(cx);
                let _: SocketAddr = it.try_peek_sender()?;
                let _: (bool, ()) = (it.broadcast()?, it.set_broadcast(true)?);
                let _: (bool, ()) = (it.multicast_loop_v4()?, it.set_multicast_loop_v4(true)?);
                let _: (u32, ()) = (it.multicast_ttl_v4()?, it.set_multicast_ttl_v4(1)?);
                let _: (bool, ()) = (it.multicast_loop_v6()?, it.set_multicast_loop_v6(true)?);
                let _: (u32, ()) = (it.ttl()?, it.set_ttl(1)?);
                let _: (u32, ()) = (it.tos_v4()?, it.set_tos_v4(1)?);
                let _: (u32, ()) = (it.tclass_v6()?, it.set_tclass_v6(1)?);
                let _: (Option<Vec<u8>>, ()) = (it.device()?, it.bind_device(Some(b"x"))?);
                let _: () = it.join_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)?;
                let _: () = it.leave_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)?;
                let _: () = it.join_multicast_v6(&Ipv6Addr::LOCALHOST, 0)?;
                let _: () = it.leave_multicast_v6(&Ipv6Addr::LOCALHOST, 0)?;
                let _: Option<std::io::Error> = it.take_error()?;
                let _: std::net::UdpSocket = it.into_std()?;
                Ok(())
            }

            async fn unix_listener(cx: &mut Context<'_>) -> Result<()> {
                let it: UnixListener = UnixListener::bind("x")?;
                let addr: unix::SocketAddr = it.local_addr()?;
                let _: UnixListener = UnixListener::bind_addr(&addr)?;
                let _: UnixListener = UnixListener::from_std(any())?;
                let _: Option<std::io::Error> = it.take_error()?;
                let _: (UnixStream, unix::SocketAddr) = is_send(it.accept()).await?;
                let _: Poll<Result<(UnixStream, unix::SocketAddr)>> = it.poll_accept(cx);
                let _: std::os::unix::net::UnixListener = it.into_std()?;
                let _: (bool, Option<&std::path::Path>) = (addr.is_unnamed(), addr.as_pathname());
                let _: Option<&[u8]> = addr.as_abstract_name();
                let std: std::os::unix::net::SocketAddr = addr.clone().into();
                let _: unix::SocketAddr = std.into();
                Ok(())
            }

            async fn unix_socket() -> Result<()> {
                let it: UnixSocket = UnixSocket::new_stream()?;
                let _: () = it.bind("x")?;
                let _: UnixListener = it.listen(1)?;
                let _: UnixStream = is_send(UnixSocket::new_stream()?.connect("x")).await?;
                let _: UnixDatagram = UnixSocket::new_datagram()?.datagram()?;
                Ok(())
            }

            async fn unix_stream(
                cx: &mut Context<'_>,
                buf: &mut [u8],
                bufs: &mut [IoSliceMut<'_>],
                out: &[IoSlice<'_>],
                vec: &mut Vec<u8>,
            ) -> Result<()> {
                let mut it: UnixStream = is_send(UnixStream::connect("x")).await?;
                let (_, _): (UnixStream, UnixStream) = UnixStream::pair()?;
                let _: UnixStream = UnixStream::from_std(any())?;
                let addr: unix::SocketAddr = it.local_addr()?;
                let _: unix::SocketAddr = it.peer_addr()?;
                let _: UnixStream = is_send(UnixStream::connect_addr(&addr)).await?;
                let cred: unix::UCred = it.peer_cred()?;
                let _: (unix::uid_t, unix::gid_t) = (cred.uid(), cred.gid());
                let _: Option<unix::pid_t> = cred.pid();
                let _: Option<std::io::Error> = it.take_error()?;
                let _: Ready = is_send(it.ready(Interest::READABLE)).await?;
                let _: () = is_send(it.readable()).await?;
                let _: () = is_send(it.writable()).await?;
                let _: Poll<Result<()>> = it.poll_read_ready(cx);
                let _: Poll<Result<()>> = it.poll_write_ready(cx);
                let _: usize = it.try_read(buf)? + it.try_read_vectored(bufs)?;
                let _: usize = it.try_read_buf(vec)?;
                let _: usize = it.try_write(buf)? + it.try_write_vectored(out)?;
                let _: u8 = it.try_io(Interest::READABLE, || Ok(1))?;
                let _: u8 = it.async_io(Interest::READABLE, || Ok(1)).await?;
                {
                    let (read, write): (unix::ReadHalf<'_>, unix::WriteHalf<'_>) = it.split();
                    let _: Ready = is_send(read.ready(Interest::READABLE)).await?;
                    let _: () = is_send(read.readable()).await?;
                    let _: usize = read.try_read(buf)? + read.try_read_vectored(bufs)?;
                    let _: usize = read.try_read_buf(vec)?;
                    let _: unix::SocketAddr = read.local_addr()?;
                    let _: Ready = is_send(write.ready(Interest::READABLE)).await?;
                    let _: () = is_send(write.writable()).await?;
                    let _: usize = write.try_write(buf)? + write.try_write_vectored(out)?;
                    let _: unix::SocketAddr = write.peer_addr()?;
                }
                let (read, write): (unix::OwnedReadHalf, unix::OwnedWriteHalf) = it.into_split();
                let _: Ready = is_send(read.ready(Interest::READABLE)).await?;
                let _: () = is_send(read.readable()).await?;
                let _: usize = read.try_read(buf)? + read.try_read_vectored(bufs)?;
                let _: usize = read.try_read_buf(vec)?;
                let _: Ready = is_send(write.ready(Interest::READABLE)).await?;
                let _: () = is_send(write.writable()).await?;
                let _: usize = write.try_write(buf)? + write.try_write_vectored(out)?;
                let _: (unix::SocketAddr, unix::SocketAddr) =
                    (read.peer_addr()?, write.local_addr()?);
                let it: UnixStream = match read.reunite(write) {
                    Ok(it) => it,
                    Err(unix::ReuniteError(read, write)) => write.reunite(read).unwrap(),
                };
                any::<unix::OwnedWriteHalf>().forget();
                let _: std::os::unix::net::UnixStream = it.into_std()?;
                Ok(())
            }

            async fn unix_datagram(
                cx: &mut Context<'_>,
                buf: &mut [u8],
                read_buf: &mut ReadBuf<'_>,
                vec: &mut Vec<u8>,
            ) -> Result<()> {
                let it: UnixDatagram = UnixDatagram::bind("x")?;
                let (_, _): (UnixDatagram, UnixDatagram) = UnixDatagram::pair()?;
                let _: UnixDatagram = UnixDatagram::unbound()?;
                let _: UnixDatagram = UnixDatagram::from_std(any())?;
                let _: () = it.connect("x")?;
                let _: Ready = is_send(it.ready(Interest::READABLE)).await?;
                let _: () = is_send(it.readable()).await?;
                let _: () = is_send(it.writable()).await?;
                let _: Poll<Result<()>> = it.poll_send_ready(cx);
                let _: Poll<Result<()>> = it.poll_recv_ready(cx);
                let _: usize = is_send(it.send(buf)).await?;
                let _: Poll<Result<usize>> = it.poll_send(cx, buf);
                let _: usize = it.try_send(buf)?;
                let _: usize = is_send(it.recv(buf)).await?;
                let _: Poll<Result<()>> = it.poll_recv(cx, read_buf);
                let _: usize = it.try_recv(buf)?;
                let _: usize = it.try_recv_buf(vec)?;
                let _: usize = is_send(it.recv_buf(vec)).await?;
                let _: (usize, unix::SocketAddr) = it.try_recv_buf_from(vec)?;
                let _: (usize, unix::SocketAddr) = is_send(it.recv_buf_from(vec)).await?;
                let _: usize = is_send(it.send_to(buf, "x")).await?;
                let _: Poll<Result<usize>> = it.poll_send_to(cx, buf, "x");
                let _: usize = it.try_send_to(buf, "x")?;
                let _: (usize, unix::SocketAddr) = is_send(it.recv_from(buf)).await?;
                let _: Poll<Result<unix::SocketAddr>> = it.poll_recv_from(cx, read_buf);
                let _: (usize, unix::SocketAddr) = it.try_recv_from(buf)?;
                let _: u8 = it.try_io(Interest::READABLE, || Ok(1))?;
                let _: u8 = it.async_io(Interest::READABLE, || Ok(1)).await?;
                let _: (unix::SocketAddr, unix::SocketAddr) = (it.local_addr()?, it.peer_addr()?);
                let _: Option<std::io::Error> = it.take_error()?;
                let _: () = it.shutdown(std::net::Shutdown::Both)?;
                let _: std::os::unix::net::UnixDatagram = it.into_std()?;
                Ok(())
            }

            async fn pipes(
                cx: &mut Context<'_>,
                buf: &mut [u8],
                bufs: &mut [IoSliceMut<'_>],
                out: &[IoSlice<'_>],
                vec: &mut Vec<u8>,
            ) -> Result<()> {
                use unix::pipe::{OpenOptions, Receiver, Sender, pipe};
                let (sender, receiver): (Sender, Receiver) = pipe()?;
                let mut options: OpenOptions = OpenOptions::new();
                let options: &mut OpenOptions = options.read_write(true).unchecked(true);
                let _: (Receiver, Sender) =
                    (options.open_receiver("x")?, options.open_sender("x")?);
                let _: (Sender, Sender) =
                    (Sender::from_file(any())?, Sender::from_owned_fd(any())?);
                let _: Sender = Sender::from_file_unchecked(any())?;
                let _: Sender = Sender::from_owned_fd_unchecked(any())?;
                let _: Ready = is_send(sender.ready(Interest::WRITABLE)).await?;
                let _: () = is_send(sender.writable()).await?;
                let _: Poll<Result<()>> = sender.poll_write_ready(cx);
                let _: usize = sender.try_write(buf)? + sender.try_write_vectored(out)?;
                let _: u8 = sender.try_io(|| Ok(1))?;
                let _: OwnedFd = sender.into_blocking_fd()?;
                let _: Receiver = Receiver::from_file(any())?;
                let _: Receiver = Receiver::from_owned_fd(any())?;
                let _: Receiver = Receiver::from_file_unchecked(any())?;
                let _: Receiver = Receiver::from_owned_fd_unchecked(any())?;
                let _: Ready = is_send(receiver.ready(Interest::READABLE)).await?;
                let _: () = is_send(receiver.readable()).await?;
                let _: Poll<Result<()>> = receiver.poll_read_ready(cx);
                let _: usize = receiver.try_read(buf)? + receiver.try_read_vectored(bufs)?;
                let _: usize = receiver.try_read_buf(vec)?;
                let _: u8 = receiver.try_io(|| Ok(1))?;
                let _: OwnedFd = receiver.into_nonblocking_fd()?;
                Ok(())
            }

            async fn async_fd(cx: &mut Context<'_>) -> Result<()> {
                const READ: Interest = Interest::READABLE;
                let mut it: AsyncFd<OwnedFd> = AsyncFd::new(any())?;
                let _: AsyncFd<OwnedFd> = AsyncFd::with_interest(any(), READ)?;
                let _: AsyncFd<OwnedFd> = AsyncFd::try_new(any())?;
                // SAFETY: never called.
                let _: AsyncFd<OwnedFd> = unsafe { AsyncFd::register(any()) }?;
                let _: AsyncFd<OwnedFd> = match AsyncFd::try_with_interest(any(), READ) {
                    Ok(it) => it,
                    Err(error) => {
                        let (_, error): (OwnedFd, std::io::Error) = error.into_parts();
                        return Err(error);
                    }
                };
                let _: &OwnedFd = it.get_ref();
                let _: &mut OwnedFd = it.get_mut();
                {
                    let guard: Poll<Result<AsyncFdReadyGuard<'_, OwnedFd>>> =
                        it.poll_read_ready(cx);
                    drop(guard);
                    drop(it.poll_write_ready(cx));
                    drop(it.poll_read_ready_mut(cx));
                    drop(it.poll_write_ready_mut(cx));
                    drop(is_send(it.ready(READ)).await?);
                    drop(is_send(it.ready_mut(READ)).await?);
                    drop(is_send(it.writable()).await?);
                    drop(is_send(it.writable_mut()).await?);
                    let mut guard: AsyncFdReadyGuard<'_, OwnedFd> = is_send(it.readable()).await?;
                    guard.clear_ready();
                    guard.clear_ready_matching(Ready::READABLE);
                    guard.retain_ready();
                    let _: Ready = guard.ready();
                    let _: std::result::Result<Result<u8>, TryIoError> = guard.try_io(|_| Ok(1));
                    let _: &AsyncFd<OwnedFd> = guard.get_ref();
                    let _: &OwnedFd = guard.get_inner();
                    let mut guard: AsyncFdReadyMutGuard<'_, OwnedFd> =
                        is_send(it.readable_mut()).await?;
                    guard.clear_ready();
                    guard.clear_ready_matching(Ready::READABLE);
                    guard.retain_ready();
                    let _: Ready = guard.ready();
                    let _: std::result::Result<Result<u8>, TryIoError> = guard.try_io(|_| Ok(1));
                    let _: &AsyncFd<OwnedFd> = guard.get_ref();
                    let _: &mut AsyncFd<OwnedFd> = guard.get_mut();
                    let _: &OwnedFd = guard.get_inner();
                    let _: &mut OwnedFd = guard.get_inner_mut();
                }
                let _: u8 = it.async_io(READ, |_: &OwnedFd| Ok(1)).await?;
                let _: u8 = it.async_io_mut(READ, |_: &mut OwnedFd| Ok(1)).await?;
                let _: u8 = it.try_io(READ, |_: &OwnedFd| Ok(1))?;
                let _: u8 = it.try_io_mut(READ, |_: &mut OwnedFd| Ok(1))?;
                let _: OwnedFd = it.into_inner();
                Ok(())
            }

            async fn utilities(stream: TcpStream) -> Result<()> {
                use $krate::io;
                let (one, mut other): (DuplexStream, DuplexStream) = io::duplex(64);
                let (mut read, mut write): (io::ReadHalf<_>, io::WriteHalf<_>) = io::split(one);
                let _: u64 = io::copy(&mut read, &mut write).await?;
                let mut joined: io::Join<_, _> = io::join(read, write);
                let _: (u64, u64) = io::copy_bidirectional(&mut joined, &mut other).await?;
                let _: (u64, u64) =
                    io::copy_bidirectional_with_sizes(&mut joined, &mut other, 1, 1).await?;
                let mut reader: BufReader<TcpStream> = BufReader::new(stream);
                let _: usize = reader.read_line(&mut String::new()).await?;
                let _: u64 = io::copy_buf(&mut reader, &mut io::sink()).await?;
                let _: io::Lines<_> = reader.lines();
                let _: io::Split<_> = BufReader::new(io::empty()).split(b'x');
                let _: io::Take<io::Repeat> = io::repeat(1).take(3);
                let _: io::Chain<io::Empty, io::Repeat> = io::empty().chain(io::repeat(1));
                let _: (io::ReadHalf<io::SimplexStream>, io::WriteHalf<io::SimplexStream>) =
                    io::simplex(64);
                let _: io::Sink = io::sink();
                let _: u64 =
                    std::io::Cursor::new(Vec::<u8>::new()).seek(io::SeekFrom::End(0)).await?;
                let _: io::Result<io::ErrorKind> = Ok(io::Error::other("x").kind());
                Ok(())
            }
        }
    };
}

code!(with_preempt, preempt);
code!(with_tokio, tokio);
