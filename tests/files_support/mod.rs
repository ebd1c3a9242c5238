//! What the tests of files, standard streams, signals and processes share.
//!
//! * Each test runs on both flavors of runtime, beside a hog: [`beside_a_hog`].
//! * Directories that go with the test: [`TempDir`].
//! * A pool for blocking work whose only thread is busy, so that operations are in flight for as
//!   long as the test likes: [`BusyPool`].
//! * The test of the same name in a process of its own: [`Played`].

#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "../support/mod.rs"]
mod support;

pub(crate) use support::*;

use preempt::runtime::{Builder, Runtime, RuntimeFlavor};
use std::env;
use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the test as a task on each flavor of runtime, see [`run_beside_a_hog`].
#[track_caller]
pub(crate) fn beside_a_hog<F>(test: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    on_each_flavor(move |builder| run_beside_a_hog(builder, test()));
}

/// Runs the body as a task, while another task computes for ever: without a checkpoint where that
/// can be helped, else with one.
#[track_caller]
pub(crate) fn run_beside_a_hog<F>(mut builder: Builder, body: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = builder.build().expect("a runtime");
    let manners = match runtime.handle().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Manners::AsyncCheckpoint,
        _ => Manners::Unannotated,
    };
    let stop = Stop::new();
    runtime.spawn(manners.hog(stop.signal()));
    let body = runtime.spawn(body);
    let result = runtime.block_on(body);
    stop.stop();
    if let Err(error) = result {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Runs the test with a runtime of each flavor, in a context where it may block.
#[track_caller]
pub(crate) fn on_each_flavor(test: impl Fn(Builder) + Copy + Send + 'static) {
    for builder in [Builder::new_current_thread as fn() -> Builder, Builder::new_multi_thread] {
        let mut builder = builder();
        builder.worker_threads(1);
        println!("{builder:?}");
        within(LIMIT, move || test(builder));
    }
}

/// An empty directory of the test's own, removed when it is dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!("preempt-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a directory of one's own");
        TempDir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file in it with this content.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, content).expect("the file can be written");
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Limits a runtime to one thread for blocking work.
pub(crate) fn one_blocking_thread(mut builder: Builder) -> Runtime {
    builder.max_blocking_threads(1).build().expect("a runtime")
}

/// The only thread for blocking work is busy until this is dropped. See [`one_blocking_thread`].
pub(crate) struct BusyPool {
    _free: Sender<()>,
}

impl BusyPool {
    pub(crate) fn new() -> Self {
        let (free, freed) = channel::<()>();
        let (started, has_started) = channel();
        preempt::task::spawn_blocking(move || {
            started.send(()).expect("the test waits for it");
            // Ends when the other end is dropped.
            freed.recv().unwrap_err();
        });
        has_started.recv().expect("it starts");
        BusyPool { _free: free }
    }
}

const ROLE: &str = "PREEMPT_TEST_ROLE";

/// The test of the same name in another process, with pipes for its standard streams.
pub(crate) struct Played {
    pub(crate) process: process::Child,
    output: [Option<thread::JoinHandle<Vec<u8>>>; 2],
}

/// How it ended.
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Played {
    /// In the test's process: for each flavor of runtime, runs the test of this name in another
    /// process, and hands that to `watch`. In such a process: calls `play` and exits.
    #[track_caller]
    pub(crate) fn each_flavor(name: &str, play: fn(Builder), watch: impl Fn(Played)) {
        Self::each_flavor_of(name, play, |command| watch(Played::start(command)));
    }

    /// As [`each_flavor`](Self::each_flavor), but `start` gets the command.
    #[track_caller]
    pub(crate) fn each_flavor_of(name: &str, play: fn(Builder), start: impl Fn(&mut Command)) {
        if let Ok(role) = env::var(ROLE) {
            let mut builder = if role == "current-thread" {
                Builder::new_current_thread()
            } else {
                Builder::new_multi_thread()
            };
            builder.worker_threads(1);
            play(builder);
            // Not through the harness, which would write to standard output.
            process::exit(0);
        }
        for role in ["current-thread", "multi-thread"] {
            println!("{role}");
            let mut command = Command::new(env::current_exe().expect("the path of this program"));
            command
                .args(["--exact", name, "--test-threads=1", "--nocapture", "-q"])
                .env(ROLE, role)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            start(&mut command);
        }
    }

    /// Starts the other process and collects what it writes into pipes.
    pub(crate) fn start(command: &mut Command) -> Played {
        let mut process = command.spawn().expect("this program can be run again");
        let stdout = process.stdout.take().map(read_all);
        let stderr = process.stderr.take().map(read_all);
        Played { process, output: [stdout, stderr] }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> End {
        let deadline = Instant::now() + LIMIT;
        let mut hangs = false;
        while self.process.try_wait().expect("it can be waited for").is_none() {
            if Instant::now() > deadline {
                hangs = true;
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        if hangs {
            self.process.kill().expect("it can be killed");
        }
        let status = self.process.wait().expect("it can be waited for");
        let [stdout, stderr] = &mut self.output;
        let output = |reader: &mut Option<thread::JoinHandle<Vec<u8>>>| {
            reader.take().map(|reader| reader.join().unwrap()).unwrap_or_default()
        };
        let (stdout, stderr) = (output(stdout), output(stderr));
        let end = End { status, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() };
        assert!(!hangs, "it hangs: {}", end.describe());
        end
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl End {
    #[track_caller]
    pub(crate) fn succeeded(self) -> End {
        assert!(self.status.success(), "{}", self.describe());
        self
    }

    /// What it wrote after the harness's own lines, which end with the mark.
    #[track_caller]
    pub(crate) fn written(&self) -> &[u8] {
        let mark = MARK.as_bytes();
        let at = self.stdout.windows(mark.len()).position(|window| window == mark);
        let Some(at) = at else { panic!("nothing: {}", self.describe()) };
        &self.stdout[at + mark.len()..]
    }

    pub(crate) fn describe(&self) -> String {
        let stdout = String::from_utf8_lossy(&self.stdout);
        let stdout: String = stdout.chars().take(2000).collect();
        format!("{}\nstdout:\n{stdout}\nstderr:\n{}", self.status, self.stderr)
    }
}

/// What [`End::written`] begins after.
pub(crate) const MARK: &str = "<mark>";

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("the pipe can be read");
        bytes
    })
}
