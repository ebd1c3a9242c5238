//! Goal: many connections at once, and no more descriptors.
//! Method: child processes whose limit of descriptors the test changes.
#![cfg(target_os = "linux")]

mod net_support;

use net_support::*;
use preempt::io::{AsyncReadExt, AsyncWriteExt};
use preempt::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use preempt::task::{JoinSet, yield_now};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

fn limits() -> libc::rlimit {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid place for the limits.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limits) }, 0);
    limits
}

fn set_limit(soft: u64) {
    let limits = libc::rlimit { rlim_cur: soft, ..limits() };
    // SAFETY: reads the limits.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limits) }, 0);
}

/// Allows no further descriptor: the next one is the lowest that is free.
fn allow_no_more_descriptors() {
    let next = File::open("/dev/null").unwrap().as_raw_fd();
    set_limit(u64::try_from(next).unwrap());
}

fn is_out_of_descriptors<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.raw_os_error() == Some(libc::EMFILE))
}

#[test]
fn a_listener_recovers_when_there_are_descriptors_again() {
    in_child("a_listener_recovers_when_there_are_descriptors_again", || {
        for kind in Kind::ALL {
            let before = limits().rlim_cur;
            within(LIMIT, move || run(&kind.build(), out_of_descriptors()));
            set_limit(before);
        }
    });
}

async fn out_of_descriptors() {
    const CLIENTS: usize = 4;
    let soft_limit = limits().rlim_cur;
    let listener = listener().await;
    let addr = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(TcpStream::connect(addr).await.unwrap());
    }
    allow_no_more_descriptors();
    for _ in 0..10 {
        assert!(is_out_of_descriptors(&listener.accept().await));
    }
    // With one more descriptor there is one more connection; the runtime itself may need it for
    // a moment.
    drop(clients.pop());
    let mut accepted = Vec::new();
    while accepted.is_empty() {
        match listener.accept().await {
            Ok((stream, _)) => accepted.push(stream),
            result => assert!(is_out_of_descriptors(&result)),
        }
        yield_now().await;
    }
    assert!(is_out_of_descriptors(&listener.accept().await));
    set_limit(soft_limit);
    while accepted.len() < CLIENTS {
        accepted.push(listener.accept().await.unwrap().0);
    }
    for (client, server) in clients.iter_mut().zip(&mut accepted) {
        client.write_u8(7).await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), 7);
    }
}

#[test]
fn making_sockets_without_descriptors() {
    in_child("making_sockets_without_descriptors", || {
        within(LIMIT, || {
            run(&multi_thread(1), async {
                let listener = listener().await;
                let addr = listener.local_addr().unwrap();
                allow_no_more_descriptors();
                assert!(is_out_of_descriptors(&TcpStream::connect(addr).await));
                assert!(is_out_of_descriptors(&TcpListener::bind("127.0.0.1:0").await));
                assert!(is_out_of_descriptors(&UnixStream::pair()));
                assert!(is_out_of_descriptors(&UnixListener::bind("\0preempt")));
            });
        });
    });
}

/// As many as the limit allows, up to 10,000: two descriptors each, as both ends are here.
#[test]
fn ten_thousand_connections() {
    in_child("ten_thousand_connections", || {
        let hard = limits().rlim_max;
        set_limit(hard);
        let possible = usize::try_from(hard.min(1 << 20)).unwrap().saturating_sub(200) / 2;
        let connections = possible.min(10_000);
        if connections < 10_000 {
            println!("only {connections} connections: the limit is {hard} descriptors");
        }
        for kind in Kind::ALL {
            println!("{kind:?}");
            within(4 * LIMIT, move || run(&kind.build(), many_connections(connections)));
        }
    });
}

async fn many_connections(count: usize) {
    let listener = listener().await;
    let addr = listener.local_addr().unwrap();
    let serving = preempt::spawn(async move {
        let mut connections = JoinSet::new();
        for _ in 0..count {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                while let Ok(number) = stream.read_u32().await {
                    stream.write_u32(number + 1).await.unwrap();
                }
            });
        }
        while let Some(done) = connections.join_next().await {
            done.unwrap();
        }
    });
    // All are open at the same time: none ends before all have begun.
    let (open, all_open) = (Count::default(), Arc::new(tokio::sync::Semaphore::new(0)));
    let mut clients = JoinSet::new();
    for client in 0..count {
        let (open, all_open) = (open.clone(), all_open.clone());
        // So that the listener's queue does not overflow.
        while open.get() + 500 < client {
            yield_now().await;
        }
        clients.spawn(async move {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let number = u32::try_from(client).unwrap();
            stream.write_u32(number).await.unwrap();
            assert_eq!(stream.read_u32().await.unwrap(), number + 1);
            if open.add_one() == count {
                all_open.add_permits(count);
            }
            all_open.acquire().await.unwrap().forget();
            stream.write_u32(number + 1).await.unwrap();
            assert_eq!(stream.read_u32().await.unwrap(), number + 2);
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    serving.await.unwrap();
}
