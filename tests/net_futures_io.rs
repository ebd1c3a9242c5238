//! Goal: sockets under the traits of the futures crate.
//! Method: the same echo as under tokio's traits. Runs with `--features futures-io`.
#![cfg(feature = "futures-io")]

mod net_support;

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use net_support::*;

async fn echo(mut read: impl AsyncRead + Unpin, mut write: impl AsyncWrite + Unpin) {
    futures::io::copy(&mut read, &mut write).await.unwrap();
    write.close().await.unwrap();
}

async fn talk(mut read: impl AsyncRead + Unpin, mut write: impl AsyncWrite + Unpin) {
    write.write_all(b"hello ").await.unwrap();
    let bufs = [std::io::IoSlice::new(b"wo"), std::io::IoSlice::new(b"rld")];
    assert_eq!(write.write_vectored(&bufs).await.unwrap(), 5);
    write.flush().await.unwrap();
    write.close().await.unwrap();
    let mut answer = String::new();
    read.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "hello world");
}

#[test]
fn tcp() {
    on_each(|| async {
        let (client, server) = tcp_pair().await;
        let (read, write) = server.into_split();
        let echoing = preempt::spawn(echo(read, write));
        let (read, write) = AsyncReadExt::split(client);
        talk(read, write).await;
        echoing.await.unwrap();
    });
}

#[cfg(unix)]
#[test]
fn unix_and_pipes() {
    on_each(|| async {
        let (one, mut other) = preempt::net::UnixStream::pair().unwrap();
        let (read, write) = one.into_split();
        let echoing = preempt::spawn(echo(read, write));
        let (read, write) = preempt::net::UnixStream::split(&mut other);
        talk(read, write).await;
        echoing.await.unwrap();

        let (mut sender, mut receiver) = preempt::net::unix::pipe::pipe().unwrap();
        sender.write_all(b"abc").await.unwrap();
        drop(sender);
        let mut heard = Vec::new();
        receiver.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"abc");
    });
}
