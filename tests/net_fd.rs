//! Goal: pipes, and any file descriptor through `AsyncFd`.
//! Method: pipes, FIFO files and eventfds of this process, on every kind of runtime.
#![cfg(unix)]

mod net_support;

use net_support::*;
use preempt::io::unix::AsyncFd;
use preempt::io::{AsyncReadExt, AsyncWriteExt, ErrorKind, Interest, Ready};
use preempt::net::unix::pipe;
use std::fs::File;
use std::future::poll_fn;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;

// ---- pipes ----

#[test]
fn a_pipe() {
    on_each(|| async {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        let mut heard = [0; 5];
        {
            let mut reading = pin!(receiver.read_exact(&mut heard));
            assert!(is_pending(&mut reading).await);
            sender.write_all(b"hello").await.unwrap();
            reading.await.unwrap();
        }
        assert_eq!(&heard, b"hello");
        assert_kind(receiver.try_read(&mut heard), ErrorKind::WouldBlock);
        sender.writable().await.unwrap();
        sender.try_write(b"abc").unwrap();
        receiver.readable().await.unwrap();
        let mut vector = Vec::with_capacity(8);
        assert_eq!(receiver.try_read_buf(&mut vector).unwrap(), 3);
        drop(sender);
        assert_eq!(receiver.read(&mut heard).await.unwrap(), 0);
    });
}

#[test]
fn a_pipe_that_nobody_reads() {
    on_each(|| async {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        let mut written = 0;
        loop {
            let block = pattern(written, 3_000);
            let Some(n) = given_up_after(2, sender.write(&block)).await else { break };
            written += n.unwrap();
        }
        let rest = pattern(written, 100_000);
        let total = written + rest.len();
        let writing = preempt::spawn(async move { sender.write_all(&rest).await.map(|()| sender) });
        let mut received = vec![0; total];
        receiver.read_exact(&mut received).await.unwrap();
        assert!(received == pattern(0, total), "bytes were lost or changed");
        let mut sender = writing.await.unwrap().unwrap();
        // Without a reader writing fails, also for who waits.
        while given_up_after(2, sender.write(&[0; 3_000])).await.is_some() {}
        let mut writing = pin!(sender.write(&[0; 3_000]));
        assert!(is_pending(&mut writing).await);
        drop(receiver);
        assert_kind(writing.await, ErrorKind::BrokenPipe);
    });
}

/// The reader of a FIFO is told that its last writer is gone; when another comes it has to wait for
/// that one, and not try again and again.
#[cfg(target_os = "linux")]
#[test]
fn a_fifo_whose_writers_come_and_go() {
    on_each(|| async {
        let directory = Directory::new();
        let path = directory.file("fifo");
        make_fifo(&path);
        let options = pipe::OpenOptions::new();
        assert_eq!(options.open_sender(&path).unwrap_err().raw_os_error(), Some(libc::ENXIO));
        let mut receiver = options.open_receiver(&path).unwrap();
        let mut buf = [0; 8];
        for round in 0..3 {
            let mut sender = options.open_sender(&path).unwrap();
            // It may have seen the end of the writer before.
            let mut reading = pin!(async {
                loop {
                    let n = receiver.read(&mut buf).await.unwrap();
                    if n > 0 {
                        return n;
                    }
                }
            });
            assert!(is_pending(&mut reading).await);
            sender.write_all(b"abc").await.unwrap();
            assert_eq!(reading.await, 3, "in round {round}");
            drop(sender);
            assert_eq!(receiver.read(&mut buf).await.unwrap(), 0);
        }
    });
}

