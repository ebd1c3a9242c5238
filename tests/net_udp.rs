//! Goal: UDP sockets, connected or not, keep the borders of datagrams and tell of errors.
//! Method: sockets of this process on the loopback interface, on every kind of runtime.

mod net_support;

use net_support::*;
use preempt::io::{ErrorKind, Interest, ReadBuf};
use preempt::net::UdpSocket;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

async fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

/// Two sockets that are connected to each other.
async fn connected_pair() -> (UdpSocket, UdpSocket) {
    let ((one, one_addr), (other, other_addr)) = (socket().await, socket().await);
    one.connect(other_addr).await.unwrap();
    other.connect(one_addr).await.unwrap();
    (one, other)
}

#[test]
fn datagrams_to_anybody() {
    on_each(|| async {
        let ((one, one_addr), (other, other_addr)) = (socket().await, socket().await);
        assert_kind(one.peer_addr(), ErrorKind::NotConnected);
        let mut buf = [0; 16];
        {
            let mut receiving = pin!(other.recv_from(&mut buf));
            assert!(is_pending(&mut receiving).await);
            assert_eq!(one.send_to(b"hello", other_addr).await.unwrap(), 5);
            assert_eq!(receiving.await.unwrap(), (5, one_addr));
        }
        assert_eq!(&buf[..5], b"hello");
        // An empty datagram is one.
        one.send_to(b"", other_addr).await.unwrap();
        assert_eq!(other.recv_from(&mut buf).await.unwrap(), (0, one_addr));
        // What does not fit is lost.
        one.send_to(b"0123456789", other_addr).await.unwrap();
        one.send_to(b"next", other_addr).await.unwrap();
        assert_eq!(other.recv_from(&mut buf[..4]).await.unwrap(), (4, one_addr));
        assert_eq!(other.recv_from(&mut buf).await.unwrap(), (4, one_addr));
        assert_eq!(&buf[..4], b"next");
        let none: &[SocketAddr] = &[];
        assert_kind(one.send_to(b"x", none).await, ErrorKind::InvalidInput);
    });
}

#[test]
fn connected_sockets_hear_only_each_other() {
    on_each(|| async {
        let (one, other) = connected_pair().await;
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        let (stranger, _) = socket().await;
        stranger.send_to(b"stranger", other.local_addr().unwrap()).await.unwrap();
        one.send(b"friend").await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(other.recv(&mut buf).await.unwrap(), 6);
        assert_eq!(&buf[..6], b"friend");
        assert_kind(other.try_recv(&mut buf), ErrorKind::WouldBlock);
    });
}

#[test]
fn one_task_sends_while_others_receive() {
    const DATAGRAMS: usize = 500;
    on_each(|| async {
        let (one, other) = connected_pair().await;
        let other = Arc::new(other);
        let received = Count::default();
        let receivers: Vec<_> = (0..3)
            .map(|_| {
                let (other, received) = (other.clone(), received.clone());
                preempt::spawn(async move {
                    let mut buf = [0; 8];
                    loop {
                        let n = other.recv(&mut buf).await.unwrap();
                        assert_eq!(n, 8);
                        received.add_one();
                    }
                })
            })
            .collect();
        for sent in 0..DATAGRAMS {
            one.send(&sent.to_be_bytes()).await.unwrap();
            // Not more than fit into the receiver's buffer.
            while received.get() + 16 < sent {
                preempt::task::yield_now().await;
            }
        }
        while received.get() < DATAGRAMS {
            preempt::task::yield_now().await;
        }
        receivers.iter().for_each(preempt::task::JoinHandle::abort);
    });
}

#[test]
fn what_became_of_a_datagram_is_told_to_who_waits() {
    on_each(|| async {
        let ((one, _), (other, other_addr)) = (socket().await, socket().await);
        one.connect(other_addr).await.unwrap();
        drop(other);
        let mut buf = [0; 8];
        {
            let mut receiving = pin!(one.recv(&mut buf));
            assert!(is_pending(&mut receiving).await);
            one.send(b"x").await.unwrap();
            assert_kind(receiving.await, ErrorKind::ConnectionRefused);
        }
        one.send(b"x").await.unwrap();
        assert!(one.ready(Interest::ERROR).await.unwrap().is_error());
        assert!(one.take_error().unwrap().is_some());
        one.send(b"x").await.unwrap();
        let mut read_buf = ReadBuf::new(&mut buf);
        let receiving = poll_fn(|cx| one.poll_recv(cx, &mut read_buf));
        assert_kind(receiving.await, ErrorKind::ConnectionRefused);
        // It is over with that: the socket waits again.
        assert!(is_pending(&mut pin!(one.recv(&mut [0; 8]))).await);
    });
}

