//! What the tests of files, standard streams, signals and processes share.
//!
//! * Each test runs on both flavors of runtime, beside a hog: [`beside_a_hog`].
//! * Directories that go with the test: [`TempDir`].
//! * A pool for blocking work whose only thread is busy, so that operations are in flight for as
//!   long as the test likes: [`BusyPool`].

#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "../support/mod.rs"]
mod support;

pub(crate) use support::*;

use preempt::runtime::{Builder, Runtime};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};

/// Runs the test as a task on each flavor of runtime with one worker, while another task computes
/// for ever: without a checkpoint where that can be helped, else with one.
#[track_caller]
pub(crate) fn beside_a_hog<F>(test: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for (runtime, manners) in [
        (current_thread as fn() -> Runtime, Manners::AsyncCheckpoint),
        (|| multi_thread(1), Manners::Unannotated),
    ] {
        println!("the hog: {manners:?}");
        within(LIMIT, move || {
            let runtime = runtime();
            let stop = Stop::new();
            runtime.spawn(manners.hog(stop.signal()));
            let test = runtime.spawn(test());
            let result = runtime.block_on(test);
            stop.stop();
            if let Err(error) = result {
                std::panic::resume_unwind(error.into_panic());
            }
        });
    }
}

/// Runs the test with a runtime of each flavor, in a context where it may block.
#[track_caller]
pub(crate) fn on_each_flavor(test: fn(Builder)) {
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
