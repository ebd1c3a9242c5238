//! Goal: files and directories behave as tokio's, beside a hog and in a shutdown.
//! Method: real files in a directory of the test's own. Where an operation has to be in flight, the
//! only thread for blocking work is kept busy, so that nothing depends on time.

mod files_support;

use files_support::*;
use preempt::fs::{self, DirBuilder, File, OpenOptions};
use preempt::runtime::Builder;
use preempt::task::JoinSet;
use std::collections::BTreeSet;
use std::future::Future;
use std::io::{ErrorKind, IoSlice, SeekFrom};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt};

/// Polls a future once, with a waker that does nothing, and drops it.
fn poll_and_drop<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

async fn read_up_to(file: &mut File, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; most];
    let count = file.read(&mut bytes).await.unwrap();
    bytes.truncate(count);
    bytes
}

// ---- functions of paths ----

#[test]
fn paths_are_made_and_found_and_removed() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let (a, b) = (dir.join("a"), dir.join("b"));
        assert!(!fs::try_exists(&a).await.unwrap());
        fs::write(&a, "content").await.unwrap();
        assert!(fs::try_exists(&a).await.unwrap());
        assert_eq!(fs::read(&a).await.unwrap(), b"content");
        assert_eq!(fs::read_to_string(&a).await.unwrap(), "content");
        assert_eq!(fs::metadata(&a).await.unwrap().len(), 7);
        assert_eq!(fs::copy(&a, &b).await.unwrap(), 7);
        fs::write(&a, "less").await.unwrap();
        assert_eq!(fs::read(&a).await.unwrap(), b"less", "it is replaced");
        fs::rename(&a, &b).await.unwrap();
        assert_eq!(fs::read(&b).await.unwrap(), b"less");
        assert!(!fs::try_exists(&a).await.unwrap());

        fs::hard_link(&b, &a).await.unwrap();
        fs::remove_file(&b).await.unwrap();
        assert_eq!(fs::read(&a).await.unwrap(), b"less");

        let deep = dir.join("1/2/3");
        fs::create_dir_all(&deep).await.unwrap();
        fs::create_dir_all(&deep).await.unwrap();
        fs::create_dir(deep.join("4")).await.unwrap();
        let around = deep.join("../../../a");
        let plain = fs::canonicalize(&a).await.unwrap();
        assert_eq!(fs::canonicalize(around).await.unwrap(), plain);
        fs::remove_dir(deep.join("4")).await.unwrap();
        fs::remove_dir_all(dir.join("1")).await.unwrap();
        assert!(!fs::try_exists(dir.join("1")).await.unwrap());

        let mut permissions = fs::metadata(&a).await.unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&a, permissions).await.unwrap();
        assert!(fs::metadata(&a).await.unwrap().permissions().readonly());
    });
}

#[test]
#[cfg(unix)]
fn symbolic_links_are_followed_or_not() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let file = dir.file("file", "content");
        let link = dir.join("link");
        fs::symlink(&file, &link).await.unwrap();
        assert_eq!(fs::read_link(&link).await.unwrap(), file);
        assert!(fs::metadata(&link).await.unwrap().is_file());
        assert!(fs::symlink_metadata(&link).await.unwrap().is_symlink());
        let mut no_follow = OpenOptions::new();
        let error = no_follow.read(true).custom_flags(libc::O_NOFOLLOW).open(&link).await;
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::ELOOP));
        fs::remove_file(&file).await.unwrap();
        assert!(!fs::try_exists(&link).await.unwrap());
        assert!(fs::symlink_metadata(&link).await.unwrap().is_symlink());
    });
}

#[test]
#[cfg(unix)]
fn modes_are_passed_on() {
    use std::os::unix::fs::PermissionsExt;
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let (file, sub) = (dir.join("file"), dir.join("1/2"));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).await.unwrap();
        DirBuilder::new().mode(0o700).recursive(true).create(&sub).await.unwrap();
        let mode = |path| async move { fs::metadata(path).await.unwrap().permissions().mode() };
        assert_eq!(mode(file).await & 0o777, 0o600);
        assert_eq!(mode(sub.clone()).await & 0o777, 0o700);
        let again = DirBuilder::new().create(&sub).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    });
}