#[cfg(target_os = "linux")]
fn make_fifo(path: &std::path::Path) {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the path ends with a zero byte.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

#[test]
fn what_is_no_pipe_is_refused() {
    on_each(|| async {
        let directory = Directory::new();
        let path = directory.file("file");
        File::create(&path).unwrap();
        let options = pipe::OpenOptions::new();
        assert_kind(options.open_receiver(&path), ErrorKind::InvalidInput);
        assert_kind(pipe::Sender::from_file(File::open(&path).unwrap()), ErrorKind::InvalidInput);
        let (reader, writer) = std::io::pipe().unwrap();
        assert_kind(pipe::Sender::from_owned_fd(reader.into()), ErrorKind::InvalidInput);
        assert_kind(pipe::Receiver::from_owned_fd(writer.into()), ErrorKind::InvalidInput);
    });
}

#[test]
fn pipes_of_std_and_back() {
    on_each(|| async {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut receiver = pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        let mut sender = pipe::Sender::from_owned_fd(writer.into()).unwrap();
        sender.write_all(b"abc").await.unwrap();
        let mut heard = [0; 3];
        receiver.read_exact(&mut heard).await.unwrap();
        // In blocking mode again, so that this waits.
        let mut writer = File::from(sender.into_blocking_fd().unwrap());
        let mut reader = File::from(receiver.into_blocking_fd().unwrap());
        let reading = std::thread::spawn(move || {
            let mut heard = String::new();
            reader.read_to_string(&mut heard).unwrap();
            heard
        });
        writer.write_all(b"def").unwrap();
        drop(writer);
        assert_eq!(reading.join().unwrap(), "def");
    });
}

// ---- AsyncFd ----

/// A pipe in non-blocking mode.
fn raw_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    set_non_blocking(&reader);
    set_non_blocking(&writer);
    (reader, writer)
}

fn set_non_blocking(fd: &impl AsRawFd) {
    // SAFETY: changes the mode of an open descriptor.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(result, 0);
}

#[test]
fn a_guard_takes_readiness_back() {
    on_each(|| async {
        let (reader, mut writer) = raw_pipe();
        let reader = AsyncFd::with_interest(reader, Interest::READABLE).unwrap();
        {
            let mut readable = Box::pin(reader.readable());
            assert!(is_pending(&mut readable).await);
            writer.write_all(b"abc").unwrap();
            let mut guard = readable.await.unwrap();
            assert!(guard.ready().is_readable());
            assert_eq!(guard.get_inner().as_raw_fd(), guard.get_ref().as_raw_fd());
            let mut buf = [0; 8];
            let n = guard.try_io(|fd| fd.get_ref().read(&mut buf)).unwrap().unwrap();
            assert_eq!(&buf[..n], b"abc");
            // The guard still says that it is ready, which this finds out.
            assert!(guard.try_io(|fd| fd.get_ref().read(&mut buf)).is_err());
            assert!(guard.ready().is_empty());
        }
        assert!(is_pending(&mut Box::pin(reader.readable())).await);
        writer.write_all(b"x").unwrap();
        reader.readable().await.unwrap().retain_ready();
        // Still ready, as it was neither read nor cleared.
        let mut guard = reader.readable().await.unwrap();
        guard.clear_ready();
        assert!(is_pending(&mut Box::pin(reader.readable())).await);
        // Closing is news.
        drop(writer);
        let guard = reader.readable().await.unwrap();
        assert!(guard.ready().is_read_closed());
    });
}

#[test]
fn a_newer_event_is_not_taken_back() {
    on_each(|| async {
        let (reader, mut writer) = raw_pipe();
        let reader = AsyncFd::new(reader).unwrap();
        writer.write_all(b"x").unwrap();
        let mut old = reader.readable().await.unwrap();
        assert_eq!(reader.get_ref().read(&mut [0; 8]).unwrap(), 1);
        reader.readable().await.unwrap().clear_ready();
        writer.write_all(b"y").unwrap();
        let _new = reader.readable().await.unwrap();
        old.clear_ready();
        assert!(reader.readable().await.unwrap().ready().is_readable());
    });
}

