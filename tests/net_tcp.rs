//! Goal: TCP sockets behave as the system's do, and wait without losing a wake-up.
//! Method: both ends in this process, over the loopback interface, on every kind of runtime. That
//! an operation waits is seen by polling it once.

mod net_support;

use net_support::*;
use preempt::io::{self, AsyncReadExt, AsyncWriteExt, ErrorKind, Interest, Ready};
use preempt::net::{TcpListener, TcpSocket, TcpStream};
use preempt::task::JoinSet;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::thread;

// ---- connections ----

#[test]
fn echo() {
    on_each(|| async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let server = preempt::spawn(async move {
            let (mut stream, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, stream.peer_addr().unwrap());
            let (mut read, mut write) = stream.split();
            io::copy(&mut read, &mut write).await.unwrap()
        });
        let mut stream = TcpStream::connect(addr).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        let mut answer = [0; 5];
        for word in [b"hello", b"world"] {
            stream.write_all(word).await.unwrap();
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, word);
        }
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut answer).await.unwrap(), 0);
        assert_eq!(server.await.unwrap(), 10);
    });
}

#[test]
fn many_clients_of_one_listener() {
    const CLIENTS: usize = 100;
    const ROUNDS: usize = 20;
    on_each(|| async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let server = preempt::spawn(async move {
            let mut connections = JoinSet::new();
            for _ in 0..CLIENTS {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.spawn(async move {
                    let (mut read, mut write) = stream.split();
                    io::copy(&mut read, &mut write).await.unwrap()
                });
            }
            let mut bytes = 0;
            while let Some(copied) = connections.join_next().await {
                bytes += copied.unwrap();
            }
            bytes
        });
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(async move {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                for round in 0..ROUNDS {
                    let message = pattern(client * ROUNDS + round, 64);
                    stream.write_all(&message).await.unwrap();
                    let mut answer = [0; 64];
                    stream.read_exact(&mut answer).await.unwrap();
                    assert_eq!(answer[..], message);
                }
            });
        }
        while let Some(done) = clients.join_next().await {
            done.unwrap();
        }
        assert_eq!(server.await.unwrap(), (CLIENTS * ROUNDS * 64) as u64);
    });
}

#[test]
fn several_tasks_accept_from_one_listener() {
    const CONNECTIONS: usize = 40;
    on_each(|| async {
        let listener = std::sync::Arc::new(listener().await);
        let addr = listener.local_addr().unwrap();
        let accepted = Count::default();
        let mut acceptors = JoinSet::new();
        for _ in 0..4 {
            let (listener, accepted) = (listener.clone(), accepted.clone());
            acceptors.spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    accepted.add_one();
                    drop(stream);
                }
            });
        }
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            // Closed by whoever has accepted it.
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        }
        assert_eq!(accepted.get(), CONNECTIONS);
        acceptors.abort_all();
    });
}

#[test]
fn half_close() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = String::new();
        server.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        // The other direction is still open.
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        assert_kind(client.write(b"more").await, ErrorKind::BrokenPipe);
        // A second time there is nothing to end.
        client.shutdown().await.unwrap();
    });
}

