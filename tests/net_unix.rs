//! Goal: Unix sockets: streams, datagrams, and the kinds of their names.
//! Method: both ends in this process, on every kind of runtime.
#![cfg(unix)]

mod net_support;

use net_support::*;
use preempt::io::{self, AsyncReadExt, AsyncWriteExt, ErrorKind, ReadBuf};
use preempt::net::{UnixDatagram, UnixListener, UnixSocket, UnixStream};
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::pin;

// ---- streams ----

#[test]
fn a_listener_at_a_path() {
    on_each(|| async {
        let directory = Directory::new();
        let path = directory.file("socket");
        assert_kind(UnixStream::connect(&path).await, ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(path.as_path()));
        assert_kind(UnixListener::bind(&path), ErrorKind::AddrInUse);
        let mut accepting = Box::pin(listener.accept());
        assert!(is_pending(&mut accepting).await);
        let mut client = UnixStream::connect(&path).await.unwrap();
        let (mut server, peer) = accepting.await.unwrap();
        assert!(peer.is_unnamed());
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(path.as_path()));
        client.write_all(b"hello").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "hello");
        server.write_all(b"bye").await.unwrap();
        drop(server);
        heard.clear();
        client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "bye");
        assert_kind(client.write(b"x").await, ErrorKind::BrokenPipe);
        // The file outlives the listener, which is not there any more.
        drop(listener);
        assert_kind(UnixStream::connect(&path).await, ErrorKind::ConnectionRefused);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_listener_with_an_abstract_name() {
    on_each(|| async {
        let directory = Directory::new();
        // Unique, and no file.
        let name = format!("\0{}", directory.file("name").display());
        let listener = UnixListener::bind(&name).unwrap();
        let addr = listener.local_addr().unwrap();
        assert_eq!(addr.as_abstract_name(), Some(&name.as_bytes()[1..]));
        assert!(addr.as_pathname().is_none() && !addr.is_unnamed());
        let client = UnixStream::connect(&name).await.unwrap();
        let by_addr = UnixStream::connect_addr(&addr).await.unwrap();
        for _ in [&client, &by_addr] {
            poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        }
        assert_eq!(client.peer_addr().unwrap().as_abstract_name(), addr.as_abstract_name());
        assert!(!directory.file("name").exists());
    });
}

#[test]
fn a_pair_and_its_halves() {
    on_each(|| async {
        let (mut one, other) = UnixStream::pair().unwrap();
        let (mut other_read, mut other_write) = other.into_split();
        let echo = preempt::spawn(async move {
            io::copy(&mut other_read, &mut other_write).await.unwrap();
            other_read.reunite(other_write).unwrap()
        });
        let (mut read, mut write) = one.split();
        let mut buf = [0; 6];
        for _ in 0..10 {
            let bufs = [IoSlice::new(b"abc"), IoSlice::new(b"def")];
            assert_eq!(write.write_vectored(&bufs).await.unwrap(), 6);
            read.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"abcdef");
        }
        write.shutdown().await.unwrap();
        let mut other = echo.await.unwrap();
        other.write_all(b"x").await.unwrap();
        assert_eq!(read.read(&mut buf).await.unwrap(), 1);
    });
}

#[test]
fn a_peer_that_never_reads_holds_the_writer_up() {
    const BLOCK: usize = 64 * 1024;
    on_each(|| async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let mut written = 0;
        loop {
            let block = pattern(written, BLOCK);
            let Some(n) = given_up_after(2, one.write(&block)).await else { break };
            written += n.unwrap();
        }
        let rest = pattern(written, 10 * BLOCK);
        let total = written + rest.len();
        let writing = preempt::spawn(async move { one.write_all(&rest).await.map(|()| one) });
        let mut received = vec![0; total];
        other.read_exact(&mut received).await.unwrap();
        assert!(received == pattern(0, total), "bytes were lost or changed");
        writing.await.unwrap().unwrap();
    });
}

