//! The program, attached to another one.
//!
//! Goal: each command shows what the program does, and says clearly why it cannot.
//! Method: an example with endless tasks runs in a process of its own; what is printed is read as a
//! script would read it.

mod support;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;
use support::Observed;

/// Runs a command on it.
trait Runs {
    fn run(&self, arguments: &[&str]) -> Output;
    fn print(&self, arguments: &[&str]) -> String;
}

impl Runs for Observed {
    fn run(&self, arguments: &[&str]) -> Output {
        run(&self.addr, arguments)
    }

    /// What a command prints that has to succeed.
    #[track_caller]
    fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("text")
    }
}

fn run(addr: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preempt"));
    command.args(["--addr", addr]).args(arguments).output().expect("it starts")
}

#[track_caller]
fn complaint(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("text");
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty());
    text
}

#[track_caller]
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let found = text.lines().find(|line| line.contains(name));
    found.unwrap_or_else(|| panic!("{name:?} in {text}"))
}

#[test]
fn tasks_are_listed() {
    let observed = Observed::start();
    let list = observed.print(&["ps"]);
    println!("{list}");
    assert_eq!(list.lines().count(), 6);
    assert!(line(&list, "waits for ever").contains("examples/debug_endpoint.rs:"));
    // In the optimised example the loop is a part of the future.
    assert!(line(&list, "plain hog").contains("debug_endpoint.rs:") || cfg!(not(debug_assertions)));
    let stacks = observed.print(&["ps", "--stacks"]);
    assert!(stacks.starts_with("5 tasks, ") && stacks.contains("debug_endpoint::compute_plain"));
}

#[test]
fn tasks_are_sorted_by_what_they_do() {
    let observed = Observed::start();
    let by_time = observed.print(&["top", "--once", "--interval", "0.5"]);
    println!("{by_time}");
    let mut lines = by_time.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("5 tasks; within ")));
    assert!(lines.next().is_some_and(|line| line.contains("TIME%")));
    assert!(lines.next().is_some_and(|line| line.contains(" hog ")));
    let by_polls =
        observed.print(&["top", "--once", "--interval", "0.5", "--by", "polls", "-n", "1"]);
    let lines: Vec<_> = by_polls.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines.len() == 3 && lines[2].contains(" ticker "), "{by_polls}");
}

/// As in a pipe: it goes on until nobody reads any more.
#[test]
fn top_goes_on() {
    let observed = Observed::start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_preempt"));
    command.args(["--addr", &observed.addr, "top", "--interval", "0.1"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let looks = stdout.lines().map(|line| line.expect("text"));
    assert_eq!(looks.filter(|line| line.starts_with("5 tasks; ")).take(3).count(), 3);
    assert!(child.wait().expect("a child of ours").success());
}

#[test]
fn traces_go_to_files() {
    let observed = Observed::start();
    let directory = env::temp_dir();
    let file = |end: &str| directory.join(format!("preempt-cli-{}{end}", std::process::id()));
    let json = file(".json");
    observed.print(&["trace", "-o", json.to_str().expect("text"), "--seconds", "0.3"]);
    let text = std::fs::read(&json).expect("it was written");
    let trace: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("an array");
    assert!(events.iter().any(|event| {
        event["name"].as_str().is_some_and(|name| name.starts_with("plain hog (task "))
    }));
    let perfetto = file(".pftrace");
    observed.print(&["trace", "-o", perfetto.to_str().expect("text"), "--seconds", "0.3"]);
    // A message of packets, which are its field 1.
    assert_eq!(std::fs::read(&perfetto).expect("it was written")[0], 0x0a);
    for file in [json, perfetto] {
        std::fs::remove_file(file).expect("it was written");
    }
}

#[test]
fn profiles_go_to_files() {
    let observed = Observed::start();
    let name = format!("preempt-cli-{}.folded", std::process::id());
    let file = env::temp_dir().join(name);
    let path = file.to_str().expect("text");
    for kind in [&["--seconds", "0.5"][..], &["--seconds", "0.5", "--delay"]] {
        observed.print(&[&["profile", "-o", path], kind].concat());
        let text = std::fs::read_to_string(&file).expect("it was written");
        let is_hog =
            |line: &str| line.starts_with("plain hog;") && line.contains("::compute_plain");
        assert!(text.lines().any(is_hog), "{text}");
    }
    std::fs::remove_file(file).expect("it was written");
    // A file for pprof begins as any of gzip.
    let file = observed.run(&["profile", "-o", "-", "--seconds", "0.2"]);
    assert!(file.status.success() && file.stdout.starts_with(&[0x1f, 0x8b]));
}

#[test]
fn metrics_are_shown() {
    let observed = Observed::start();
    let metrics = observed.print(&["metrics"]);
    assert!(metrics.contains("preempt_tasks{state=\"running\"}"), "{metrics}");
}

#[test]
fn what_goes_wrong_is_told() {
    let observed = Observed::start();
    let long = complaint(&observed.run(&["trace", "-o", "/dev/null", "--seconds", "99"]), 1);
    assert!(long.contains("seconds is a number above 0 and up to 60"), "{long}");
    let nowhere = observed.run(&["trace", "-o", "/nowhere/at/all", "--seconds", "0.1"]);
    assert!(complaint(&nowhere, 1).starts_with("preempt: /nowhere/at/all: "));
    assert!(complaint(&observed.run(&["fly"]), 2).starts_with("preempt: there is no command"));
}

#[test]
fn nobody_there_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").expect("an address");
    let addr = free.local_addr().expect("it has one").to_string();
    drop(free);
    let told = complaint(&run(&addr, &["ps"]), 1);
    assert!(told.starts_with(&format!("preempt: nothing listens on {addr}. ")), "{told}");
    assert!(told.contains("`Builder::debug_endpoint`"), "{told}");
    assert!(complaint(&run("here", &["ps"]), 1).starts_with("preempt: \"here\" is no HOST:PORT: "));
}

#[test]
fn somebody_else_there_is_told() {
    let other = TcpListener::bind("127.0.0.1:0").expect("an address");
    let addr = other.local_addr().expect("it has one").to_string();
    let answers = thread::spawn(move || {
        let (mut stream, _) = other.accept().expect("it connects");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).expect("it asks");
        stream.write_all(b"220 smtp.example.org\r\n").expect("it reads");
    });
    let told = complaint(&run(&addr, &["ps"]), 1);
    answers.join().expect("no panic");
    assert!(told.contains("is no debug endpoint of preempt: it does not speak HTTP"), "{told}");
}