#[test]
fn a_part_of_readiness_is_taken_back() {
    on_each(|| async {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let mut one = AsyncFd::new(one).unwrap();
        (&other).write_all(b"x").unwrap();
        one.readable().await.unwrap().retain_ready();
        one.writable().await.unwrap().retain_ready();
        let mut guard = one.ready_mut(Interest::READABLE | Interest::WRITABLE).await.unwrap();
        assert_eq!(guard.ready(), Ready::READABLE | Ready::WRITABLE);
        guard.clear_ready_matching(Ready::READABLE);
        assert_eq!(guard.ready(), Ready::WRITABLE);
        guard.get_inner_mut().write_all(b"y").unwrap();
        assert!(is_pending(&mut Box::pin(one.readable())).await);
        assert!(one.writable().await.is_ok());
    });
}

#[test]
fn operations_through_a_descriptor() {
    on_each(|| async {
        let (reader, writer) = raw_pipe();
        let reader = AsyncFd::with_interest(reader, Interest::READABLE).unwrap();
        let mut writer = AsyncFd::with_interest(writer, Interest::WRITABLE).unwrap();
        let mut buf = [0; 8];
        let tried = reader.try_io(Interest::READABLE, |mut fd| fd.read(&mut buf));
        assert_kind(tried, ErrorKind::WouldBlock);
        let reading = preempt::spawn(async move {
            let mut buf = [0; 8];
            let n = reader.async_io(Interest::READABLE, |mut fd| fd.read(&mut buf)).await.unwrap();
            (n, reader)
        });
        writer.async_io_mut(Interest::WRITABLE, |fd| fd.write(b"abc")).await.unwrap();
        let (n, reader) = reading.await.unwrap();
        assert_eq!(n, 3);
        let guard = poll_fn(|cx| writer.poll_write_ready(cx)).await.unwrap();
        assert!(guard.ready().is_writable());
        writer.try_io_mut(Interest::WRITABLE, |fd| fd.write(b"d")).unwrap();
        drop(poll_fn(|cx| reader.poll_read_ready(cx).map_ok(drop)).await);
        // It leaves the runtime, and may come again.
        let mut reader = AsyncFd::new(reader.into_inner()).unwrap();
        assert_eq!(reader.readable_mut().await.unwrap().get_inner_mut().read(&mut buf).unwrap(), 1);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_eventfd_wakes_all_who_wait() {
    on_each(|| async {
        const WAITERS: usize = 20;
        // SAFETY: makes a descriptor.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: the descriptor is new.
        let fd = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd) };
        let event = Arc::new(AsyncFd::with_interest(File::from(fd), Interest::READABLE).unwrap());
        let begun = Count::default();
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                let (event, begun) = (event.clone(), begun.clone());
                preempt::spawn(async move {
                    begun.add_one();
                    event.readable().await.unwrap().retain_ready();
                })
            })
            .collect();
        while begun.get() < WAITERS {
            preempt::task::yield_now().await;
        }
        event.get_ref().write_all(&1_u64.to_ne_bytes()).unwrap();
        for waiter in waiters {
            waiter.await.unwrap();
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn errors_of_registering() {
    on_each(|| async {
        let directory = Directory::new();
        let file = File::create(directory.file("file")).unwrap();
        let error = AsyncFd::try_new(file).unwrap_err();
        let (file, cause) = error.into_parts();
        assert_eq!(cause.raw_os_error(), Some(libc::EPERM), "a regular file is always ready");
        drop(file);

        let (reader, _writer) = raw_pipe();
        let first = AsyncFd::new(reader.as_fd()).unwrap();
        assert_kind(AsyncFd::new(reader.as_fd()), ErrorKind::AlreadyExists);
        drop(first);
        // SAFETY: nothing is asked for.
        let again = unsafe { AsyncFd::register(reader.as_fd()) }.unwrap();
        assert_eq!(again.as_fd().as_raw_fd(), reader.as_raw_fd());
    });
}