#[test]
fn tries() {
    on_each(|| async {
        let (one, other) = UnixStream::pair().unwrap();
        let mut buf = [0; 8];
        assert_kind(one.try_read(&mut buf), ErrorKind::WouldBlock);
        assert_eq!(other.try_write(b"abc").unwrap(), 3);
        one.readable().await.unwrap();
        assert_eq!(one.try_read(&mut buf[..2]).unwrap(), 2);
        let mut vector = Vec::with_capacity(8);
        assert_eq!(one.try_read_buf(&mut vector).unwrap(), 1);
        assert_eq!(vector, b"c");
        drop(other);
        one.readable().await.unwrap();
        assert_eq!(one.try_read(&mut buf).unwrap(), 0);
        let std = one.into_std().unwrap();
        UnixStream::from_std(std).unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn who_the_peer_is() {
    on_each(|| async {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = one.peer_cred().unwrap();
        // SAFETY: asks for numbers.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        assert_eq!((peer.uid(), peer.gid()), (uid, gid));
        assert_eq!(peer.pid(), Some(i32::try_from(std::process::id()).unwrap()));
    });
}

/// A read ends at a message that carries descriptors although more follows, so that it must not be
/// taken for the end of what is there.
#[cfg(target_os = "linux")]
#[test]
fn a_message_with_a_descriptor_does_not_hide_what_follows() {
    on_each(|| async {
        let (one, mut two) = UnixStream::pair().unwrap();
        send_with_descriptor(&one, b"ab");
        assert_eq!(one.try_write(b"cd").unwrap(), 2);
        two.readable().await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(two.read(&mut buf).await.unwrap(), 2);
        assert_eq!(two.read(&mut buf).await.unwrap(), 2);
        assert_eq!(&buf[..2], b"cd");
    });
}

/// Sends bytes that a descriptor goes with, which nobody will ask for.
#[cfg(target_os = "linux")]
fn send_with_descriptor(stream: &UnixStream, bytes: &[u8]) {
    use std::os::fd::AsRawFd;
    const SPACE: usize = 64;
    #[repr(align(8))]
    struct Control([u8; SPACE]);
    let mut control = Control([0; SPACE]);
    // SAFETY: `control` is aligned, and larger than a header with one descriptor.
    let len = unsafe {
        let header = control.0.as_mut_ptr().cast::<libc::cmsghdr>();
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header).cast::<libc::c_int>().write_unaligned(stream.as_raw_fd());
        libc::CMSG_SPACE(4) as usize
    };
    let bufs = [IoSlice::new(bytes)];
    let message = socket2::MsgHdr::new().with_buffers(&bufs).with_control(&control.0[..len]);
    let sent = socket2::SockRef::from(stream).sendmsg(&message, 0).unwrap();
    assert_eq!(sent, bytes.len());
}

// ---- datagrams ----

#[test]
fn a_pair_for_datagrams() {
    on_each(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut buf = [0; 8];
        {
            let mut receiving = pin!(other.recv(&mut buf));
            assert!(is_pending(&mut receiving).await);
            assert_eq!(one.send(b"hello").await.unwrap(), 5);
            assert_eq!(receiving.await.unwrap(), 5);
        }
        assert_eq!(&buf[..5], b"hello");
        one.shutdown(std::net::Shutdown::Write).unwrap();
        assert_kind(one.send(b"x").await, ErrorKind::BrokenPipe);
    });
}

#[test]
fn datagrams_between_paths() {
    on_each(|| async {
        let directory = Directory::new();
        let (one_path, other_path) = (directory.file("one"), directory.file("other"));
        let one = UnixDatagram::bind(&one_path).unwrap();
        let other = UnixDatagram::bind(&other_path).unwrap();
        assert_kind(UnixDatagram::bind(&one_path), ErrorKind::AddrInUse);
        assert_kind(one.send_to(b"x", directory.file("nobody")).await, ErrorKind::NotFound);
        let mut buf = [0; 8];

        one.send_to(b"a", &other_path).await.unwrap();
        let (n, sender) = other.recv_from(&mut buf).await.unwrap();
        assert_eq!((n, sender.as_pathname()), (1, Some(one_path.as_path())));

        assert_eq!(one.try_send_to(b"bc", &other_path).unwrap(), 2);
        let mut read_buf = ReadBuf::new(&mut buf);
        let sender = poll_fn(|cx| other.poll_recv_from(cx, &mut read_buf)).await.unwrap();
        assert_eq!(sender.as_pathname(), Some(one_path.as_path()));
        assert_eq!(read_buf.filled(), b"bc");

        poll_fn(|cx| one.poll_send_to(cx, b"def", &other_path)).await.unwrap();
        let mut vector = Vec::with_capacity(8);
        let (n, sender) = other.recv_buf_from(&mut vector).await.unwrap();
        assert_eq!((n, sender.as_pathname()), (3, Some(one_path.as_path())));
        assert_kind(other.try_recv_buf_from(&mut vector), ErrorKind::WouldBlock);

        one.connect(&other_path).unwrap();
        assert_eq!(one.peer_addr().unwrap().as_pathname(), Some(other_path.as_path()));
        one.send(b"g").await.unwrap();
        assert_eq!(other.recv(&mut buf).await.unwrap(), 1);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn datagrams_between_other_names() {
    on_each(|| async {
        let directory = Directory::new();
        let name = format!("\0{}", directory.file("name").display());
        let abstract_name = UnixDatagram::bind(&name).unwrap();
        let unnamed = UnixDatagram::unbound().unwrap();
        assert!(unnamed.local_addr().unwrap().is_unnamed());
        unnamed.send_to(b"a", &name).await.unwrap();
        let mut vector = Vec::with_capacity(8);
        let (_, sender) = abstract_name.recv_buf_from(&mut vector).await.unwrap();
        assert!(sender.is_unnamed());

        let path = directory.file("path");
        let named = UnixDatagram::bind(&path).unwrap();
        abstract_name.send_to(b"b", &path).await.unwrap();
        let (_, sender) = named.recv_buf_from(&mut vector).await.unwrap();
        assert_eq!(sender.as_abstract_name(), Some(&name.as_bytes()[1..]));
        named.connect(&name).unwrap();
        named.send(b"c").await.unwrap();
        assert_eq!(abstract_name.recv_buf(&mut vector).await.unwrap(), 1);
        assert_eq!(vector, b"abc");
    });
}

#[test]
fn a_full_queue_holds_the_sender_up() {
    on_each(|| async {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut sent = 0_u64;
        while given_up_after(2, one.send(&sent.to_be_bytes())).await.is_some() {
            sent += 1;
        }
        assert!(sent > 0);
        let sending = preempt::spawn(async move {
            for number in sent..sent + 50 {
                one.send(&number.to_be_bytes()).await.unwrap();
            }
        });
        let mut buf = [0; 8];
        for number in 0..sent + 50 {
            assert_eq!(other.recv(&mut buf).await.unwrap(), 8);
            assert_eq!(u64::from_be_bytes(buf), number);
        }
        sending.await.unwrap();
    });
}

// ---- sockets before they are something ----

#[test]
fn a_socket_becomes_what_it_was_made_for() {
    on_each(|| async {
        let directory = Directory::new();
        let (path, from) = (directory.file("listener"), directory.file("client"));
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(8).unwrap();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&from).unwrap();
        let _client = socket.connect(&path).await.unwrap();
        let (_server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.as_pathname(), Some(from.as_path()));

        let datagram = UnixSocket::new_datagram().unwrap().datagram().unwrap();
        assert!(datagram.local_addr().unwrap().is_unnamed());
        let error = UnixSocket::new_datagram().unwrap().listen(1).unwrap_err();
        assert!(error.to_string().contains("UnixSocket::new_stream"), "{error}");
        let error = UnixSocket::new_stream().unwrap().datagram().unwrap_err();
        assert!(error.to_string().contains("UnixSocket::new_datagram"), "{error}");
    });
}
