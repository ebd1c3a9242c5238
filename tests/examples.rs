//! Goal: the examples that are applications do what they say.
//! Method: each is started as a program and talked to from outside.

mod examples_support;

use examples_support::{Server, output_of};

#[test]
fn echo_beside_a_hog() {
    let arguments = ["--seconds", "1", "--rounds", "1", "--connections", "4"];
    let printed = output_of("echo", &arguments);
    println!("{printed}");
    assert!(printed.contains("beside hogs / alone: "), "{printed}");
}

#[test]
fn stop_the_world_measures_beside_hogs() {
    let printed = output_of("stop_the_world", &["--seconds", "0.2"]);
    println!("{printed}");
    for row in ["none", "1 plain", "2 annotated", "8 plain", "8 annotated"] {
        assert!(printed.contains(&format!(" {row} ")), "{printed}");
    }
}

#[test]
fn echo_of_large_messages_on_two_workers() {
    let printed = output_of(
        "echo",
        &["--seconds", "1", "--rounds", "1", "--workers", "2", "--hogs", "3", "--bytes", "200000"],
    );
    println!("{printed}");
}

#[test]
fn echo_says_what_is_wrong_with_its_arguments() {
    let echo = examples_support::example("echo");
    for (arguments, complaint) in [
        (&["--hogs"][..], "--hogs needs a value"),
        (&["--hogs", "many"], "--hogs many: "),
        (&["--runtime", "go"], "neither preempt nor tokio"),
        (&["--cats", "1"], "unknown: --cats"),
    ] {
        let output = std::process::Command::new(&echo).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(complaint), "{arguments:?}: {said}");
    }
}

#[test]
fn asyncio_does_not_tick_beside_a_hog() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/asyncio_contrast.py");
    let output = match std::process::Command::new("python3").args([script, "--asyncio"]).output() {
        Ok(output) => output,
        Err(error) => return eprintln!("skipped: there is no python3 to run: {error}"),
    };
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let ticks = |hogs: usize| -> u32 {
        let start = format!(" {hogs:>4} | ");
        let row = printed.lines().find_map(|line| line.strip_prefix(&start)).expect("a row");
        row.split('/').next().unwrap().trim().parse().expect("a number")
    };
    assert!(ticks(0) > 10, "{printed}");
    assert_eq!([ticks(1), ticks(2)], [0, 0], "{printed}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_cpu_quota_and_the_number_of_workers() {
    let printed = output_of("cpu_quota", &["--seconds", "0.5"]);
    println!("{printed}");
    let has_group = !printed.contains("docker run");
    let row = printed.lines().find(|line| line.trim_start().starts_with("0.5 "));
    assert_eq!(row.is_some(), has_group, "a table, or how to get one");
    if has_group {
        assert!(printed.contains("| 1 (followed) |"), "half a CPU is one worker");
        let columns = printed.lines().filter(|line| line.matches('|').count() == 6);
        assert!(columns.count() >= 4, "a heading and some rows");
    }
}

#[cfg(unix)]
#[test]
fn chat_carries_messages_and_says_goodbye() {
    let server = Server::start("chat", &[]);
    let join = |name: &str| {
        let mut client = server.connect();
        assert_eq!(client.line(), "your name?");
        assert_eq!(client.ask(name), format!("* hello {name}"));
        client
    };
    let mut ann = join("ann");
    let mut ben = join("ben");
    assert_eq!(ann.line(), "ben: has come");
    let mut nameless = server.connect();
    assert_eq!(nameless.line(), "your name?");
    // Ben's task computes for a second. Those who chat meanwhile are not to wait for it.
    ben.send("/burn\n");
    let mut eve = join("eve");
    assert_eq!(ann.line(), "eve: has come");
    eve.send("hello all\n");
    assert_eq!(ann.line(), "eve: hello all");
    assert_eq!(ben.line(), "* burnt");
    assert_eq!(ben.line(), "eve: has come");
    assert_eq!(ben.line(), "eve: hello all");
    drop(eve);
    assert_eq!(ann.line(), "eve: has gone");
    server.interrupt();
    let goodbye = ann.rest();
    assert!(goodbye.lines().any(|line| line == "* goodbye"), "{goodbye}");
    assert!(ben.rest().ends_with("* goodbye\n") || ben.rest().is_empty());
    assert_eq!(nameless.rest(), "");
    assert!(server.finish().starts_with("said goodbye to "));
}

#[cfg(all(unix, feature = "hyper"))]
mod with_hyper {
    use super::*;

    #[test]
    fn http_burn_compares() {
        let printed = output_of("http_burn", &["compare", "--seconds", "1", "--rounds", "1"]);
        println!("{printed}");
        assert_eq!(printed.lines().filter(|line| line.contains(" preempt |")).count(), 4);
    }

    fn request(server: &Server, request: &str, body: &str) -> String {
        let mut client = server.connect();
        let length = body.len();
        client.send(&format!(
            "{request} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        client.rest()
    }

    #[test]
    fn axum_app_answers_and_ends() {
        let server = Server::start("axum_app", &[]);
        let ends_with = |answer: String, status: &str, body: &str| {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.ends_with(body), "{answer}");
        };
        ends_with(request(&server, "GET /", ""), "200", "\r\n\r\nhello\n");
        let primes = r#"{"below":1000,"count":168,"request":1}"#;
        ends_with(request(&server, "GET /primes/1000", ""), "200", primes);
        let blocking = r#"{"below":1000,"count":168,"request":2}"#;
        ends_with(request(&server, "GET /blocking/1000", ""), "200", blocking);
        let numbers = r#"{"numbers":[1,2,39]}"#;
        ends_with(request(&server, "POST /sum", numbers), "200", r#"{"sum":42}"#);
        ends_with(request(&server, "POST /sum", "[]"), "422", "");
        ends_with(request(&server, "GET /nowhere", ""), "404", "");
        // A request that is under way is answered, and then the server ends.
        let mut slow = server.connect();
        slow.send("GET /primes/300000 HTTP/1.1\r\nhost: test\r\n\r\n");
        // It has come as far as the handler once it has a number, which the others then miss.
        let is_next = |number: u32| {
            request(&server, "GET /primes/2", "").ends_with(&format!(r#""request":{number}}}"#))
        };
        let skipped = (3..).find(|number| !is_next(*number));
        println!("the slow request is number {skipped:?}");
        server.interrupt();
        let answer = slow.rest();
        assert!(answer.contains(r#""count":25997,"#), "{answer}");
        assert_eq!(server.finish(), "all requests are answered\n");
    }
}

#[test]
fn priorities_shows_all_classes() {
    let printed = output_of("priorities", &["--seconds", "0.5"]);
    println!("{printed}");
    for class in ["latency", "normal", "batch"] {
        let rows = printed.lines().filter(|line| line.starts_with(&format!(" {class} ")));
        assert_eq!(rows.count(), 2, "{printed}");
    }
    for (arguments, complaint) in [
        (&["--seconds", "0"][..], "--seconds 0: a number above 0"),
        (&["--cats"], "unknown: --cats"),
    ] {
        let program = examples_support::example("priorities");
        let output = std::process::Command::new(program).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(complaint), "{arguments:?}: {said}");
    }
}
