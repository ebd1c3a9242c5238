//! What the fault tests of forced preemption share.
//!
//! * Every wait has a deadline: [`within`], [`eventually`], [`Child::run`].
//! * That a poll was suspended and resumed is never a matter of time: [`Others`] proves it.
//! * What ends the process, or changes it for good, happens in a child process: [`Child`].

//!
//! The rest is what all behaviour tests share: `tests/support`.

#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "../support/mod.rs"]
mod support;

pub(crate) use support::*;

use preempt::runtime::{Backend, Builder, Handle, Runtime};
use preempt::task::yield_now;
use std::env;
use std::hint::spin_loop;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// A short slice, so that a little work is enough for a preemption.
pub(crate) const SLICE: Duration = Duration::from_micros(200);

/// The backends on which polls without checkpoints can be suspended; says so if there are none.
pub(crate) fn backends() -> &'static [Backend] {
    if cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        if Backend::User.is_supported() {
            &[Backend::User, Backend::Kernel]
        } else {
            println!("skipped in part: the user backend does not work on this machine");
            &[Backend::Kernel]
        }
    } else {
        println!("skipped: this platform has no forced preemption");
        &[]
    }
}

/// A builder for a short time slice.
pub(crate) fn builder(backend: Backend, workers: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.backend(backend).worker_threads(workers).time_slice(SLICE);
    builder
}

/// Runs `test` with each backend and with one and two workers, one test of the process at a time.
#[track_caller]
pub(crate) fn on_each(test: impl Fn(&mut Builder) + Clone + Send + 'static) {
    let _serial = serial();
    for &backend in backends() {
        for workers in [1, 2] {
            let test = test.clone();
            println!("backend {backend}, {workers} workers");
            within(LIMIT, move || test(&mut builder(backend, workers)));
        }
    }
}

/// As [`on_each`], but on one processor and without hand-off: what runs while a poll has not ended
/// proves that the poll was suspended.
#[track_caller]
pub(crate) fn on_one_processor(test: impl Fn(&Runtime) + Clone + Send + 'static) {
    let _serial = serial();
    // Finds out what a slice of work is. A poll that was suspended in doing so would keep the others
    // waiting, and with them the only processor.
    work_slices(0);
    for &backend in backends() {
        let test = test.clone();
        println!("backend {backend}");
        within(LIMIT, move || test(&builder(backend, 1).hand_off(false).build().unwrap()));
    }
}

/// Short polls of other tasks. On one processor without hand-off they run in the middle of a poll
/// only if that poll was suspended, and it sees them only after it was resumed.
#[derive(Clone)]
pub(crate) struct Others {
    polls: Count,
    stop: Signal,
}

impl Others {
    /// Spawns two tasks that run until the result is dropped.
    pub(crate) fn spawn(runtime: &Handle) -> OthersOwner {
        let others = Others { polls: Count::default(), stop: Signal::default() };
        for _ in 0..2 {
            let others = others.clone();
            runtime.spawn(async move {
                while !others.stop.is_set() {
                    assert!(!thread::panicking(), "another task's panic");
                    others.polls.add_one();
                    yield_now().await;
                }
            });
        }
        OthersOwner(others)
    }

    /// How many there have been.
    pub(crate) fn polls(&self) -> usize {
        self.polls.get()
    }

    /// Burns time until this poll was suspended and resumed at least once.
    #[inline(never)]
    pub(crate) fn spin_until_resumed(&self) {
        let before = self.polls.get();
        // One may have been counted just before this poll began.
        while self.polls.get() < before + 2 {
            spin_loop();
        }
    }
}

/// Ends the tasks of [`Others`].
pub(crate) struct OthersOwner(Others);

impl OthersOwner {
    pub(crate) fn others(&self) -> Others {
        self.0.clone()
    }
}

impl Drop for OthersOwner {
    fn drop(&mut self) {
        self.0.stop.set();
    }
}

