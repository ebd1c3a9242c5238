//! What the socket tests share: runtimes of every kind, connections, and futures that are given
//! up.
//!
//! The rest is what all behaviour tests share: `tests/support`.

#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "../support/mod.rs"]
mod support;

pub(crate) use support::*;

use preempt::net::{TcpListener, TcpStream};
use preempt::runtime::Runtime;
use std::env;
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

/// The kinds of runtimes that every test of this family runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    CurrentThread,
    OneWorker,
    TwoWorkers,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::CurrentThread, Kind::OneWorker, Kind::TwoWorkers];

    pub(crate) fn build(self) -> Runtime {
        match self {
            Kind::CurrentThread => current_thread(),
            Kind::OneWorker => multi_thread(1),
            Kind::TwoWorkers => multi_thread(2),
        }
    }
}

/// Runs `test` in a task on each kind of runtime.
#[track_caller]
pub(crate) fn on_each<F>(test: impl Fn() -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    for kind in Kind::ALL {
        let test = test.clone();
        println!("{kind:?}");
        within(LIMIT, move || run(&kind.build(), test()));
    }
}

/// Runs `future` in a task of the runtime. A panic is the caller's.
pub(crate) fn run<F>(runtime: &Runtime, future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = runtime.spawn(future);
    runtime.block_on(task).unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

/// A listener on a port of its own.
pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

/// Two ends of a connection.
pub(crate) async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = listener().await;
    let addr = listener.local_addr().expect("an address");
    let client = TcpStream::connect(addr).await.expect("a connection");
    let (server, _) = listener.accept().await.expect("a connection");
    (client, server)
}

/// This runtime's end and one of std's, in blocking mode.
pub(crate) async fn half_std_pair() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    let client = TcpStream::connect(addr).await.expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    (client, server)
}

/// Fails unless `result` is an error of this kind.
#[track_caller]
pub(crate) fn assert_kind<T: Debug>(result: io::Result<T>, kind: io::ErrorKind) {
    match result {
        Err(error) => assert_eq!(error.kind(), kind, "{error}"),
        Ok(value) => panic!("this should have failed with {kind:?}: {value:?}"),
    }
}

/// Fails unless `result` says that its runtime is gone.
#[track_caller]
pub(crate) fn assert_gone<T: Debug>(result: io::Result<T>) {
    let error = result.expect_err("there is no runtime any more");
    assert_eq!(error.kind(), io::ErrorKind::Other);
    let text = error.to_string();
    assert!(text.contains("shut down") && text.contains("keep the `Runtime`"), "{text}");
}

/// Polls a future a few times, without being woken, and then gives it up: `None`.
pub(crate) struct GivenUp<F> {
    future: Pin<Box<F>>,
    polls_left: u64,
}

/// See [`GivenUp`].
pub(crate) fn given_up_after<F: Future>(polls: u64, future: F) -> GivenUp<F> {
    GivenUp { future: Box::pin(future), polls_left: polls }
}

impl<F: Future> Future for GivenUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if let Poll::Ready(output) = self.future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        self.polls_left -= 1;
        if self.polls_left == 0 {
            return Poll::Ready(None);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Whether the future is not ready when it is polled once.
pub(crate) async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// A directory for the files of one test, removed at its end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let path = env::temp_dir().join(format!("preempt-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Bytes that say where in a stream they are.
pub(crate) fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|position| (position % 251) as u8).collect()
}

const CHILD: &str = "PREEMPT_TEST_CHILD";
const DONE: &str = "the child is done";

/// Runs `body`, which changes the process for good, in a child process: the test of this name.
#[track_caller]
pub(crate) fn in_child(name: &str, body: impl FnOnce()) {
    if env::var(CHILD).is_ok_and(|child| child == name) {
        body();
        println!("{DONE}");
        // Not through the harness, whose process may have been changed.
        std::process::exit(0);
    }
    let mut child = Command::new(env::current_exe().expect("the path of this program"))
        .args(["--exact", name, "--test-threads=1", "--nocapture"])
        .env(CHILD, name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program can be run again");
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().expect("the child can be waited for").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("the child can be killed");
        }
        thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("its output");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && stdout.contains(DONE),
        "{}\nstdout:\n{stdout}\nstderr:\n{stderr}",
        output.status
    );
    print!("{stdout}");
}