#[test]
fn a_missing_path_is_told_by_each() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let file = dir.file("file", "");
        let (missing, below) = (dir.join("no"), dir.join("no/no"));
        let kinds = [
            fs::canonicalize(&missing).await.unwrap_err().kind(),
            fs::copy(&missing, dir.join("copy")).await.unwrap_err().kind(),
            fs::create_dir(&below).await.unwrap_err().kind(),
            fs::hard_link(&missing, dir.join("link")).await.unwrap_err().kind(),
            fs::metadata(&missing).await.unwrap_err().kind(),
            fs::read(&missing).await.unwrap_err().kind(),
            fs::read_dir(&missing).await.unwrap_err().kind(),
            fs::read_link(&missing).await.unwrap_err().kind(),
            fs::read_to_string(&missing).await.unwrap_err().kind(),
            fs::remove_dir(&missing).await.unwrap_err().kind(),
            fs::remove_dir_all(&missing).await.unwrap_err().kind(),
            fs::remove_file(&missing).await.unwrap_err().kind(),
            fs::rename(&missing, &file).await.unwrap_err().kind(),
            fs::symlink_metadata(&missing).await.unwrap_err().kind(),
            fs::write(&below, "").await.unwrap_err().kind(),
            File::open(&missing).await.unwrap_err().kind(),
            File::create(&below).await.unwrap_err().kind(),
            File::create_new(&below).await.unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::NotFound; 18]);
    });
}

#[test]
fn a_directory_is_no_file_and_a_file_no_directory() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let file = dir.file("file", b"\xff");
        let path = dir.path();
        assert_eq!(fs::read(path).await.unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(fs::write(path, "").await.unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(File::create(path).await.unwrap_err().kind(), ErrorKind::IsADirectory);
        assert!(fs::remove_file(path).await.is_err());
        assert_eq!(fs::read_dir(&file).await.unwrap_err().kind(), ErrorKind::NotADirectory);
        assert_eq!(fs::remove_dir(&file).await.unwrap_err().kind(), ErrorKind::NotADirectory);
        let not_empty = fs::remove_dir(path).await.unwrap_err();
        assert_eq!(not_empty.kind(), ErrorKind::DirectoryNotEmpty);
        let below = fs::create_dir_all(file.join("below")).await.unwrap_err();
        assert_eq!(below.kind(), ErrorKind::NotADirectory);
        assert_eq!(fs::create_dir(path).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let exists = File::create_new(&file).await.unwrap_err();
        assert_eq!(exists.kind(), ErrorKind::AlreadyExists);
        let not_text = fs::read_to_string(&file).await.unwrap_err();
        assert_eq!(not_text.kind(), ErrorKind::InvalidData);
        let nothing = OpenOptions::new().open(&file).await.unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::InvalidInput);
        // Opens, but cannot be read.
        let mut directory = File::open(path).await.unwrap();
        let read = directory.read(&mut [0]).await.unwrap_err();
        assert_eq!(read.kind(), ErrorKind::IsADirectory);
    });
}

// ---- reading, writing, seeking ----

#[test]
fn what_is_written_is_read_again() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let path = dir.join("file");
        let mut file = File::create_new(&path).await.unwrap();
        file.write_all(b"hello, ").await.unwrap();
        let slices = [IoSlice::new(b"wor"), IoSlice::new(b""), IoSlice::new(b"ld")];
        assert!(file.is_write_vectored());
        assert_eq!(file.write_vectored(&slices).await.unwrap(), 5);
        file.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"hello, world");
        file.rewind().await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello, world");
        assert_eq!(read_up_to(&mut file, 10).await, b"", "the end stays the end");
        assert_eq!(read_up_to(&mut file, 0).await, b"");
    });
}