/// Burns about as much processor time as so many time slices of [`SLICE`].
pub(crate) fn work_slices(slices: u64) {
    static PER_SLICE: OnceLock<u64> = OnceLock::new();
    let per_slice = *PER_SLICE.get_or_init(|| {
        const UNITS: u64 = 100_000;
        let time_of_one = || {
            let start = Instant::now();
            work(UNITS);
            start.elapsed()
        };
        // The fastest was disturbed the least.
        let fastest = (0..20).map(|_| time_of_one()).min().unwrap_or_default();
        let nanos = u64::try_from(fastest.as_nanos()).unwrap().max(1);
        UNITS * u64::try_from(SLICE.as_nanos()).unwrap() / nanos
    });
    work(per_slice * slices);
}

/// The number of the kernel thread.
#[cfg(target_os = "linux")]
pub(crate) fn kernel_thread() -> i32 {
    // SAFETY: asks for a number.
    unsafe { libc::gettid() }
}

/// The threads of runtimes, by the kernel's count. Not all of the process's: the test harness starts
/// one for the next test whenever it likes.
pub(crate) fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").flatten();
    // A thread may end meanwhile.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with("preempt-")).count()
}

/// What the process has used of the processors.
pub(crate) fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid clock and a valid place for its value.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(result, 0);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Waits until the process as a whole uses next to no processor time.
#[track_caller]
pub(crate) fn becomes_quiet() {
    const LOOK: Duration = Duration::from_millis(200);
    eventually("the process is quiet", || {
        let before = cpu_time();
        thread::sleep(LOOK);
        cpu_time() - before < LOOK / 10
    });
}

const CHILD: &str = "PREEMPT_TEST_CHILD";
const CHILD_BACKEND: &str = "PREEMPT_TEST_CHILD_BACKEND";

/// The test of the same name in another process.
pub(crate) struct Child {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Child {
    /// In the test's process: runs the test of this name once per backend in a child process and
    /// hands each to `check`. In such a child: calls `body`, prints a line and exits.
    pub(crate) fn each_backend(name: &str, body: impl FnOnce(Backend), check: impl Fn(Child)) {
        if env::var(CHILD).is_ok_and(|child| child == name) {
            let is_kernel = env::var(CHILD_BACKEND).is_ok_and(|name| name == "kernel");
            body(if is_kernel { Backend::Kernel } else { Backend::User });
            println!("{}", Self::DONE);
            // Not through the harness, whose threads may have been changed for good.
            std::process::exit(0);
        }
        let _serial = serial();
        for &backend in backends() {
            println!("backend {backend}");
            check(Child::run(name, backend));
        }
    }

    const DONE: &str = "the child is done";

    fn run(name: &str, backend: Backend) -> Child {
        let mut process = Command::new(env::current_exe().expect("the path of this program"))
            .args(["--exact", name, "--test-threads=1", "--nocapture"])
            .env(CHILD, name)
            .env(CHILD_BACKEND, backend.to_string())
            .env_remove("PREEMPT_FIBER_BACKEND")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this program can be run again");
        let stdout = read_all(process.stdout.take());
        let stderr = read_all(process.stderr.take());
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = process.try_wait().expect("the child can be waited for") {
                break status;
            }
            if Instant::now() > deadline {
                process.kill().expect("the child can be killed");
                process.wait().expect("the child can be waited for");
                let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
                panic!("the child hangs; stdout:\n{stdout}\nstderr:\n{stderr}");
            }
            thread::sleep(Duration::from_millis(2));
        };
        Child { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }

    /// Fails unless the child came to the end of its body.
    #[track_caller]
    pub(crate) fn succeeded(&self) {
        let reached_end = self.stdout.contains(Self::DONE);
        assert!(self.status.success() && reached_end, "{}", self.describe());
    }

    pub(crate) fn describe(&self) -> String {
        format!("{}\nstdout:\n{}\nstderr:\n{}", self.status, self.stdout, self.stderr)
    }
}

fn read_all(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.expect("it is a pipe").read_to_end(&mut bytes).expect("the pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
