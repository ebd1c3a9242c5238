//! `PREEMPT_DEBUG`.
//!
//! Goal: `schedtrace` prints a line in each period, with the numbers of the moment; `http` opens an
//! endpoint; what is no setting is said once.
//! Method: this program runs itself with the variable set, and reads what it prints.

mod endpoint_support;
mod support;

use endpoint_support::good;
use preempt::runtime::Runtime;
use std::collections::HashMap;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use support::{LIMIT, Stop, current_thread, eventually, one_undisturbed_worker, within};

/// What an ignored test of this program prints on standard error.
fn printed_by(test: &str, debug: &str) -> String {
    let itself = std::env::current_exe().expect("this program");
    let output = Command::new(itself)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("PREEMPT_DEBUG", debug)
        .stderr(Stdio::piped())
        .output()
        .expect("this program runs again");
    let printed = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{test}: {printed}");
    printed
}

/// The numbers of a line, and the queue of each worker.
fn read(line: &str) -> Option<(u64, HashMap<&str, u64>, Vec<u64>)> {
    let (time, rest) = line.strip_prefix("SCHED ")?.split_once("ms: ")?;
    let (numbers, rest) = rest.split_once(" [").expect("queues");
    let (queues, runtime) = rest.split_once("] ").expect("an end");
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text:?} in {line}"));
    let pairs = numbers.split(' ').chain([runtime]).map(|pair| {
        let (name, value) = pair.split_once('=').expect("a name and a value");
        (name, number(value))
    });
    Some((number(time), pairs.collect(), queues.split(' ').map(number).collect()))
}

#[test]
#[ignore = "run by `there_is_a_line_in_each_period`, with the variable set"]
fn a_hog_and_three_that_wait() {
    let runtime = one_undisturbed_worker();
    let stop = Stop::new();
    let (signal, other) = (stop.signal(), stop.signal());
    let queued = Arc::new(AtomicBool::new(false));
    let are_queued = queued.clone();
    runtime.spawn(async move {
        for _ in 0..3 {
            let other = other.clone();
            preempt::spawn(async move { assert!(other.is_set()) });
        }
        are_queued.store(true, SeqCst);
        eventually("the end", || signal.is_set());
    });
    eventually("all are there", || queued.load(SeqCst));
    thread::sleep(Duration::from_millis(300));
    stop.stop();
}

#[test]
fn there_is_a_line_in_each_period() {
    within(LIMIT, || {
        let printed = printed_by("a_hog_and_three_that_wait", "schedtrace=20");
        let lines: Vec<_> = printed.lines().filter_map(read).collect();
        // Fifteen on a machine that has time.
        assert!(lines.len() >= 3, "{printed}");
        assert!(lines.windows(2).all(|pair| pair[0].0 < pair[1].0), "{printed}");
        assert!(lines[0].0 >= 20, "{printed}");
        // The last one before the runtime ends.
        let goes_on = |(_, numbers, _): &&(u64, HashMap<&str, u64>, Vec<u64>)| numbers["tasks"] > 0;
        let (_, numbers, queues) = lines.iter().rfind(goes_on).expect("there are tasks");
        let expected = [
            ("procs", 1),
            ("idle", 0),
            ("threads", 1),
            ("spare", 0),
            ("tasks", 4),
            ("detached", 0),
            ("queued", 3),
            ("injector", 0),
            ("background", 0),
            ("blocking", 0),
            ("runtime", 1),
        ];
        for (name, value) in expected {
            assert_eq!(numbers[name], value, "{name}: {printed}");
        }
        assert_eq!(queues, &[3]);
        assert!(!printed.contains("preempt: "), "nothing is wrong with the setting: {printed}");
    });
}

#[test]
#[ignore = "run by `what_is_no_setting_is_said_once`, with the variable set"]
fn two_runtimes() {
    drop((Runtime::new().unwrap(), current_thread()));
}

#[test]
fn what_is_no_setting_is_said_once() {
    within(LIMIT, || {
        let printed = printed_by("two_runtimes", "schedtrace=3600000,gctrace=1,schedtrace=often");
        let warnings: Vec<_> = printed.lines().filter(|line| line.contains("preempt: ")).collect();
        assert_eq!(warnings.len(), 1, "{printed}");
        for part in ["PREEMPT_DEBUG", "`gctrace=1`", "`schedtrace=often`", "`schedtrace=1000`"] {
            assert!(warnings[0].contains(part), "{part}: {printed}");
        }
        assert!(!printed.contains("SCHED"), "{printed}");
    });
}

#[test]
fn without_the_variable_nothing_is_printed() {
    within(LIMIT, || {
        let printed = printed_by("two_runtimes", "");
        assert!(!printed.contains("preempt: ") && !printed.contains("SCHED"), "{printed}");
    });
}

#[test]
#[ignore = "run by `http_opens_an_endpoint`, with the variable set"]
fn two_that_show_themselves() {
    let first = Runtime::new().unwrap();
    let addr = first.debug_addr().expect("the variable says so");
    assert!(good(addr, "/metrics").text().contains("preempt_workers"));
    let second = current_thread();
    assert_ne!(second.debug_addr(), first.debug_addr());
    assert!(good(second.debug_addr().unwrap(), "/debug/tasks").text().starts_with("0 tasks"));
}

#[test]
fn http_opens_an_endpoint() {
    within(LIMIT, || {
        let printed = printed_by("two_that_show_themselves", "http=127.0.0.1:0");
        let told: Vec<_> = printed.lines().filter(|line| line.contains("preempt: ")).collect();
        assert_eq!(told.len(), 2, "{printed}");
        let beginning = "preempt: the debug endpoint of runtime 1: http://127.0.0.1:";
        assert!(told[0].contains(beginning), "{printed}");
    });
}

/// The program does not know of the variable, and so goes on.
#[test]
fn an_endpoint_that_cannot_be_opened_is_told() {
    within(LIMIT, || {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = other.local_addr().unwrap();
        let printed = printed_by("two_runtimes", &format!("http={addr}"));
        let complaint =
            format!("has no debug endpoint: the debug endpoint cannot listen on {addr}");
        assert_eq!(printed.matches(&complaint).count(), 2, "{printed}");
        let printed = printed_by("two_runtimes", "http=0.0.0.0:0");
        assert_eq!(printed.matches("loopback addresses only").count(), 2, "{printed}");
    });
}

/// A pipe that is full, and that nobody reads.
#[cfg(target_os = "linux")]
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let set = |flags: i32| {
        // SAFETY: sets the flags of a file that is open.
        let result = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, flags) };
        assert_eq!(result, 0);
    };
    set(libc::O_NONBLOCK);
    while (&writer).write(&[b'x'; 4096]).is_ok() {}
    while (&writer).write(b"x").is_ok() {}
    set(0);
    (reader, writer)
}

/// The thread that prints waits for ever; the runtime works, and ends, all the same.
#[test]
#[cfg(target_os = "linux")]
fn a_full_pipe_holds_nobody_up() {
    within(LIMIT, || {
        let (reader, writer) = full_pipe();
        let status = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "a_hog_and_three_that_wait", "--ignored"])
            .env("PREEMPT_DEBUG", "schedtrace=1")
            .stdout(Stdio::null())
            .stderr(writer)
            .status()
            .expect("this program runs again");
        assert!(status.success());
        drop(reader);
    });
}
