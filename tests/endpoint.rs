//! The debug endpoint.
//!
//! Goal: it answers whatever the workers do, what it answers can be read by others' decoders, and it
//! takes no more than it says. Method: endless tasks, a client that is as rude as it likes, and many
//! that ask for everything at once.

mod endpoint_support;
mod support;
mod trace_support;

use endpoint_support::{exchange, get, good};
use preempt::runtime::{Builder, DebugEndpoint, Runtime};
use preempt::task::{self, yield_now};
use preempt::time::{Duration, sleep};
use prometheus_parse::Scrape;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use support::{LIMIT, Signal, Stop, eventually, serial, within};
use trace_support::decode_perfetto;

fn local() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn addr_of(runtime: &Runtime) -> SocketAddr {
    runtime.debug_addr().expect("it has an endpoint")
}

fn with_endpoint(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).debug_endpoint(local()).build().unwrap()
}

fn spawn_named(runtime: &Runtime, name: &str, future: impl Future<Output = ()> + Send + 'static) {
    task::Builder::new().name(name).spawn_on(future, runtime.handle()).unwrap();
}

fn spawn_hogs(runtime: &Runtime, stop: &Stop, count: usize) {
    for _ in 0..count {
        let signal = stop.signal();
        spawn_named(runtime, "hog", async move { signal.spin() });
    }
}

fn lines_of(scrape: &str) -> Scrape {
    Scrape::parse(scrape.lines().map(|line| Ok(line.to_owned()))).expect("Prometheus' format")
}

fn task<'a>(dump: &'a Value, name: &str) -> &'a Value {
    let tasks = dump["tasks"].as_array().expect("an array");
    tasks.iter().find(|task| task["name"] == name).unwrap_or_else(|| panic!("{name} in {dump}"))
}

/// Everything that is there, while nobody else gets to do anything.
fn ask_for_everything(addr: SocketAddr, hogs: usize) {
    assert!(good(addr, "/").text().contains("/debug/trace?seconds=N&format=perfetto|json"));
    let metrics = good(addr, "/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let scrape = lines_of(metrics.text());
    assert!(scrape.samples.iter().any(|sample| sample.metric == "preempt_tasks"));
    let text = good(addr, "/debug/tasks");
    assert!(text.text().starts_with(&format!("{hogs} tasks, ")), "{}", text.text());
    let dump = good(addr, "/debug/tasks?format=json").json();
    assert_eq!(dump["tasks"].as_array().unwrap().len(), hogs);
    assert_eq!(task(&dump, "hog")["activity"], Value::Null);
    let dump = good(addr, "/debug/tasks?format=json&seconds=0.1").json();
    assert!(dump["window_us"].as_u64().unwrap() > 0);
    assert!(task(&dump, "hog")["activity"]["run_us"].is_u64());
    let trace = good(addr, "/debug/trace?seconds=0.1");
    assert_eq!(trace.header("content-type"), Some("application/octet-stream"));
    assert_eq!(decode_perfetto(&trace.body).processors().count(), 1);
    let trace = good(addr, "/debug/trace?seconds=0.1&format=json").json();
    assert!(!trace["traceEvents"].as_array().unwrap().is_empty());
}

#[test]
fn it_answers_beside_eight_endless_tasks_on_one_worker() {
    let _one = serial();
    within(LIMIT, || {
        let runtime = with_endpoint(1);
        let stop = Stop::new();
        spawn_hogs(&runtime, &stop, 8);
        eventually("one is detached", || runtime.metrics().detached_polls > 0);
        ask_for_everything(addr_of(&runtime), 8);
    });
}

/// The only worker is in an endless poll, and nothing may be done about it.
#[test]
fn it_answers_while_the_only_worker_is_stuck() {
    let _one = serial();
    within(LIMIT, || {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).hand_off(false).max_detached(0);
        let runtime = builder.debug_endpoint(local()).build().unwrap();
        let stop = Stop::new();
        spawn_hogs(&runtime, &stop, 8);
        eventually("one runs", || runtime.metrics().workers[0].is_in_poll);
        ask_for_everything(addr_of(&runtime), 8);
    });
}

