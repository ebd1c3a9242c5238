//! Goal: sockets and their runtime: made outside of one, used after it has gone, moved to another.
//! Method: runtimes that the test drops. Nothing may hang, so every wait is on a thread with a
//! deadline.

mod net_support;

use futures::executor::block_on as wait_outside;
use net_support::*;
use preempt::io::{AsyncReadExt, AsyncWriteExt};
use preempt::net::{TcpListener, TcpStream, UdpSocket, lookup_host};
use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::thread;

/// A listener and a socket of std's in non-blocking mode.
fn std_listener() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

// ---- without a runtime ----

#[test]
fn making_a_socket_outside_a_runtime_panics() {
    within(LIMIT, || {
        let message = panic_message(|| drop(TcpListener::from_std(std_listener())));
        assert!(message.contains("no preempt runtime"), "{message}");
        let message = panic_message(|| drop(wait_outside(UdpSocket::bind("127.0.0.1:0"))));
        assert!(message.contains("Runtime::block_on"), "{message}");
        let message = panic_message(|| drop(wait_outside(TcpStream::connect("127.0.0.1:1"))));
        assert!(message.contains("Handle::enter"), "{message}");
        let message = panic_message(|| drop(wait_outside(lookup_host("localhost:1"))));
        assert!(message.contains("no preempt runtime"), "{message}");
        // This needs none.
        assert_eq!(wait_outside(lookup_host("127.0.0.1:1")).unwrap().count(), 1);
    });
}

#[cfg(unix)]
#[test]
fn the_panic_is_at_the_call() {
    use std::panic::{set_hook, take_hook};
    within(LIMIT, || {
        let (sender, receiver) = channel();
        let (before, here) = (take_hook(), thread::current().id());
        set_hook(Box::new(move |info| {
            // Other tests panic as well.
            if thread::current().id() == here {
                drop(sender.send(info.location().map(|it| it.file().to_owned())));
            }
        }));
        let calls: [fn(); 3] = [
            || drop(preempt::net::UnixStream::pair()),
            || drop(preempt::net::UnixDatagram::unbound()),
            || drop(preempt::io::unix::AsyncFd::new(std::io::stdin())),
        ];
        let messages = calls.map(panic_message);
        set_hook(before);
        for message in messages {
            assert!(message.contains("no preempt runtime"), "{message}");
            assert_eq!(receiver.recv().unwrap().as_deref(), Some(file!()));
        }
    });
}

#[test]
fn a_context_is_enough_to_make_a_socket() {
    for kind in Kind::ALL {
        within(LIMIT, move || {
            let runtime = kind.build();
            let listener = {
                let _entered = runtime.enter();
                TcpListener::from_std(std_listener()).unwrap()
            };
            let addr = listener.local_addr().unwrap();
            let client = std::net::TcpStream::connect(addr).unwrap();
            let (_, peer) = runtime.block_on(listener.accept()).unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        });
    }
}

// ---- after the runtime ----

#[test]
fn a_socket_outlives_its_runtime() {
    for kind in Kind::ALL {
        within(LIMIT, move || {
            let runtime = kind.build();
            let (mut client, server, listener, udp) = run(&runtime, async {
                let (client, server) = tcp_pair().await;
                let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                (client, server, listener().await, udp)
            });
            drop(runtime);
            wait_outside(async {
                assert_gone(client.read(&mut [0]).await);
                assert_gone(client.write(&[0]).await);
                assert_gone(client.peek(&mut [0]).await);
                assert_gone(client.readable().await);
                assert_gone(client.writable().await);
                assert_gone(listener.accept().await);
                assert_gone(udp.recv(&mut [0]).await);
                assert_gone(udp.send_to(&[0], "127.0.0.1:9").await);
            });
            assert_gone(client.try_read(&mut [0]));
            assert_gone(client.try_write(&[0]));
            assert_gone(udp.try_recv_from(&mut [0]));
            // What does not wait goes on working.
            assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
            // The socket itself is as good as before.
            let mut std_client = client.into_std().unwrap();
            std_client.set_nonblocking(false).unwrap();
            drop(server);
            assert_eq!(std_client.read(&mut [0]).unwrap(), 0);
        });
    }
}

