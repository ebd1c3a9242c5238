//! Goal: whoever gives an operation up has lost nothing: no byte, no datagram, no connection.
//! Method: each operation is polled a few times and then dropped, again and again, while the other
//! end does its part; at the end everything has arrived once and in order. The numbers of polls
//! are random, from a seed.

mod net_support;

use net_support::*;
use preempt::io::{AsyncReadExt, AsyncWriteExt, Interest};
use preempt::net::{TcpStream, UdpSocket};
use preempt::task::yield_now;

/// Gives `operation` up after a few polls until it is ready once.
async fn persistently<F, R>(random: &mut Random, mut operation: impl FnMut() -> F) -> R
where
    F: Future<Output = R>,
{
    loop {
        let polls = 1 + random.below(3);
        if let Some(result) = given_up_after(polls, operation()).await {
            return result;
        }
    }
}

/// Writes a pattern in pieces, with pauses.
async fn write_slowly(mut to: impl preempt::io::AsyncWrite + Unpin, len: usize, seed: u64) {
    let mut random = Random::new(seed);
    let mut written = 0;
    while written < len {
        let n = (1 + random.below(2_000) as usize).min(len - written);
        to.write_all(&pattern(written, n)).await.unwrap();
        written += n;
        for _ in 0..random.below(4) {
            yield_now().await;
        }
    }
    to.shutdown().await.unwrap();
}

const BYTES: usize = 300_000;

#[test]
fn reads() {
    on_each(|| async {
        let (mut client, server) = tcp_pair().await;
        let writing = preempt::spawn(write_slowly(server, BYTES, 1));
        let mut random = Random::new(2);
        let mut heard = Vec::new();
        loop {
            let mut buf = vec![0; 1 + random.below(3_000) as usize];
            let n = loop {
                let polls = 1 + random.below(3);
                if let Some(n) = given_up_after(polls, client.read(&mut buf)).await {
                    break n.unwrap();
                }
            };
            if n == 0 {
                break;
            }
            heard.extend_from_slice(&buf[..n]);
        }
        assert!(heard == pattern(0, BYTES), "bytes were lost or changed");
        writing.await.unwrap();
    });
}

#[test]
fn writes() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        let reading = preempt::spawn(async move {
            let (mut heard, mut random) = (Vec::new(), Random::new(3));
            while server.read_buf(&mut heard).await.unwrap() > 0 {
                // Slower than the writer.
                for _ in 0..random.below(20) {
                    yield_now().await;
                }
            }
            heard
        });
        const BYTES: usize = 10_000_000;
        let mut random = Random::new(4);
        let mut written = 0;
        while written < BYTES {
            let block = pattern(written, 100_000.min(BYTES - written));
            let polls = 1 + random.below(3);
            if let Some(n) = given_up_after(polls, client.write(&block)).await {
                written += n.unwrap();
            }
        }
        drop(client);
        assert!(reading.await.unwrap() == pattern(0, BYTES), "bytes were lost, doubled or changed");
    });
}

#[test]
fn peeks_and_readiness() {
    on_each(|| async {
        let (client, server) = tcp_pair().await;
        let writing = preempt::spawn(write_slowly(server, BYTES, 5));
        let mut random = Random::new(6);
        let mut heard = Vec::new();
        loop {
            match random.below(3) {
                0 => persistently(&mut random, || client.readable()).await.unwrap(),
                1 => {
                    let ready = || client.ready(Interest::READABLE | Interest::ERROR);
                    persistently(&mut random, ready).await.map(drop).unwrap();
                }
                _ => {
                    let mut buf = [0; 16];
                    let polls = 1 + random.below(3);
                    if let Some(n) = given_up_after(polls, client.peek(&mut buf)).await {
                        let n = n.unwrap();
                        assert_eq!(buf[..n], pattern(heard.len(), n));
                    }
                }
            }
            match client.try_read_buf(&mut heard) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        assert!(heard == pattern(0, BYTES), "bytes were lost or changed");
        writing.await.unwrap();
    });
}

#[test]
fn accepts() {
    const CONNECTIONS: u64 = 200;
    on_each(|| async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let connecting = preempt::spawn(async move {
            for number in 0..CONNECTIONS {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                stream.write_u64(number).await.unwrap();
                yield_now().await;
            }
        });
        let mut random = Random::new(7);
        for number in 0..CONNECTIONS {
            let (mut stream, _) = persistently(&mut random, || listener.accept()).await.unwrap();
            assert_eq!(stream.read_u64().await.unwrap(), number);
        }
        connecting.await.unwrap();
    });
}