#[test]
fn seeks_go_where_they_should() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let mut file = File::open(dir.file("file", "0123456789")).await.unwrap();
        assert_eq!(file.seek(SeekFrom::Start(3)).await.unwrap(), 3);
        assert_eq!(read_up_to(&mut file, 2).await, b"34");
        assert_eq!(file.stream_position().await.unwrap(), 5);
        assert_eq!(file.seek(SeekFrom::Current(-4)).await.unwrap(), 1);
        assert_eq!(read_up_to(&mut file, 1).await, b"1");
        assert_eq!(file.seek(SeekFrom::End(-1)).await.unwrap(), 9);
        assert_eq!(read_up_to(&mut file, 9).await, b"9");
        assert_eq!(file.seek(SeekFrom::End(5)).await.unwrap(), 15);
        assert_eq!(read_up_to(&mut file, 9).await, b"");
        let before = file.seek(SeekFrom::Current(-16)).await.unwrap_err();
        assert_eq!(before.kind(), ErrorKind::InvalidInput);
        assert_eq!(file.stream_position().await.unwrap(), 15, "a failed seek moves nothing");
    });
}

#[test]
fn an_append_goes_to_the_end() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let path = dir.file("file", "start");
        let mut file = OpenOptions::new().append(true).open(&path).await.unwrap();
        file.rewind().await.unwrap();
        file.write_all(b", end").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"start, end");
    });
}

#[test]
fn more_than_one_operation_can_carry() {
    beside_a_hog(|| async {
        let content: Vec<u8> = (0..5_000_000_u32).map(|at| (at / 7) as u8).collect();
        let dir = TempDir::new();
        let path = dir.join("file");
        for limit in [None, Some(100_000)] {
            let mut file = File::create(&path).await.unwrap();
            assert_eq!(file.max_buf_size(), 2 << 20);
            if let Some(limit) = limit {
                file.set_max_buf_size(limit);
            }
            let most = file.max_buf_size();
            assert_eq!(file.write(&content).await.unwrap(), most);
            file.write_all(&content[most..]).await.unwrap();
            file.flush().await.unwrap();

            let mut file = File::open(&path).await.unwrap();
            file.set_max_buf_size(most);
            assert_eq!(read_up_to(&mut file, content.len()).await.len(), most);
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).await.unwrap();
            assert!(rest == content[most..]);
            assert_eq!(file.try_clone().await.unwrap().max_buf_size(), most);
        }
    });
}

#[test]
#[should_panic(expected = "needs 1 or more")]
fn a_buffer_of_nothing_is_refused() {
    let dir = TempDir::new();
    let file = std::fs::File::create(dir.join("file")).unwrap();
    File::from_std(file).set_max_buf_size(0);
}

#[test]
fn lengths_and_times_and_permissions_change() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let path = dir.file("file", "0123456789");
        let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
        assert_eq!(read_up_to(&mut file, 4).await, b"0123");
        file.set_len(6).await.unwrap();
        assert_eq!(read_up_to(&mut file, 9).await, b"45");
        file.set_len(8).await.unwrap();
        assert_eq!(read_up_to(&mut file, 9).await, b"\0\0");
        assert_eq!(file.metadata().await.unwrap().len(), 8);
        file.write_all(b"x").await.unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        file.set_modified(time).await.unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        let metadata = file.metadata().await.unwrap();
        assert_eq!((metadata.len(), metadata.modified().unwrap()), (9, time));
        let mut permissions = metadata.permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions).await.unwrap();
        assert!(std::fs::metadata(&path).unwrap().permissions().readonly());

        let read_only = File::open(&path).await.unwrap();
        assert_eq!(read_only.set_len(1).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn clones_share_the_cursor() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let mut file = File::open(dir.file("file", "0123456789")).await.unwrap();
        let mut clone = file.try_clone().await.unwrap();
        assert_eq!(read_up_to(&mut file, 3).await, b"012");
        assert_eq!(read_up_to(&mut clone, 3).await, b"345");
        drop(file);
        assert_eq!(read_up_to(&mut clone, 3).await, b"678");
    });
}