#[test]
fn who_waits_is_told_when_the_runtime_goes() {
    for kind in Kind::ALL {
        within(LIMIT, move || {
            let runtime = kind.build();
            let (mut client, _server) = run(&runtime, tcp_pair());
            let listener = run(&runtime, listener());
            let (sender, waiting) = channel();
            let other_sender = sender.clone();
            let reading = thread::spawn(move || {
                let mut buf = [0];
                let mut read = Box::pin(client.read(&mut buf));
                assert!(wait_outside(is_pending(&mut read)));
                sender.send(()).unwrap();
                wait_outside(read)
            });
            let accepting = thread::spawn(move || {
                let mut accept = Box::pin(listener.accept());
                assert!(wait_outside(is_pending(&mut accept)));
                other_sender.send(()).unwrap();
                wait_outside(accept).map(drop)
            });
            waiting.recv().unwrap();
            waiting.recv().unwrap();
            drop(runtime);
            assert_gone(reading.join().unwrap());
            assert_gone(accepting.join().unwrap());
        });
    }
}

#[test]
fn tasks_that_wait_end_with_their_runtime() {
    for kind in Kind::ALL {
        within(LIMIT, move || {
            let runtime = kind.build();
            let drops = Count::default();
            let (mut client, server) = run(&runtime, tcp_pair());
            for _ in 0..10 {
                let dropped = CountsDrop(drops.clone());
                runtime.spawn(async move {
                    let _dropped = dropped;
                    let listener = listener().await;
                    listener.accept().await.map(drop)
                });
            }
            let task = runtime.spawn(async move {
                let (mut read, _write) = server.into_split();
                read.read(&mut [0]).await
            });
            run(&runtime, async move { client.write_all(b"").await.map(|()| client) }).unwrap();
            drop(runtime);
            assert!(wait_outside(task).is_err() || kind != Kind::CurrentThread);
            assert_eq!(drops.get(), 10);
        });
    }
}

#[test]
fn making_a_socket_when_the_runtime_has_gone() {
    within(LIMIT, || {
        for kind in Kind::ALL {
            let runtime = kind.build();
            let handle = runtime.handle().clone();
            drop(runtime);
            let _entered = handle.enter();
            assert_gone(TcpListener::from_std(std_listener()));
            assert_gone(wait_outside(UdpSocket::bind("127.0.0.1:0")));
            assert_gone(wait_outside(lookup_host("localhost:1")).map(Vec::from_iter));
        }
    });
}

// ---- several runtimes ----

#[test]
fn a_socket_of_one_runtime_in_tasks_of_another() {
    for kind in Kind::ALL {
        within(LIMIT, move || {
            let (home, away) = (kind.build(), multi_thread(2));
            // A current-thread runtime polls only while somebody is in it.
            let stop = Stop::new();
            let ended = stop.signal();
            let driving = thread::spawn({
                let handle = home.handle().clone();
                move || {
                    let (mut client, server) = run(&home, tcp_pair());
                    let (mut read, mut write) = server.into_split();
                    let echo = away.spawn(async move {
                        preempt::io::copy(&mut read, &mut write).await.unwrap();
                    });
                    let task = away.spawn(async move {
                        for round in 0..100_u64 {
                            client.write_u64(round).await.unwrap();
                            assert_eq!(client.read_u64().await.unwrap(), round);
                        }
                        drop(client);
                        ended.set();
                    });
                    run(&home, async move {
                        task.await.unwrap();
                        echo.await.unwrap();
                    });
                    drop(handle);
                }
            });
            driving.join().unwrap();
            assert!(stop.signal().is_set());
        });
    }
}

#[test]
fn a_socket_moves_to_another_runtime() {
    for kind in Kind::ALL {
        within(LIMIT, move || {
            let first = kind.build();
            let (mut client, server) = run(&first, half_std_pair());
            client = run(&first, async move {
                client.write_all(b"a").await.unwrap();
                client
            });
            let moved = client.into_std().unwrap();
            drop(first);
            let second = kind.build();
            let mut server = server;
            server.write_all(b"b").unwrap();
            run(&second, async move {
                let mut client = TcpStream::from_std(moved).unwrap();
                client.write_all(b"c").await.unwrap();
                assert_eq!(client.read_u8().await.unwrap(), b'b');
            });
            let mut heard = [0; 2];
            server.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"ac");
        });
    }
}

#[test]
fn a_blocked_thread_and_tasks_use_one_runtime() {
    within(LIMIT, || {
        let runtime = multi_thread(1);
        let listener = run(&runtime, listener());
        let addr = listener.local_addr().unwrap();
        runtime.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                preempt::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    drop(preempt::io::copy(&mut read, &mut write).await);
                });
            }
        });
        // The future of `block_on` itself does I/O.
        for kind in [Kind::OneWorker, Kind::CurrentThread] {
            kind.build().block_on(async move {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                stream.write_u64(7).await.unwrap();
                assert_eq!(stream.read_u64().await.unwrap(), 7);
            });
        }
    });
}