/// What the future of a current-thread runtime does is none of the endpoint's business.
#[test]
fn a_current_thread_runtime_has_one_as_well() {
    within(LIMIT, || {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.debug_endpoint(local()).build().unwrap();
        let addr = addr_of(&runtime);
        assert!(good(addr, "/debug/tasks").text().starts_with("0 tasks"));
        runtime.block_on(async move {
            spawn_hog_free_task();
            // The thread that runs the tasks waits for the answer.
            let dump = good(addr, "/debug/tasks?format=json").json();
            assert_eq!(task(&dump, "queued")["state"], "queued");
        });
    });
}

fn spawn_hog_free_task() {
    drop(task::Builder::new().name("queued").spawn(async {}).unwrap());
}

/// The poll began long before anybody looked, and nobody interrupts it.
#[test]
fn a_lone_endless_poll_has_run_all_the_time() {
    let _one = serial();
    within(LIMIT, || {
        let runtime = with_endpoint(1);
        let stop = Stop::new();
        spawn_hogs(&runtime, &stop, 1);
        eventually("it runs", || runtime.metrics().workers[0].is_in_poll);
        let dump = good(addr_of(&runtime), "/debug/tasks?format=json&seconds=0.2").json();
        let activity = &task(&dump, "hog")["activity"];
        assert_eq!(activity["run_us"], dump["window_us"]);
        assert_eq!((&activity["polls"], &activity["wakes"]), (&0.into(), &0.into()));
    });
}

#[test]
fn what_tasks_did_is_added_up() {
    let _one = serial();
    within(LIMIT, || {
        // A poll that is handed off would run beside another one.
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).hand_off(false);
        let runtime = builder.debug_endpoint(local()).build().unwrap();
        let stop = Stop::new();
        spawn_hogs(&runtime, &stop, 2);
        let signal = stop.signal();
        spawn_named(&runtime, "ticker", async move {
            while !signal.is_set() {
                sleep(Duration::from_millis(1)).await;
            }
        });
        spawn_named(&runtime, "idle", std::future::pending());
        eventually("a hog is detached, and everybody was polled", || {
            let dump = good(addr_of(&runtime), "/debug/tasks?format=json").json();
            task(&dump, "idle")["state"] == "waiting" && runtime.metrics().detached_polls > 0
        });
        let target = "/debug/tasks?format=json&seconds=0.5";
        let dump = good(addr_of(&runtime), target).json();
        let window = dump["window_us"].as_u64().unwrap();
        let number = |task: &Value, key: &str| task["activity"][key].as_u64().unwrap();
        let tasks = dump["tasks"].as_array().unwrap();
        let all: u64 = tasks.iter().map(|task| number(task, "run_us")).sum();
        assert!(all <= window * 21 / 20, "one worker: {dump}");
        let hogs: Vec<_> = tasks.iter().filter(|task| task["name"] == "hog").collect();
        assert!(hogs.iter().all(|hog| number(hog, "run_us") > 0 && number(hog, "polls") <= 1));
        let ticker = task(&dump, "ticker");
        assert!(number(ticker, "polls") > 0 && number(ticker, "wakes") > 0, "{ticker}");
        let idle = task(&dump, "idle");
        assert_eq!((number(idle, "polls"), number(idle, "run_us")), (0, 0));
        let text = good(addr_of(&runtime), "/debug/tasks?seconds=0.1");
        assert!(text.text().contains("\nwithin 0."), "{}", text.text());
    });
}

/// The rings are too small for the time that was asked for: then it is less.
#[test]
fn a_window_is_no_longer_than_what_is_known() {
    let _one = serial();
    within(LIMIT, || {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).trace_buffer_bytes(4096);
        let runtime = builder.debug_endpoint(local()).build().unwrap();
        let stop = Stop::new();
        let signal = stop.signal();
        spawn_named(&runtime, "yields", async move {
            while !signal.is_set() {
                yield_now().await;
            }
        });
        let dump = good(addr_of(&runtime), "/debug/tasks?format=json&seconds=0.3").json();
        let window = dump["window_us"].as_u64().unwrap();
        let activity = &task(&dump, "yields")["activity"];
        assert!(window < 200_000, "{dump}");
        assert!(activity["run_us"].as_u64().unwrap() <= window, "{dump}");
        assert!(activity["polls"].as_u64().unwrap() > 0, "{dump}");
    });
}