#[test]
#[cfg(unix)]
fn a_file_is_a_descriptor() {
    use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let std = std::fs::File::open(dir.file("file", "0123456789")).unwrap();
        let number = std.as_raw_fd();
        let mut file = File::from(std);
        assert_eq!((file.as_raw_fd(), file.as_fd().as_raw_fd()), (number, number));
        assert_eq!(read_up_to(&mut file, 1).await, b"0");
        let mut file = File::from(OwnedFd::from(file.into_std().await));
        assert_eq!(read_up_to(&mut file, 1).await, b"1");
        let raw = file.try_into_std().unwrap().into_raw_fd();
        // SAFETY: it was just given up.
        let mut file = unsafe { File::from_raw_fd(raw) };
        assert_eq!(read_up_to(&mut file, 1).await, b"2");
        assert!(format!("{file:?}").contains(&number.to_string()), "{file:?}");
    });
}

// ---- errors of writes ----

/// A file to which nothing can be written, but it is opened to write, and its error's number.
#[cfg(target_os = "linux")]
async fn full() -> (File, Option<i32>) {
    let file = OpenOptions::new().read(true).write(true).open("/dev/full").await.unwrap();
    (file, Some(libc::ENOSPC))
}

#[test]
#[cfg(target_os = "linux")]
fn an_error_of_a_write_comes_out_once_at_the_next_question() {
    beside_a_hog(|| async {
        let (mut file, error) = full().await;
        assert_eq!(file.write(b"abc").await.unwrap(), 3, "it was only taken");
        assert_eq!(file.flush().await.unwrap_err().raw_os_error(), error);
        file.flush().await.unwrap();
        assert_eq!(file.write(b"abc").await.unwrap(), 3);
        assert_eq!(file.write(b"abc").await.unwrap_err().raw_os_error(), error);
        file.flush().await.unwrap();
        assert_eq!(file.write(b"abc").await.unwrap(), 3);
        assert_eq!(file.shutdown().await.unwrap_err().raw_os_error(), error);
        assert_eq!(file.write(b"abc").await.unwrap(), 3);
        assert_eq!(file.sync_all().await.unwrap_err().raw_os_error(), error);
        assert_eq!(file.write(b"abc").await.unwrap(), 3);
        assert_eq!(file.sync_data().await.unwrap_err().raw_os_error(), error);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn an_error_of_a_write_waits_for_who_asks_about_writes() {
    beside_a_hog(|| async {
        let (mut file, error) = full().await;
        file.write_all(b"abc").await.unwrap();
        assert_eq!(read_up_to(&mut file, 2).await, b"\0\0", "`/dev/full` is all zeros");
        file.rewind().await.unwrap();
        file.try_clone().await.unwrap();
        file.set_len(3).await.unwrap_err();
        assert_eq!(file.flush().await.unwrap_err().raw_os_error(), error);
        file.flush().await.unwrap();
    });
}

#[test]
fn a_file_for_one_direction_refuses_the_other() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let mut to_write = File::create(dir.join("file")).await.unwrap();
        to_write.read(&mut [0]).await.unwrap_err();
        to_write.write_all(b"abc").await.unwrap();
        to_write.flush().await.unwrap();
        let mut to_read = File::open(dir.join("file")).await.unwrap();
        to_read.write_all(b"abc").await.unwrap();
        to_read.flush().await.unwrap_err();
        assert_eq!(read_up_to(&mut to_read, 9).await, b"abc");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_write_is_polled_again_after_an_error() {
    beside_a_hog(|| async {
        let (mut file, error) = full().await;
        let mut write = |bytes: &'static [u8]| {
            let mut file = Pin::new(&mut file);
            let mut cx = Context::from_waker(Waker::noop());
            file.as_mut().poll_write(&mut cx, bytes)
        };
        assert!(matches!(write(b""), Poll::Ready(Ok(0))));
        assert!(matches!(write(b"abc"), Poll::Ready(Ok(3))));
        let result = loop {
            match write(b"abc") {
                Poll::Ready(result) => break result,
                Poll::Pending => preempt::task::yield_now().await,
            }
        };
        assert_eq!(result.unwrap_err().raw_os_error(), error);
        assert!(matches!(write(b"abc"), Poll::Ready(Ok(3))));
    });
}

// ---- cancellation ----

/// A file with ten bytes, of which a read of the first six is in flight and has no caller any more.
async fn with_a_cancelled_read(dir: &TempDir) -> File {
    let path = dir.file("file", "0123456789");
    let mut file = OpenOptions::new().read(true).write(true).open(&path).await.unwrap();
    let busy = BusyPool::new();
    assert!(poll_and_drop(file.read(&mut [0; 6])).is_pending());
    drop(busy);
    file
}

/// Runs the test on each flavor with one thread for blocking work.
#[track_caller]
fn with_one_blocking_thread<F: Future<Output = ()> + 'static>(test: fn() -> F) {
    for builder in [Builder::new_current_thread as fn() -> Builder, Builder::new_multi_thread] {
        println!("{:?}", builder());
        within(LIMIT, move || one_blocking_thread(builder()).block_on(test()));
    }
}

#[test]
fn what_a_cancelled_read_brings_is_read_next() {
    with_one_blocking_thread(|| async {
        let dir = TempDir::new();
        let mut file = with_a_cancelled_read(&dir).await;
        assert_eq!(read_up_to(&mut file, 4).await, b"0123");
        assert_eq!(read_up_to(&mut file, 9).await, b"45");
        assert_eq!(read_up_to(&mut file, 9).await, b"6789");
    });
}

#[test]
fn a_write_after_a_cancelled_read_starts_where_the_program_is() {
    with_one_blocking_thread(|| async {
        let dir = TempDir::new();
        let mut file = with_a_cancelled_read(&dir).await;
        assert_eq!(read_up_to(&mut file, 2).await, b"01");
        file.write_all(b"ab").await.unwrap();
        assert_eq!(read_up_to(&mut file, 1).await, b"4");
        file.flush().await.unwrap();
        assert_eq!(fs::read(dir.join("file")).await.unwrap(), b"01ab456789");

        let mut file = with_a_cancelled_read(&dir).await;
        file.write_all(b"ab").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(fs::read(dir.join("file")).await.unwrap(), b"ab23456789");
    });
}

#[test]
fn a_seek_after_a_cancelled_read_counts_from_where_the_program_is() {
    with_one_blocking_thread(|| async {
        let dir = TempDir::new();
        let mut file = with_a_cancelled_read(&dir).await;
        assert_eq!(file.stream_position().await.unwrap(), 0);
        let mut file = with_a_cancelled_read(&dir).await;
        assert_eq!(read_up_to(&mut file, 2).await, b"01");
        assert_eq!(file.seek(SeekFrom::Current(3)).await.unwrap(), 5);
        assert_eq!(read_up_to(&mut file, 2).await, b"56");
        let mut file = with_a_cancelled_read(&dir).await;
        assert_eq!(read_up_to(&mut file, 2).await, b"01");
        file.seek(SeekFrom::Current(-3)).await.unwrap_err();
        assert_eq!(file.stream_position().await.unwrap(), 2, "a failed seek moves nothing");
        let mut file = with_a_cancelled_read(&dir).await;
        file.set_len(3).await.unwrap();
        assert_eq!(read_up_to(&mut file, 9).await, b"012");
    });
}

#[test]
fn a_cancelled_flush_and_a_cancelled_seek_lose_nothing() {
    with_one_blocking_thread(|| async {
        let dir = TempDir::new();
        let path = dir.file("file", "0123456789");
        let mut file = OpenOptions::new().write(true).read(true).open(&path).await.unwrap();
        let busy = BusyPool::new();
        file.write_all(b"abc").await.unwrap();
        assert!(poll_and_drop(file.flush()).is_pending());
        assert!(poll_and_drop(file.write(b"!")).is_pending(), "one operation at a time");
        assert!(poll_and_drop(file.seek(SeekFrom::Start(8))).is_pending());
        drop(busy);
        assert_eq!(read_up_to(&mut file, 1).await, b"3", "the seek was not begun");
        let busy = BusyPool::new();
        assert!(poll_and_drop(file.seek(SeekFrom::Start(8))).is_pending());
        drop(busy);
        assert_eq!(read_up_to(&mut file, 9).await, b"89", "it was begun");
        assert_eq!(std::fs::read(&path).unwrap(), b"abc3456789");
    });
}

#[test]
fn a_seek_is_not_started_beside_another_operation() {
    use tokio::io::AsyncSeek;
    with_one_blocking_thread(|| async {
        let dir = TempDir::new();
        let mut file = File::create(dir.join("file")).await.unwrap();
        let busy = BusyPool::new();
        file.write_all(b"abc").await.unwrap();
        let error = Pin::new(&mut file).start_seek(SeekFrom::Start(0)).unwrap_err();
        assert!(error.to_string().contains("`poll_complete`"), "{error}");
        drop(busy);
        file.rewind().await.unwrap();
    });
}

#[test]
fn a_file_that_is_busy_is_given_up_later() {
    with_one_blocking_thread(|| async {
        let dir = TempDir::new();
        let mut file = File::create(dir.join("file")).await.unwrap();
        let busy = BusyPool::new();
        file.write_all(b"abc").await.unwrap();
        assert!(poll_and_drop(file.metadata()).is_pending());
        assert!(poll_and_drop(file.metadata()).is_pending());
        let mut file = file.try_into_std().expect_err("operations have it");
        file.set_max_buf_size(7);
        let mut into_std = Box::pin(file.into_std());
        assert!(poll_once(&mut into_std).is_pending());
        drop(busy);
        // Waits also for those that nobody else waits for.
        let file = into_std.await;
        assert_eq!(file.metadata().unwrap().len(), 3);
    });
}

#[test]
fn a_cancelled_function_is_carried_out_once_begun() {
    with_one_blocking_thread(|| async {
        let dir = TempDir::new();
        let busy = BusyPool::new();
        assert!(poll_and_drop(fs::write(dir.join("file"), "abc")).is_pending());
        drop(fs::write(dir.join("never polled"), "abc"));
        drop(busy);
        assert_eq!(fs::read(dir.join("file")).await.unwrap(), b"abc");
        assert!(!fs::try_exists(dir.join("never polled")).await.unwrap());
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_does_not_end_a_read() {
    use std::os::fd::OwnedFd;

    extern "C" fn ignore(_signal: i32) {}

    with_one_blocking_thread(|| async {
        let signal = libc::SIGUSR2;
        // SAFETY: all zeros is a valid `sigaction`; without SA_RESTART the system call is
        // interrupted. The handler does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ignore as extern "C" fn(i32) as usize;
            assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
        }
        // SAFETY: asks for a number.
        let reader = preempt::task::spawn_blocking(|| unsafe { libc::gettid() }).await.unwrap();
        let (from, to) = std::io::pipe().unwrap();
        let (mut from, mut to) =
            (File::from(OwnedFd::from(from)), std::fs::File::from(OwnedFd::from(to)));
        let mut bytes = [0; 3];
        let mut read = Box::pin(from.read(&mut bytes));
        assert!(poll_once(&mut read).is_pending());
        for _ in 0..100 {
            // SAFETY: a signal with a handler, to a thread of this process.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), reader, signal) };
            preempt::time::sleep(Duration::from_micros(100)).await;
            assert!(poll_once(&mut read).is_pending());
        }
        std::io::Write::write_all(&mut to, b"abc").unwrap();
        assert_eq!(read.await.unwrap(), 3);
        assert_eq!(bytes, *b"abc");
    });
}

// ---- directories ----

#[test]
fn a_directory_is_listed() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let mut entries = fs::read_dir(dir.path()).await.unwrap();
        assert!(entries.next_entry().await.unwrap().is_none());
        // One less, as many, and more than come at a time.
        let mut names = BTreeSet::new();
        for count in [31, 32, 33, 100] {
            while names.len() < count {
                let name = names.len().to_string();
                if count == 33 {
                    std::fs::create_dir(dir.join(&name)).unwrap();
                } else {
                    dir.file(&name, "");
                }
                names.insert(name);
            }
            let mut listed = BTreeSet::new();
            let mut entries = fs::read_dir(dir.path()).await.unwrap();
            while let Some(entry) = entries.next_entry().await.unwrap() {
                let name = entry.file_name().into_string().unwrap();
                assert_eq!(entry.path(), dir.join(&name));
                assert_eq!(entry.file_type().await.unwrap().is_dir(), name == "32");
                assert_eq!(entry.metadata().await.unwrap().is_dir(), name == "32");
                #[cfg(unix)]
                assert_eq!(entry.ino(), {
                    use std::os::unix::fs::MetadataExt;
                    std::fs::metadata(entry.path()).unwrap().ino()
                });
                assert!(listed.insert(name), "twice: {entry:?}");
            }
            assert_eq!(listed, names);
            assert!(entries.next_entry().await.unwrap().is_none());
        }
    });
}