#[test]
fn peeks_leave_the_datagram_there() {
    on_each(|| async {
        let ((one, one_addr), (other, other_addr)) = (socket().await, socket().await);
        one.send_to(b"hello", other_addr).await.unwrap();
        let mut buf = [0; 16];
        assert_eq!(other.peek_sender().await.unwrap(), one_addr);
        assert_eq!(other.try_peek_sender().unwrap(), one_addr);
        assert_eq!(poll_fn(|cx| other.poll_peek_sender(cx)).await.unwrap(), one_addr);
        assert_eq!(other.peek_from(&mut buf).await.unwrap(), (5, one_addr));
        assert_eq!(other.try_peek_from(&mut buf).unwrap(), (5, one_addr));
        assert_eq!(other.peek(&mut buf).await.unwrap(), 5);
        assert_eq!(other.try_peek(&mut buf).unwrap(), 5);
        let mut read_buf = ReadBuf::new(&mut buf);
        let sender = poll_fn(|cx| other.poll_peek_from(cx, &mut read_buf)).await.unwrap();
        assert_eq!((sender, read_buf.filled()), (one_addr, &b"hello"[..]));
        read_buf.clear();
        poll_fn(|cx| other.poll_peek(cx, &mut read_buf)).await.unwrap();
        assert_eq!(read_buf.filled(), b"hello");
        assert_eq!(other.recv_from(&mut buf).await.unwrap(), (5, one_addr));
        assert_kind(other.try_peek(&mut buf), ErrorKind::WouldBlock);
    });
}

#[test]
fn polls_and_tries() {
    on_each(|| async {
        let ((one, one_addr), (other, other_addr)) = (socket().await, socket().await);
        let mut buf = [0; 16];
        assert_kind(other.try_recv_from(&mut buf), ErrorKind::WouldBlock);
        poll_fn(|cx| one.poll_send_ready(cx)).await.unwrap();
        assert_eq!(poll_fn(|cx| one.poll_send_to(cx, b"a", other_addr)).await.unwrap(), 1);
        poll_fn(|cx| other.poll_recv_ready(cx)).await.unwrap();
        assert_eq!(other.try_recv_from(&mut buf).unwrap(), (1, one_addr));
        assert_eq!(one.try_send_to(b"bc", other_addr).unwrap(), 2);
        let mut space = [MaybeUninit::uninit(); 16];
        let mut read_buf = ReadBuf::uninit(&mut space);
        let sender = poll_fn(|cx| other.poll_recv_from(cx, &mut read_buf)).await.unwrap();
        assert_eq!((sender, read_buf.filled()), (one_addr, &b"bc"[..]));

        one.connect(other_addr).await.unwrap();
        assert_eq!(poll_fn(|cx| one.poll_send(cx, b"d")).await.unwrap(), 1);
        assert_eq!(one.try_send(b"ef").unwrap(), 2);
        read_buf.clear();
        poll_fn(|cx| other.poll_recv(cx, &mut read_buf)).await.unwrap();
        assert_eq!(read_buf.filled(), b"d");
        other.readable().await.unwrap();
        one.writable().await.unwrap();
        assert_eq!(other.try_recv(&mut buf).unwrap(), 2);
    });
}

#[test]
fn into_memory_that_is_not_initialised() {
    on_each(|| async {
        let ((one, one_addr), (other, other_addr)) = (socket().await, socket().await);
        let mut buf = Vec::with_capacity(64);
        assert_kind(other.try_recv_buf(&mut buf), ErrorKind::WouldBlock);
        for word in [b"a", b"b", b"c", b"d"] {
            one.send_to(word, other_addr).await.unwrap();
        }
        assert_eq!(other.recv_buf(&mut buf).await.unwrap(), 1);
        assert_eq!(other.recv_buf_from(&mut buf).await.unwrap(), (1, one_addr));
        assert_eq!(other.try_recv_buf(&mut buf).unwrap(), 1);
        assert_eq!(other.try_recv_buf_from(&mut buf).unwrap(), (1, one_addr));
        assert_eq!(buf, b"abcd");
    });
}

#[test]
fn broadcast_needs_permission() {
    on_each(|| async {
        let (one, _) = socket().await;
        assert!(!one.broadcast().unwrap());
        let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
        assert_kind(one.send_to(b"x", everybody).await, ErrorKind::PermissionDenied);
        one.set_broadcast(true).unwrap();
        assert!(one.broadcast().unwrap());
        // Now it depends on the network, but is not forbidden.
        if let Err(error) = one.send_to(b"x", everybody).await {
            assert_ne!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        }
    });
}

#[test]
fn errors_of_bind() {
    on_each(|| async {
        let (_one, addr) = socket().await;
        assert_kind(UdpSocket::bind(addr).await, ErrorKind::AddrInUse);
        assert_kind(UdpSocket::bind("192.0.2.1:0").await, ErrorKind::AddrNotAvailable);
        let either: &[SocketAddr] = &[addr, "127.0.0.1:0".parse().unwrap()];
        UdpSocket::bind(either).await.unwrap();
    });
}

#[test]
fn options() {
    on_each(|| async {
        let (one, addr) = socket().await;
        one.set_ttl(42).unwrap();
        assert_eq!(one.ttl().unwrap(), 42);
        one.set_tos_v4(16).unwrap();
        assert_eq!(one.tos_v4().unwrap(), 16);
        one.set_multicast_loop_v4(false).unwrap();
        assert!(!one.multicast_loop_v4().unwrap());
        one.set_multicast_ttl_v4(3).unwrap();
        assert_eq!(one.multicast_ttl_v4().unwrap(), 3);
        assert!(one.take_error().unwrap().is_none());
        let std = one.into_std().unwrap();
        let one = UdpSocket::from_std(std).unwrap();
        assert_eq!(one.local_addr().unwrap(), addr);
    });
}