#[test]
fn a_reset_is_an_error_for_both_directions() {
    on_each(|| async {
        let (client, mut server) = tcp_pair().await;
        let mut buf = [0; 8];
        let mut reading = pin!(server.read(&mut buf));
        assert!(is_pending(&mut reading).await);
        client.set_zero_linger().unwrap();
        drop(client);
        assert_kind(reading.await, ErrorKind::ConnectionReset);
        assert_kind(server.write(b"x").await, ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_reset_wakes_a_writer() {
    on_each(|| async {
        let (client, mut server) = tcp_pair().await;
        let block = [0; 64 * 1024];
        let writing = preempt::spawn(async move {
            loop {
                if let Err(error) = server.write_all(&block).await {
                    return error.kind();
                }
            }
        });
        // Once its buffers are full it waits.
        client.readable().await.unwrap();
        client.set_zero_linger().unwrap();
        drop(client);
        assert!(
            [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&writing.await.unwrap())
        );
    });
}

// ---- errors ----

#[test]
fn an_address_in_use() {
    on_each(|| async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        assert_kind(TcpListener::bind(addr).await, ErrorKind::AddrInUse);
        // Afterwards it is free, also at once.
        let (client, server) = (TcpStream::connect(addr).await.unwrap(), listener.accept().await);
        drop((server.unwrap(), client, listener));
        TcpListener::bind(addr).await.unwrap();
    });
}

#[test]
fn addresses_that_cannot_be_bound() {
    on_each(|| async {
        // Reserved for documentation, so nobody has it.
        assert_kind(TcpListener::bind("192.0.2.1:0").await, ErrorKind::AddrNotAvailable);
        let none: &[SocketAddr] = &[];
        assert_kind(TcpListener::bind(none).await, ErrorKind::InvalidInput);
        assert_kind(TcpStream::connect(none).await, ErrorKind::InvalidInput);
        let either: &[SocketAddr] =
            &["192.0.2.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
        let listener = TcpListener::bind(either).await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback());
    });
}

/// An address on which nobody listens, while the socket lives.
fn closed_port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

#[test]
fn connecting_is_refused() {
    on_each(|| async {
        let (_socket, addr) = closed_port();
        assert_kind(TcpStream::connect(addr).await, ErrorKind::ConnectionRefused);
        let socket = TcpSocket::new_v4().unwrap();
        assert_kind(socket.connect(addr).await, ErrorKind::ConnectionRefused);
    });
}

#[test]
fn connecting_tries_all_addresses() {
    on_each(|| async {
        let listener = listener().await;
        let addr = listener.local_addr().unwrap();
        let (one, other) = (closed_port(), closed_port());
        let addrs: &[SocketAddr] = &[one.1, other.1, addr];
        let stream = TcpStream::connect(addrs).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
    });
}

// ---- waiting ----

#[test]
fn a_peer_that_never_reads_holds_the_writer_up() {
    const BLOCK: usize = 64 * 1024;
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        let mut written = 0;
        loop {
            let block = pattern(written, BLOCK);
            let Some(n) = given_up_after(3, client.write(&block)).await else { break };
            written += n.unwrap();
        }
        assert!(written > 0);
        assert_kind(client.try_write(b"x"), ErrorKind::WouldBlock);
        let rest = pattern(written, 10 * BLOCK);
        let total = written + rest.len();
        let writing = preempt::spawn(async move {
            client.write_all(&rest).await.unwrap();
            client
        });
        let mut received = vec![0; total];
        server.read_exact(&mut received).await.unwrap();
        assert!(received == pattern(0, total), "bytes were lost or changed");
        // Now there is room again.
        writing.await.unwrap().write_all(b"x").await.unwrap();
    });
}

#[test]
fn any_number_of_tasks_wait_for_readiness() {
    const WAITERS: usize = 50;
    on_each(|| async {
        let (client, mut server) = tcp_pair().await;
        // What was assumed at first.
        assert_kind(client.try_read(&mut [0]), ErrorKind::WouldBlock);
        let client = std::sync::Arc::new(client);
        let (begun, mut waiters) = (Count::default(), JoinSet::new());
        for waiter in 0..WAITERS {
            let (client, begun) = (client.clone(), begun.clone());
            waiters.spawn(async move {
                begun.add_one();
                match waiter % 2 {
                    0 => client.readable().await.unwrap(),
                    _ => {
                        let ready = client.ready(Interest::READABLE).await.unwrap();
                        assert!(ready.is_readable() && !ready.is_writable());
                    }
                }
            });
        }
        while begun.get() < WAITERS {
            preempt::task::yield_now().await;
        }
        server.write_all(b"x").await.unwrap();
        while let Some(waiter) = waiters.join_next().await {
            waiter.unwrap();
        }
        assert_eq!(client.try_read(&mut [0; 2]).unwrap(), 1);
    });
}

#[test]
fn both_directions_are_waited_for_at_once() {
    on_each(|| async {
        let (client, mut server) = tcp_pair().await;
        let both = Interest::READABLE | Interest::WRITABLE;
        assert!(client.ready(both).await.unwrap().is_writable());
        server.write_all(b"x").await.unwrap();
        client.readable().await.unwrap();
        let ready = client.ready(both).await.unwrap();
        assert!(ready.is_readable() && ready.is_writable());
        drop(server);
        while !client.ready(Interest::READABLE).await.unwrap().is_read_closed() {
            preempt::task::yield_now().await;
        }
    });
}

#[test]
fn polls_for_readiness() {
    on_each(|| async {
        let (client, mut server) = half_std_pair().await;
        std::future::poll_fn(|cx| client.poll_write_ready(cx)).await.unwrap();
        assert_eq!(client.try_write(b"hello").unwrap(), 5);
        let mut waiting = std::future::poll_fn(|cx| client.poll_read_ready(cx));
        assert!(is_pending(&mut waiting).await);
        let mut heard = [0; 5];
        server.read_exact(&mut heard).unwrap();
        server.write_all(&heard).unwrap();
        waiting.await.unwrap();
        assert_eq!(client.try_read(&mut heard).unwrap(), 5);
        assert_eq!(&heard, b"hello");
    });
}

#[test]
fn tries_do_not_wait() {
    on_each(|| async {
        let (client, mut server) = half_std_pair().await;
        let mut buf = [0; 8];
        assert_kind(client.try_read(&mut buf), ErrorKind::WouldBlock);
        let never = || -> io::Result<()> { panic!("the socket was not readable") };
        assert_kind(client.try_io(Interest::READABLE, never), ErrorKind::WouldBlock);

        server.write_all(b"one two three").unwrap();
        client.readable().await.unwrap();
        assert_eq!(client.try_read(&mut buf[..4]).unwrap(), 4);
        assert_eq!(&buf[..4], b"one ");
        let (mut first, mut second) = ([0; 2], [0; 2]);
        let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(client.try_read_vectored(&mut bufs).unwrap(), 4);
        assert_eq!((&first, &second), (b"tw", b"o "));
        let mut vector = Vec::with_capacity(64);
        assert_eq!(client.try_read_buf(&mut vector).unwrap(), 5);
        assert_eq!(vector, b"three");
        assert_kind(client.try_read_buf(&mut vector), ErrorKind::WouldBlock);

        client.writable().await.unwrap();
        let bufs = [IoSlice::new(b"one "), IoSlice::new(b"two")];
        assert_eq!(client.try_write_vectored(&bufs).unwrap(), 7);
        let mut heard = [0; 7];
        server.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"one two");
    });
}