#[test]
fn no_entry_is_lost_when_the_wait_for_it_is_cancelled() {
    with_one_blocking_thread(|| async {
        let dir = TempDir::new();
        for number in 0..40 {
            dir.file(&number.to_string(), "");
        }
        let mut entries = fs::read_dir(dir.path()).await.unwrap();
        for _ in 0..32 {
            entries.next_entry().await.unwrap().unwrap();
        }
        let busy = BusyPool::new();
        assert!(poll_and_drop(entries.next_entry()).is_pending());
        drop(busy);
        for _ in 32..40 {
            entries.next_entry().await.unwrap().unwrap();
        }
        assert!(entries.next_entry().await.unwrap().is_none());
    });
}

#[test]
fn an_entry_that_is_gone_has_no_metadata() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let path = dir.file("file", "");
        let entry = fs::read_dir(dir.path()).await.unwrap().next_entry().await.unwrap().unwrap();
        fs::remove_file(path).await.unwrap();
        assert_eq!(entry.metadata().await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

// ---- many at a time ----

#[test]
fn many_files_at_a_time() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let mut tasks = JoinSet::new();
        for task in 0..30_u8 {
            let path = dir.join(&task.to_string());
            tasks.spawn(async move {
                let mut file = File::create_new(&path).await.unwrap();
                for round in 0..10 {
                    file.write_all(&[task; 100]).await.unwrap();
                    file.seek(SeekFrom::Start(100 * round)).await.unwrap();
                    let mut bytes = [0; 100];
                    file.read_exact(&mut bytes).await.unwrap();
                    assert_eq!(bytes, [task; 100]);
                }
                file.flush().await.unwrap();
                assert_eq!(fs::read(&path).await.unwrap(), [task; 1000]);
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}

#[test]
fn a_shared_file_is_used_from_many_tasks() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let file = std::sync::Arc::new(File::create(dir.join("file")).await.unwrap());
        let mut tasks = JoinSet::new();
        for bytes in 1..=20 {
            let file = file.clone();
            tasks.spawn(async move {
                file.set_len(bytes).await.unwrap();
                file.sync_all().await.unwrap();
                assert!((1..=20).contains(&file.metadata().await.unwrap().len()));
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}

// ---- shutdown, and no runtime at all ----

#[test]
fn without_a_runtime_there_is_an_error() {
    let dir = TempDir::new();
    let path = dir.file("file", "abc");
    let Poll::Ready(Err(error)) = poll_and_drop(fs::read(&path)) else { panic!("it must fail") };
    assert!(error.to_string().contains("runtime"), "{error}");
    let mut file = File::from_std(std::fs::File::open(&path).unwrap());
    let Poll::Ready(Err(error)) = poll_and_drop(file.read(&mut [0])) else {
        panic!("it must fail")
    };
    assert!(error.to_string().contains("runtime"), "{error}");
    let Poll::Ready(Err(_)) = poll_and_drop(file.write(b"a")) else { panic!("it must fail") };
    assert!(matches!(poll_and_drop(file.flush()), Poll::Ready(Ok(()))));
    // And within one it goes on.
    current_thread().block_on(async { assert_eq!(read_up_to(&mut file, 9).await, b"abc") });
}

#[test]
fn writes_that_were_taken_are_carried_out_by_a_shutdown() {
    on_each_flavor(|builder| {
        let runtime = one_blocking_thread(builder);
        let dir = TempDir::new();
        let path = dir.join("file");
        let (busy, mut file, mut reader) = runtime.block_on(async {
            let file = File::create(&path).await.unwrap();
            let reader = File::open(&path).await.unwrap();
            (BusyPool::new(), file, reader)
        });
        let read = runtime.block_on(async {
            file.write_all(b"abc").await.unwrap();
            drop(file);
            poll_and_drop(reader.read(&mut [0; 3]))
        });
        assert!(read.is_pending());
        let handle = runtime.handle().clone();
        let shutdown = std::thread::spawn(move || drop(runtime));
        // The pool is closed before it is free, so the write has to be done after that.
        eventually("the pool is closed", || {
            let refused = handle.spawn_blocking(|| ());
            handle.block_on(async { poll_and_drop(refused).is_ready() })
        });
        drop(busy);
        shutdown.join().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abc");
        let error = handle.block_on(reader.read(&mut [0; 3])).unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
    });
}

#[test]
fn after_the_shutdown_there_are_errors() {
    on_each_flavor(|mut builder| {
        let dir = TempDir::new();
        for number in 0..40 {
            dir.file(&number.to_string(), "abc");
        }
        let runtime = builder.build().unwrap();
        let handle = runtime.handle().clone();
        let (mut file, mut entries) = runtime.block_on(async {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).open(dir.join("0")).await.unwrap();
            (file, fs::read_dir(dir.path()).await.unwrap())
        });
        drop(runtime);
        handle.block_on(async {
            let mut errors = vec![
                fs::read(dir.join("1")).await.unwrap_err(),
                file.read(&mut [0]).await.unwrap_err(),
                file.rewind().await.unwrap_err(),
                file.set_len(1).await.unwrap_err(),
                file.metadata().await.unwrap_err(),
                file.sync_all().await.unwrap_err(),
                file.try_clone().await.unwrap_err(),
            ];
            file.write_all(b"x").await.unwrap();
            errors.push(file.flush().await.unwrap_err());
            for _ in 0..32 {
                entries.next_entry().await.unwrap().unwrap();
            }
            errors.push(entries.next_entry().await.unwrap_err());
            for error in errors {
                assert!(error.to_string().contains("shutting down"), "{error}");
            }
            assert!(entries.next_entry().await.unwrap().is_none());
            assert_eq!(file.into_std().await.metadata().unwrap().len(), 3);
        });
    });
}

#[test]
fn a_shutdown_in_the_middle_of_much_work_ends() {
    on_each_flavor(|mut builder| {
        let dir = TempDir::new();
        let runtime = builder.max_blocking_threads(2).build().unwrap();
        let done = Count::default();
        for task in 0..10 {
            let (path, done) = (dir.join(&task.to_string()), done.clone());
            runtime.spawn(async move {
                let mut file = File::create_new(path).await.unwrap();
                loop {
                    file.write_all(&[7; 1000]).await.unwrap();
                    file.rewind().await.unwrap();
                    read_up_to(&mut file, 10).await;
                    done.add_one();
                }
            });
        }
        runtime.block_on(async {
            while done.get() < 30 {
                preempt::time::sleep(Duration::from_millis(1)).await;
            }
        });
        drop(runtime);
    });
}

#[test]
fn what_tasks_need_to_share() {
    fn is_shared<T: Send + Sync + Unpin>(_: Option<T>) {}
    is_shared(None::<File>);
    is_shared(None::<OpenOptions>);
    is_shared(None::<DirBuilder>);
    is_shared(None::<fs::ReadDir>);
    is_shared(None::<fs::DirEntry>);
}
