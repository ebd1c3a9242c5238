//! Goal: moving a program from tokio to preempt is renaming.
//! Method: the example `job_server` exists for both. The sources are compared line by line, and both
//! programs are told the same and have to answer the same.

mod examples_support;

use examples_support::{Client, Server};
use std::thread;
use std::time::Duration;

const ON_TOKIO: &str = include_str!("../examples/job_server_tokio.rs");
const ON_PREEMPT: &str = include_str!("../examples/job_server.rs");

#[test]
fn only_imports_and_the_attribute_of_main_differ() {
    let mut differing = 0;
    assert_eq!(ON_TOKIO.lines().count(), ON_PREEMPT.lines().count());
    for (number, (tokio, preempt)) in (1..).zip(ON_TOKIO.lines().zip(ON_PREEMPT.lines())) {
        if tokio == preempt {
            continue;
        }
        differing += 1;
        let is_renaming = ["use ", "#["].iter().any(|begin| {
            let tokio = tokio.strip_prefix(&format!("{begin}tokio::"));
            tokio.is_some() && tokio == preempt.strip_prefix(&format!("{begin}preempt::"))
        });
        assert!(is_renaming, "line {number}:\n tokio:   {tokio}\n preempt: {preempt}");
    }
    println!("{differing} lines of {} differ", ON_TOKIO.lines().count());
    assert!(differing > 1, "then it is the same program twice");
}

/// A conversation, as it can be read: `> ` asks, `< ` answers.
#[derive(Default)]
struct Transcript(String);

impl Transcript {
    fn note(&mut self, sign: char, line: &str) {
        self.0.push_str(&format!("{sign} {line}\n"));
    }

    fn ask(&mut self, client: &mut Client, line: &str) {
        self.note('>', line);
        let answer = client.ask(line);
        self.note('<', &answer);
    }
}

const RESULTS: &[&str] = &[
    "stats",
    "submit inline primes 20000",
    "submit blocking primes 20000",
    "submit inline hash 1000000",
    "submit blocking hash 1000000",
    "wait 1",
    "wait 2",
    "wait 3",
    "wait 4",
    "status 4",
    "submit inline sleep 60000",
    "submit blocking sleep 60000",
];

/// Once jobs 5 and 6 run, and so take all there is.
const ENDS: &[&str] = &[
    "submit inline sleep 60000",
    "status 7",
    "cancel 7",
    "cancel 6",
    "cancel 5",
    "cancel 5",
    "wait 5",
    "set timeout 50",
    "submit inline sleep 60000",
    "wait 8",
    "set timeout 60000",
    "submit inline panic 0",
    "wait 9",
    "submit blocking panic 0",
    "wait 10",
    "stats",
    "set parallel 1",
    "submit inline sleep 10",
    "wait 11",
    "set parallel 8",
    "submit inline sleep 10",
    "wait 12",
];

const MISTAKES: &[&str] = &[
    "status 99",
    "status one",
    "set parallel 0",
    "submit inline dishes 1",
    "submit outdoors primes 1",
    "hello",
    "",
];

/// Nothing in it depends on which of two things comes first.
fn converse(example: &str) -> String {
    let server = Server::start(example, &[]);
    let (mut first, mut second) = (server.connect(), server.connect());
    let mut transcript = Transcript::default();
    RESULTS.iter().for_each(|line| transcript.ask(&mut first, line));
    wait_until_runs(&mut first, 5);
    wait_until_runs(&mut first, 6);
    ENDS.iter().chain(MISTAKES).for_each(|line| transcript.ask(&mut first, line));
    transcript.ask(&mut first, "submit inline sleep 300");
    // The second client waits when another says shutdown, and is still told how its job ended. Its
    // two lines come together, so the other has been read when the one is answered; the pause is
    // for what the server does between that and the waiting.
    second.send("stats\nwait 13\n");
    transcript.note('<', &second.line());
    thread::sleep(Duration::from_millis(100));
    transcript.ask(&mut server.connect(), "shutdown");
    transcript.note('<', &second.line());
    transcript.note('<', &first.rest());
    transcript.note('<', &second.rest());
    transcript.note('.', &server.finish());
    transcript.0
}

fn wait_until_runs(client: &mut Client, job: u32) {
    while client.ask(&format!("status {job}")) != format!("{job} running") {}
}

#[test]
fn both_programs_answer_the_same() {
    let (on_tokio, on_preempt) = (converse("job_server_tokio"), converse("job_server"));
    println!("{on_preempt}");
    assert_eq!(on_tokio, on_preempt);
    for expected in [
        "> wait 1\n< 1 done 2262\n",
        "> cancel 7\n< 7 cancelled\n",
        "> wait 8\n< 8 timed out\n",
        "> wait 9\n< 9 failed\n",
        "> shutdown\n< draining\n< 13 done 300\n",
        ". submitted 13, done 7, failed 2, cancelled 3, timed out 1\n",
    ] {
        assert!(on_preempt.contains(expected), "{expected:?} is missing");
    }
}

/// The difference that the names do not show: here a job that computes inline holds up nobody.
#[test]
fn a_job_that_computes_inline_holds_up_nobody() {
    let server = Server::start("job_server", &[]);
    let mut client = server.connect();
    // Years, if they were waited for.
    for job in 1..=2 {
        assert_eq!(client.ask("submit inline hash 1000000000000000"), format!("job {job}"));
    }
    wait_until_runs(&mut client, 1);
    wait_until_runs(&mut client, 2);
    // Both workers compute, and both permits are taken.
    assert_eq!(client.ask("submit inline primes 10"), "job 3");
    assert_eq!(client.ask("status 3"), "3 queued");
    assert_eq!(client.ask("set parallel 3"), "ok");
    assert_eq!(client.ask("wait 3"), "3 done 4");
}