#[test]
fn an_operation_of_the_user() {
    on_each(|| async {
        let (client, mut server) = half_std_pair().await;
        let reading = preempt::spawn(async move {
            let calls = Count::default();
            let n = client
                .async_io(Interest::READABLE, || {
                    calls.add_one();
                    let mut buf = [std::mem::MaybeUninit::uninit(); 8];
                    socket2::SockRef::from(&client).recv(&mut buf)
                })
                .await;
            (n.unwrap(), calls.get())
        });
        preempt::task::yield_now().await;
        server.write_all(b"abc").unwrap();
        let (n, calls) = reading.await.unwrap();
        assert_eq!(n, 3);
        assert!(calls >= 1);
    });
}

// ---- reading and writing ----

#[test]
fn a_peek_leaves_it_there() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        let mut buf = [0; 8];
        {
            let mut peeking = pin!(client.peek(&mut buf));
            assert!(is_pending(&mut peeking).await);
            server.write_all(b"abc").await.unwrap();
            assert_eq!(peeking.await.unwrap(), 3);
        }
        let mut space = [std::mem::MaybeUninit::uninit(); 2];
        let mut read_buf = io::ReadBuf::uninit(&mut space);
        let n = std::future::poll_fn(|cx| client.poll_peek(cx, &mut read_buf)).await.unwrap();
        assert_eq!((n, read_buf.filled()), (2, &b"ab"[..]));
        assert_eq!(client.read(&mut buf).await.unwrap(), 3);
        assert_eq!(&buf[..3], b"abc");
        let (mut read, _write) = client.split();
        drop(server);
        assert_eq!(read.peek(&mut buf).await.unwrap(), 0);
    });
}

#[test]
fn vectored_writes() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        assert!(io::AsyncWrite::is_write_vectored(&client));
        let bufs = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")];
        assert_eq!(client.write_vectored(&bufs).await.unwrap(), 4);
        drop(client);
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "abcd");
    });
}

