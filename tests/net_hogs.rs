//! Goal: sockets are served although tasks compute without an end.
//! Method: a server on the runtime and a client outside of it, on a thread with std's sockets, so
//! that only the server depends on the scheduler. The hogs run until the test ends, so every
//! answer is one that came beside them.

mod net_support;

use net_support::*;
use preempt::io::copy;
use preempt::net::{TcpListener, UdpSocket};
use preempt::runtime::{Builder, Runtime};
use std::io::{Read, Write};
use std::net::SocketAddr;

const ROUNDS: u32 = 50;

/// Starts a server on the runtime.
fn serve(runtime: &Runtime) -> SocketAddr {
    let listener = run(runtime, listener());
    let addr = listener.local_addr().unwrap();
    runtime.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            preempt::spawn(async move {
                let (mut read, mut write) = stream.split();
                copy(&mut read, &mut write).await.unwrap();
            });
        }
    });
    addr
}

/// Talks to a server from a thread outside.
fn talk(addr: SocketAddr) {
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    for round in 0..ROUNDS {
        stream.write_all(&round.to_be_bytes()).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(u32::from_be_bytes(answer), round);
    }
}

fn start_hogs(runtime: &Runtime, manners: Manners, count: usize, stop: &Stop) -> Count {
    let running = Count::default();
    for _ in 0..count {
        let (ends, running) = (stop.signal(), running.clone());
        runtime.spawn(async move {
            running.add_one();
            manners.hog(ends).await;
        });
    }
    running
}

#[test]
fn echo_beside_hogs_on_one_worker() {
    for manners in Manners::ALL {
        for workers in [1, 2] {
            println!("{manners:?}, {workers} workers");
            within(LIMIT, move || {
                let runtime = multi_thread(workers);
                let stop = Stop::new();
                let addr = serve(&runtime);
                let running = start_hogs(&runtime, manners, workers + 1, &stop);
                eventually("the hogs run", || running.get() > workers);
                talk(addr);
            });
        }
    }
}

#[test]
fn hogs_that_give_way_in_the_current_thread() {
    within(LIMIT, || {
        let runtime = current_thread();
        let stop = Stop::new();
        let addr = serve(&runtime);
        let running = start_hogs(&runtime, Manners::AsyncCheckpoint, 2, &stop);
        let talking = runtime.spawn_blocking(move || talk(addr));
        runtime.block_on(talking).unwrap();
        assert_eq!(running.get(), 2);
    });
}

#[test]
fn new_connections_beside_hogs() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let addr = serve(&runtime);
        let running = start_hogs(&runtime, Manners::Unannotated, 2, &stop);
        eventually("the hogs run", || running.get() == 2);
        for _ in 0..20 {
            let mut stream = std::net::TcpStream::connect(addr).unwrap();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
    });
}

#[test]
fn clients_on_the_runtime_beside_hogs() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let (one, other) = run(&runtime, async {
            let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            one.connect(other.local_addr().unwrap()).await.unwrap();
            other.connect(one.local_addr().unwrap()).await.unwrap();
            (one, other)
        });
        let _running = start_hogs(&runtime, Manners::Unannotated, 2, &stop);
        runtime.spawn(async move {
            let mut buf = [0; 4];
            loop {
                let n = other.recv(&mut buf).await.unwrap();
                other.send(&buf[..n]).await.unwrap();
            }
        });
        run(&runtime, async move {
            for round in 0..ROUNDS {
                one.send(&round.to_be_bytes()).await.unwrap();
                let mut answer = [0; 4];
                one.recv(&mut answer).await.unwrap();
                assert_eq!(u32::from_be_bytes(answer), round);
            }
        });
    });
}

/// A hog whose own I/O wakes it: each round it computes, and waits for an answer.
#[test]
fn hogs_that_do_io_themselves() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let stop = Stop::new();
        let addr = serve(&runtime);
        let _running = start_hogs(&runtime, Manners::Unannotated, 1, &stop);
        let tasks: Vec<_> = (0..3_u32)
            .map(|task| {
                runtime.spawn(async move {
                    use preempt::io::{AsyncReadExt, AsyncWriteExt};
                    let mut stream = preempt::net::TcpStream::connect(addr).await.unwrap();
                    for round in 0..20 {
                        work(200_000);
                        stream.write_u32(task << 16 | round).await.unwrap();
                        assert_eq!(stream.read_u32().await.unwrap(), task << 16 | round);
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

/// A listener that nobody looks at for a while loses nothing.
#[test]
fn a_task_that_computes_between_two_accepts() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let listener: TcpListener = run(&runtime, listener());
        let addr = listener.local_addr().unwrap();
        let accepting = runtime.spawn(async move {
            for _ in 0..20 {
                let (stream, _) = listener.accept().await.unwrap();
                work(500_000);
                drop(stream);
            }
        });
        let mut streams: Vec<_> =
            (0..20).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
        runtime.block_on(accepting).unwrap();
        for stream in &mut streams {
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
    });
}

/// A socket that is ready whenever it is asked has a budget, so that a task which talks to itself
/// lets others run, also where nobody is preempted.
#[test]
fn a_socket_that_is_always_ready() {
    let in_this_thread = || undisturbed(Builder::new_current_thread());
    for build in [in_this_thread, one_undisturbed_worker] {
        within(LIMIT, move || {
            let runtime = build();
            let ended = Signal::default();
            let ends = ended.clone();
            let rounds = runtime.spawn(async move {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                socket.connect(socket.local_addr().unwrap()).await.unwrap();
                let mut rounds = 0_u64;
                while !ends.is_set() {
                    socket.send(&rounds.to_be_bytes()).await.unwrap();
                    socket.recv(&mut [0; 8]).await.unwrap();
                    rounds += 1;
                }
                rounds
            });
            let other = runtime.spawn(async move {
                for _ in 0..10 {
                    preempt::task::yield_now().await;
                }
                ended.set();
            });
            runtime.block_on(async {
                other.await.unwrap();
                rounds.await.unwrap();
            });
        });
    }
}