#[test]
fn connects() {
    on_each(|| async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let accepting = preempt::spawn(async move {
            loop {
                drop(listener.accept().await);
            }
        });
        for polls in 1..20 {
            // Whether it comes about or not, the next one does.
            drop(given_up_after(polls % 4 + 1, TcpStream::connect(addr)).await);
            TcpStream::connect(addr).await.unwrap();
        }
        accepting.abort();
    });
}

#[test]
fn datagrams() {
    const DATAGRAMS: u64 = 500;
    on_each(|| async {
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        one.connect(other.local_addr().unwrap()).await.unwrap();
        let mut random = Random::new(8);
        let mut buf = [0; 8];
        let (mut sent, mut received) = (0, 0);
        while received < DATAGRAMS {
            while sent < DATAGRAMS && sent - received < random.below(16) {
                let message = u64::to_be_bytes(sent);
                let polls = 1 + random.below(3);
                sent += u64::from(given_up_after(polls, one.send(&message)).await.is_some());
            }
            let polls = 1 + random.below(3);
            if let Some(n) = given_up_after(polls, other.recv_from(&mut buf)).await {
                assert_eq!(n.unwrap().0, 8);
                assert_eq!(u64::from_be_bytes(buf), received);
                received += 1;
            }
        }
    });
}

#[cfg(unix)]
#[test]
fn unix_datagrams_that_wait_for_room() {
    const DATAGRAMS: u64 = 2_000;
    on_each(|| async {
        let (one, other) = preempt::net::UnixDatagram::pair().unwrap();
        let sending = preempt::spawn(async move {
            let mut random = Random::new(9);
            for number in 0..DATAGRAMS {
                let message = number.to_be_bytes();
                persistently(&mut random, || one.send(&message)).await.unwrap();
            }
        });
        let (mut random, mut buf) = (Random::new(10), [0; 8]);
        for number in 0..DATAGRAMS {
            loop {
                let polls = 1 + random.below(3);
                if let Some(n) = given_up_after(polls, other.recv(&mut buf)).await {
                    assert_eq!(n.unwrap(), 8);
                    break;
                }
            }
            assert_eq!(u64::from_be_bytes(buf), number, "lost or doubled");
        }
        sending.await.unwrap();
    });
}

#[test]
fn a_waiter_that_gives_up_takes_no_wake_up_from_another() {
    on_each(|| async {
        let (client, mut server) = tcp_pair().await;
        let client = std::sync::Arc::new(client);
        for round in 0..200_u8 {
            let waiting = preempt::spawn({
                let client = client.clone();
                async move {
                    client.readable().await.unwrap();
                }
            });
            let giving_up = preempt::spawn({
                let client = client.clone();
                async move { drop(given_up_after(u64::from(round % 4) + 1, client.readable()).await) }
            });
            server.write_all(&[round]).await.unwrap();
            waiting.await.unwrap();
            giving_up.await.unwrap();
            let mut buf = [0; 2];
            assert_eq!(client.try_read(&mut buf).unwrap(), 1);
            assert_eq!(buf[0], round);
            // So that the next round has to wait.
            assert!(client.try_read(&mut buf).is_err());
        }
    });
}