/// A read ends at urgent data although more follows, so that it must not be taken for the end of
/// what is there.
#[cfg(target_os = "linux")]
#[test]
fn urgent_data_does_not_hide_what_follows() {
    on_each(|| async {
        let (mut client, server) = half_std_pair().await;
        let server = socket2::Socket::from(server);
        server.send(b"ab").unwrap();
        server.send_out_of_band(b"!").unwrap();
        server.send(b"cd").unwrap();
        let ready = client.ready(Interest::PRIORITY).await.unwrap();
        assert!((ready & Ready::PRIORITY).is_priority());
        let mut heard = Vec::new();
        while heard.len() < 4 {
            client.read_buf(&mut heard).await.unwrap();
        }
        assert_eq!(heard, b"abcd");
    });
}

// ---- halves ----

#[test]
fn borrowed_halves() {
    on_each(|| async {
        let (mut client, mut server) = tcp_pair().await;
        {
            let (mut read, mut write) = client.split();
            assert_eq!(read.peer_addr().unwrap(), write.peer_addr().unwrap());
            assert_eq!(read.local_addr().unwrap(), write.local_addr().unwrap());
            write.writable().await.unwrap();
            assert_eq!(write.try_write(b"a").unwrap(), 1);
            assert_eq!(write.try_write_vectored(&[IoSlice::new(b"b")]).unwrap(), 1);
            server.write_all(b"xyz").await.unwrap();
            read.readable().await.unwrap();
            let mut buf = [0; 1];
            assert_eq!(read.try_read(&mut buf).unwrap(), 1);
            assert_eq!(read.peek(&mut buf).await.unwrap(), 1);
            assert_eq!(&buf, b"y");
            assert_eq!(read.try_read_buf(&mut Vec::with_capacity(8)).unwrap(), 2);
            assert!(read.ready(Interest::WRITABLE).await.unwrap().is_writable());
            assert!(write.ready(Interest::WRITABLE).await.unwrap().is_writable());
            write.write_all(b"c").await.unwrap();
        }
        // The halves are gone and the stream is whole.
        client.write_all(b"d").await.unwrap();
        let (_read, mut write) = client.split();
        write.shutdown().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "abcd");
    });
}

#[test]
fn owned_halves_in_two_tasks() {
    on_each(|| async {
        const BYTES: usize = 1 << 20;
        let (client, server) = tcp_pair().await;
        let (mut echo_read, mut echo_write) = server.into_split();
        preempt::spawn(async move {
            io::copy(&mut echo_read, &mut echo_write).await.unwrap();
        });
        let (mut read, mut write) = client.into_split();
        let writing = preempt::spawn(async move {
            write.write_all(&pattern(0, BYTES)).await.unwrap();
            // Dropping it tells the peer.
        });
        let mut heard = Vec::new();
        read.read_to_end(&mut heard).await.unwrap();
        assert!(heard == pattern(0, BYTES));
        writing.await.unwrap();
    });
}

#[test]
fn owned_halves_are_put_together() {
    on_each(|| async {
        let (client, mut server) = tcp_pair().await;
        let (other, _peer) = tcp_pair().await;
        let (read, write) = client.into_split();
        let (other_read, other_write) = other.into_split();
        let error = read.reunite(other_write).unwrap_err();
        assert!(error.to_string().contains("same socket"));
        let (read, other_write) = (error.0, error.1);
        let mut client = write.reunite(read).unwrap();
        let _other = other_read.reunite(other_write).unwrap();
        client.write_all(b"whole").await.unwrap();
        let mut heard = [0; 5];
        server.read_exact(&mut heard).await.unwrap();

        // A half that is forgotten does not end its direction.
        let (read, write) = client.into_split();
        write.forget();
        let mut reading = [0; 1];
        let mut nothing = pin!(server.read(&mut reading));
        assert!(is_pending(&mut nothing).await);
        drop(read);
        assert_eq!(nothing.await.unwrap(), 0);
    });
}

// ---- conversions and options ----

