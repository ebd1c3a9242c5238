//! Goal: names are resolved on the pool for blocking code, and addresses are not.
//! Method: names that every system has.

mod net_support;

use net_support::*;
use preempt::io::{AsyncReadExt, AsyncWriteExt};
use preempt::net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use std::net::SocketAddr;

#[test]
fn localhost() {
    on_each(|| async {
        let found: Vec<SocketAddr> = lookup_host("localhost:80").await.unwrap().collect();
        assert!(!found.is_empty());
        assert!(found.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80), "{found:?}");
        let by_pair: Vec<_> = lookup_host(("localhost", 80)).await.unwrap().collect();
        assert_eq!(by_pair, found);
        let by_string: Vec<_> = lookup_host("localhost:80".to_owned()).await.unwrap().collect();
        assert_eq!(by_string, found);
        let by_string: Vec<_> = lookup_host(("localhost".to_owned(), 80)).await.unwrap().collect();
        assert_eq!(by_string, found);
    });
}

#[test]
fn names_that_mean_nothing() {
    on_each(|| async {
        // Reserved for this (RFC 6761).
        assert!(lookup_host("name.invalid:80").await.is_err());
        assert_kind(
            lookup_host("no port").await.map(Vec::from_iter),
            std::io::ErrorKind::InvalidInput,
        );
        assert!(TcpStream::connect(("name.invalid", 80)).await.is_err());
    });
}

#[test]
fn everything_takes_names() {
    on_each(|| async {
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect(("localhost", port)).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_u8(7).await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), 7);

        let socket = UdpSocket::bind("localhost:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        socket.send_to(b"x", &addr).await.unwrap();
        socket.connect(format!("localhost:{}", addr.port())).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 2]).await.unwrap(), 1);
    });
}