#[test]
fn it_records_only_while_it_is_asked_to() {
    within(LIMIT, || {
        let runtime = with_endpoint(1);
        let addr = addr_of(&runtime);
        let tracer = runtime.handle().tracer();
        let ask = move || thread::spawn(move || drop(good(addr, "/debug/trace?seconds=0.3")));
        let first = ask();
        eventually("it records", || tracer.is_on());
        ask().join().unwrap();
        first.join().unwrap();
        assert!(!tracer.is_on());
        // The application's own recording goes on, whether it began before or meanwhile.
        let second = ask();
        eventually("it records again", || tracer.is_on());
        tracer.start();
        second.join().unwrap();
        assert!(tracer.is_on());
        ask().join().unwrap();
        assert!(tracer.is_on());
        let third = ask();
        tracer.stop();
        third.join().unwrap();
        assert!(!tracer.is_on());
    });
}

#[test]
fn what_cannot_be_answered_is_told() {
    within(LIMIT, || {
        let runtime = with_endpoint(1);
        let addr = addr_of(&runtime);
        for (target, status, text) in [
            ("/nothing", 404, "there is no \"/nothing\" here; this is:\n/  "),
            ("/debug/pprof/profile?seconds=0", 400, "seconds is a number above 0 and up to 60"),
            ("/debug/pprof/delay?format=svg", 400, "format is one of [\"pprof\", \"folded\"]"),
            #[cfg(not(feature = "pprof"))]
            ("/debug/pprof/delay", 404, "built without the feature `pprof`"),
            ("/metrics?x=1", 400, "\"x\": there are no parameters here"),
            ("/debug/tasks?form=json", 400, "\"form\" is no parameter of this"),
            ("/debug/tasks?format=xml", 400, "format is one of [\"text\", \"json\"], not \"xml\""),
            ("/debug/trace?seconds=61", 400, "seconds is a number above 0 and up to 60"),
            ("/debug/trace?seconds=", 400, "seconds is a number"),
        ] {
            let answer = get(addr, target);
            assert_eq!(answer.status, status, "{target}");
            assert!(answer.text().contains(text), "{target}: {}", answer.text());
        }
        let ask = |request: &str| exchange(addr, request.as_bytes());
        let post = ask("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!((post.status, post.header("allow")), (405, Some("GET")));
        assert_eq!(ask("hello\r\n\r\n").status, 400);
        assert_eq!(exchange(addr, b"GET /\xff HTTP/1.1\r\n\r\n").status, 400);
        let rebound = ask("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
        assert!(rebound.status == 403 && rebound.text().contains("example.org"));
    });
}

#[test]
fn long_and_slow_requests_are_refused() {
    within(LIMIT, || {
        let runtime = with_endpoint(1);
        let addr = addr_of(&runtime);
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(9_000));
        assert_eq!(exchange(addr, long.as_bytes()).status, 431);
        assert_eq!(exchange(addr, &vec![b'x'; 300_000]).status, 431);
        let mut slow = TcpStream::connect(addr).unwrap();
        let mut told = String::new();
        slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        slow.read_to_string(&mut told).unwrap();
        assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    });
}

#[test]
fn the_number_of_connections_is_limited() {
    within(LIMIT, || {
        let runtime = with_endpoint(1);
        let addr = addr_of(&runtime);
        let held: Vec<_> = (0..16).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let mut refused = TcpStream::connect(addr).unwrap();
        let mut told = String::new();
        refused.read_to_string(&mut told).unwrap();
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(told.ends_with("there are 16 connections already\n"), "{told}");
        drop(held);
        let ask = || {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let mut told = String::new();
            // One that is refused may be cut off before it has read why.
            let _ = stream.read_to_string(&mut told);
            told.starts_with("HTTP/1.1 200 ")
        };
        eventually("there is room again", ask);
    });
}

#[test]
fn only_loopback_addresses_are_taken_by_themselves() {
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let error = Builder::new_multi_thread().debug_endpoint(everywhere).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(text.contains("not on 0.0.0.0:0") && text.contains("allow_remote"), "{text}");
    let endpoint = DebugEndpoint::new(everywhere).allow_remote(true);
    let runtime = Builder::new_multi_thread().debug_endpoint(endpoint).build().unwrap();
    let addr = (Ipv4Addr::LOCALHOST, addr_of(&runtime).port()).into();
    let request = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    assert_eq!(exchange(addr, request).status, 200);
}

#[test]
fn an_address_in_use_is_an_error() {
    let other = TcpListener::bind(local()).unwrap();
    let addr = other.local_addr().unwrap();
    let error = Builder::new_multi_thread().debug_endpoint(addr).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(text.starts_with(&format!("the debug endpoint cannot listen on {addr}: ")), "{text}");
}

#[test]
fn a_server_of_a_handle_ends_when_it_is_dropped() {
    within(LIMIT, || {
        let runtime = support::multi_thread(1);
        assert_eq!(runtime.debug_addr(), None);
        for _ in 0..20 {
            let server = runtime.handle().serve_debug(local()).unwrap();
            let addr = server.local_addr();
            assert_eq!(good(addr, "/debug/tasks").text().split(';').next(), Some("0 tasks"));
            drop(server);
            assert!(TcpStream::connect(addr).is_err());
        }
        let server = runtime.handle().serve_debug(local()).unwrap();
        drop(runtime);
        assert_eq!(get(server.local_addr(), "/metrics").status, 503);
    });
}

/// A recording that would take longer ends with the runtime, and does not hold its end up.
#[test]
fn a_runtime_that_ends_ends_recordings() {
    // There is one profile at a time in a process.
    let _one = serial();
    within(LIMIT, || {
        let runtime = with_endpoint(1);
        let (addr, tracer) = (addr_of(&runtime), runtime.handle().tracer());
        // The test itself looks whether a profile is made, by trying to make one.
        let pause = || thread::sleep(Duration::from_millis(5));
        let ask = |target| {
            thread::spawn(move || {
                loop {
                    let answer = get(addr, target);
                    if !answer.text().contains("another profile of this kind is being made") {
                        return answer;
                    }
                    // Not more connections than there may be.
                    pause();
                }
            })
        };
        let targets = [
            "/debug/trace?seconds=60",
            "/debug/pprof/profile?seconds=60&format=folded",
            "/debug/pprof/delay?seconds=60&format=folded",
        ];
        let asks = targets.map(ask);
        eventually("it records", || tracer.is_on());
        let handle = runtime.handle().clone();
        eventually("profiles are made", || {
            pause();
            let [cpu, delays] =
                [handle.profile(Duration::ZERO, 100), handle.profile_delays(Duration::ZERO)];
            [cpu, delays].iter().all(Result::is_err)
        });
        drop(runtime);
        for asked in asks {
            let answer = asked.join().unwrap();
            assert_eq!(answer.status, 503);
            assert_eq!(answer.text(), "the runtime has ended meanwhile\n");
        }
    });
}

/// Many ask for everything, while tasks come, go, compute, and are detached.
#[test]
fn many_may_ask_at_once() {
    let _one = serial();
    within(LIMIT, || {
        let runtime = with_endpoint(2);
        let addr = addr_of(&runtime);
        let stop = Stop::new();
        spawn_hogs(&runtime, &stop, 4);
        let signal: Signal = stop.signal();
        runtime.spawn(async move {
            while !signal.is_set() {
                preempt::spawn(yield_now()).await.unwrap();
            }
        });
        let targets = [
            "/metrics",
            "/debug/tasks",
            "/debug/tasks?seconds=0.02",
            "/debug/tasks?format=json",
            "/debug/trace?seconds=0.02",
            "/debug/trace?seconds=0.01&format=json",
        ];
        // One at a time: whoever comes second is told so.
        let profiles = ["/debug/pprof/profile", "/debug/pprof/delay"];
        let profilers = profiles.map(|path| {
            thread::spawn(move || {
                for _ in 0..6 {
                    good(addr, &format!("{path}?seconds=0.05&format=folded"));
                }
            })
        });
        let clients: Vec<_> = (0..6)
            .map(|first| {
                thread::spawn(move || {
                    for round in 0..6 {
                        good(addr, targets[(first + round) % targets.len()]);
                    }
                })
            })
            .collect();
        for client in clients.into_iter().chain(profilers) {
            client.join().unwrap();
        }
        assert!(!runtime.handle().tracer().is_on());
    });
}