#[test]
fn from_std_and_back() {
    on_each(|| async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let connecting = thread::spawn(move || std::net::TcpStream::connect(addr).unwrap());
        let (server, _) = listener.accept().await.unwrap();
        let client = connecting.join().unwrap();
        client.set_nonblocking(true).unwrap();
        let mut client = TcpStream::try_from(client).unwrap();
        client.write_all(b"abc").await.unwrap();

        let mut server = server.into_std().unwrap();
        server.set_nonblocking(false).unwrap();
        let mut heard = [0; 3];
        server.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"abc");
        server.set_nonblocking(true).unwrap();
        let mut server = TcpStream::from_std(server).unwrap();
        server.write_all(b"def").await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"def");
        assert_eq!(listener.into_std().unwrap().local_addr().unwrap(), addr);
    });
}

#[cfg(all(unix, debug_assertions))]
#[test]
fn a_socket_in_blocking_mode_is_refused() {
    within(LIMIT, || {
        let runtime = current_thread();
        let _entered = runtime.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let message = panic_message(|| drop(TcpListener::from_std(listener)));
        assert!(message.contains("set_nonblocking(true)"), "{message}");
    });
}

#[test]
fn options_before_connecting() {
    on_each(|| async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        assert!(socket.reuseaddr().unwrap());
        socket.set_keepalive(true).unwrap();
        assert!(socket.keepalive().unwrap());
        socket.set_nodelay(true).unwrap();
        assert!(socket.nodelay().unwrap());
        socket.set_send_buffer_size(32 * 1024).unwrap();
        assert!(socket.send_buffer_size().unwrap() >= 32 * 1024);
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        assert!(socket.recv_buffer_size().unwrap() >= 32 * 1024);
        assert!(socket.linger().unwrap().is_none());
        assert!(socket.take_error().unwrap().is_none());
        socket.set_tos_v4(16).unwrap();
        assert_eq!(socket.tos_v4().unwrap(), 16);
        #[cfg(unix)]
        {
            socket.set_reuseport(true).unwrap();
            assert!(socket.reuseport().unwrap());
        }
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = socket.local_addr().unwrap();
        let listener = socket.listen(8).unwrap();
        assert_eq!(listener.local_addr().unwrap(), addr);

        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let from = socket.local_addr().unwrap();
        let client = socket.connect(addr).await.unwrap();
        let (_server, peer) = listener.accept().await.unwrap();
        assert_eq!((peer, client.local_addr().unwrap()), (from, from));
    });
}

#[test]
fn options_of_a_stream() {
    on_each(|| async {
        let (client, _server) = tcp_pair().await;
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap());
        client.set_ttl(42).unwrap();
        assert_eq!(client.ttl().unwrap(), 42);
        assert!(client.linger().unwrap().is_none());
        client.set_zero_linger().unwrap();
        assert_eq!(client.linger().unwrap(), Some(preempt::time::Duration::ZERO));
        assert!(client.take_error().unwrap().is_none());
        #[cfg(target_os = "linux")]
        client.set_quickack(true).unwrap();
        let debug = format!("{client:?}");
        assert!(debug.contains("127.0.0.1"), "{debug}");
    });
}

/// The places of sockets that have gone are taken by others, for which their events must not be
/// taken: then a connection would seem to be made that is not.
#[cfg(target_os = "linux")]
#[test]
fn events_of_sockets_that_are_gone() {
    on_each(|| async {
        // A queue of one, which is full: further connections have to wait.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let addr = listener.local_addr().unwrap();
        let _first = TcpStream::connect(addr).await.unwrap();
        let ended = Signal::default();
        let others: Vec<_> = (0..3)
            .map(|_| {
                let ended = ended.clone();
                preempt::spawn(async move {
                    while !ended.is_set() {
                        let (one, other) = preempt::net::UnixStream::pair().unwrap();
                        one.try_write(b"x").unwrap();
                        drop((other, one));
                        preempt::task::yield_now().await;
                    }
                })
            })
            .collect();
        for _ in 0..3_000 {
            let connected = given_up_after(4, TcpStream::connect(addr)).await;
            assert!(connected.is_none(), "{connected:?}");
        }
        ended.set();
        for other in others {
            other.await.unwrap();
        }
    });
}
