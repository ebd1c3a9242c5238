//! Execution traces.
//!
//! Goal: what is recorded is what happened, a reader never disturbs or misreads the runtime, and the
//! files are what Perfetto and Chrome expect.
//! Method: workloads whose polls are known, traces that are decoded by other libraries
//! (`trace_support`), snapshots while all threads record as fast as they can.

mod support;
mod trace_support;

use preempt::runtime::{Builder, Runtime};
use preempt::task::{self, block_in_place, spawn_blocking, yield_now};
use preempt::time::{Duration, sleep};
use preempt::trace::Trace;
use std::collections::HashSet;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use support::{LIMIT, Stop, eventually, serial, within};
use trace_support::{Decoded, decode_perfetto};

fn recording(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).trace(true).build().expect("a runtime")
}

fn snapshot(runtime: &Runtime) -> Trace {
    runtime.handle().tracer().snapshot()
}

fn decoded(runtime: &Runtime) -> Decoded {
    decode_perfetto(&snapshot(runtime).to_perfetto())
}

fn named(runtime: &Runtime, name: &str, future: impl Future<Output = ()> + Send + 'static) {
    let task = task::Builder::new().name(name).spawn_on(future, runtime.handle()).unwrap();
    runtime.block_on(task).unwrap();
}

#[test]
fn nothing_is_recorded_until_the_tracer_starts() {
    within(LIMIT, || {
        let runtime = support::multi_thread(1);
        let tracer = runtime.handle().tracer();
        named(&runtime, "early", async {});
        assert!(!tracer.is_on());
        assert!(tracer.snapshot().is_empty());
        tracer.start();
        assert!(tracer.is_on());
        named(&runtime, "on time", async {});
        tracer.stop();
        named(&runtime, "late", async {});
        let decoded = decoded(&runtime);
        let names: HashSet<_> = decoded.polls().map(|poll| poll.name.as_str()).collect();
        assert!(names.iter().any(|name| name.starts_with("on time (task ")), "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("early") || name.starts_with("late")));
    });
}

/// A task that yields a hundred times is polled 101 times, and each poll is there.
#[test]
fn every_poll_is_a_slice() {
    within(LIMIT, || {
        let runtime = recording(1);
        named(&runtime, "yields", async {
            for _ in 0..100 {
                yield_now().await;
            }
        });
        eventually("the task's last poll is recorded", || {
            let decoded = decoded(&runtime);
            let polls: Vec<_> =
                decoded.polls().filter(|poll| poll.name.starts_with("yields (")).collect();
            let complete = polls.iter().filter(|poll| poll.detail("ends") == "complete").count();
            if complete == 0 {
                return false;
            }
            assert_eq!(complete, 1);
            assert_eq!(polls.len(), 101);
            let yields = polls.iter().filter(|poll| poll.detail("ends").starts_with("yields"));
            assert_eq!(yields.count(), 100);
            assert!(polls.iter().all(|poll| poll.detail("spawned at").contains("trace.rs:")));
            assert!(polls.windows(2).all(|pair| pair[0].end <= pair[1].start));
            true
        });
    });
}

/// Hogs of all kinds beside a ticker: the requests, signals and detached polls are there, and as many
/// as were counted.
#[test]
fn what_is_done_about_hogs_is_shown() {
    let _one = serial();
    within(LIMIT, || {
        let runtime = recording(2);
        let stop = Stop::new();
        for _ in 0..3 {
            let signal = stop.signal();
            let hog = async move {
                while !signal.is_set() {
                    spin_loop();
                }
            };
            task::Builder::new().name("hog").spawn_on(hog, runtime.handle()).unwrap();
        }
        let ticker = runtime.spawn(async {
            for _ in 0..50 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        runtime.block_on(ticker).unwrap();
        stop.stop();
        eventually("the hogs are gone", || runtime.metrics().live_tasks == 0);
        let metrics = runtime.metrics();
        let trace = snapshot(&runtime);
        assert_eq!(trace.overwritten(), 0);
        let decoded = decode_perfetto(&trace.to_perfetto());
        let hogs = || decoded.polls().filter(|poll| poll.name.starts_with("hog (task "));
        assert!(hogs().any(|poll| poll.detail("ends") == "detached by a signal"));
        // On a busy machine the ticker may be in the middle of a poll for as long.
        let polls = || decoded.polls();
        let detached = polls().filter(|poll| poll.detail("ends") == "detached by a signal").count();
        let resumed = polls().filter(|poll| poll.detail("begins") == "in the middle").count();
        assert_eq!(detached as u64, metrics.detaches);
        assert_eq!(resumed, detached);
        assert_eq!(decoded.instants("asked to give way") as u64, metrics.requests);
        assert_eq!(decoded.instants("signal") as u64, metrics.signals);
        assert_eq!(decoded.instants("hand-off") as u64, metrics.hand_offs);
        let refusals = metrics.refusals;
        let refused = refusals.stale
            + refusals.no_preempt
            + refusals.text
            + refusals.stack
            + refusals.masked
            + refusals.no_spare;
        assert!(decoded.instants("signal refused") as u64 <= refused);
        assert!(decoded.instants("timers") > 0);
        assert_eq!(decoded.processors().count(), 2);
        assert!(decoded.threads().any(|track| track.name == "preempt-sysmon"));
        assert!(decoded.threads().filter(|track| track.name == "preempt-worker").count() >= 2);
        assert!(decoded.polls().any(|poll| !poll.flow_to.is_empty()));
        assert_flows_have_begun(&decoded);
    });
}

/// Of the newest events: what wakes a task is recorded before what it wakes.
fn assert_flows_have_begun(decoded: &Decoded) {
    let all = || {
        let tracks = decoded.tracks.values();
        tracks.flat_map(|track| track.slices.iter().chain(&track.instants))
    };
    let begun: HashSet<_> = all().flat_map(|entry| &entry.flow_from).collect();
    assert!(all().flat_map(|entry| &entry.flow_to).all(|flow| begun.contains(flow)));
}

/// The poll goes on on its thread's track; on the processor's it ends, and another one begins.
#[test]
fn a_poll_that_loses_its_processor_ends_there() {
    within(LIMIT, || {
        let runtime = recording(1);
        let flag = Arc::new(AtomicBool::new(false));
        let other = flag.clone();
        named(&runtime, "blocks", async move {
            preempt::spawn(async move { other.store(true, SeqCst) });
            block_in_place(|| eventually("the other task runs", || flag.load(SeqCst)));
        });
        eventually("the poll's end is recorded", || {
            let decoded = decoded(&runtime);
            let of = |tracks: Vec<&trace_support::Track>| {
                let slices = tracks.into_iter().flat_map(|track| &track.slices);
                slices
                    .filter(|slice| slice.name.starts_with("blocks ("))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let here = of(decoded.processors().collect());
            let there = of(decoded.threads().collect());
            if here.first().is_none_or(|poll| poll.detail("ends") != "complete") {
                return false;
            }
            assert_eq!((here.len(), there.len()), (1, 1));
            assert_eq!(here[0].start, there[0].start);
            assert!(here[0].end < there[0].end);
            assert_eq!(decoded.instants("hand-off"), 1);
            true
        });
    });
}

#[test]
fn block_on_and_blocking_closures_have_slices() {
    within(LIMIT, || {
        let runtime = recording(1);
        runtime.block_on(async {
            spawn_blocking(|| std::thread::sleep(Duration::from_millis(2))).await.unwrap();
        });
        eventually("the closure's end is recorded", || {
            let decoded = decoded(&runtime);
            let slices: Vec<_> = decoded.threads().flat_map(|track| &track.slices).collect();
            assert!(slices.iter().any(|slice| slice.name == "block_on"));
            let blocking = slices.iter().find(|slice| slice.name.starts_with("blocking, task "));
            blocking.is_some_and(|slice| slice.end - slice.start >= 2_000_000)
        });
    });
}

/// What has no end yet is there as well: that is what a look at a stall is for.
#[test]
fn a_poll_that_goes_on_is_shown() {
    within(LIMIT, || {
        let runtime = recording(1);
        let stop = Stop::new();
        let signal = stop.signal();
        let started = Arc::new(AtomicBool::new(false));
        let is_started = started.clone();
        let task = async move {
            is_started.store(true, SeqCst);
            while !signal.is_set() {
                spin_loop();
            }
        };
        task::Builder::new().name("stuck").spawn_on(task, runtime.handle()).unwrap();
        eventually("it runs", || started.load(SeqCst));
        let decoded = decoded(&runtime);
        let poll = decoded.polls().find(|poll| poll.name.starts_with("stuck (")).unwrap();
        assert_eq!(poll.detail("ends"), "it goes on");
    });
}

/// What a thread was at when the recording stopped is not what it is at when the next one starts.
#[test]
fn a_recording_begins_without_what_the_one_before_left() {
    within(LIMIT, || {
        let runtime = recording(1);
        let stop = Stop::new();
        let (signal, started) = (stop.signal(), support::Signal::default());
        let is_started = started.clone();
        let task = async move {
            is_started.set();
            signal.spin();
        };
        let task = task::Builder::new().name("old").spawn_on(task, runtime.handle()).unwrap();
        started.wait("it runs");
        let tracer = runtime.handle().tracer();
        tracer.stop();
        stop.stop();
        runtime.block_on(task).unwrap();
        tracer.start();
        let trace = tracer.snapshot_last(Duration::from_nanos(1));
        let decoded = decode_perfetto(&trace.to_perfetto());
        assert!(!decoded.polls().any(|poll| poll.name.starts_with("old (")));
    });
}

/// Of a poll that was detached before anything was recorded it is known as well whose it is.
#[test]
fn polls_that_were_detached_before_have_their_names() {
    let _one = serial();
    within(LIMIT, || {
        let runtime = support::multi_thread(1);
        let stop = Stop::new();
        for _ in 0..3 {
            let signal = stop.signal();
            let hog = async move { signal.spin() };
            task::Builder::new().name("hog").spawn_on(hog, runtime.handle()).unwrap();
        }
        eventually("two are detached", || runtime.metrics().detached_polls == 2);
        runtime.handle().tracer().start();
        eventually("all three have had their turn", || {
            let decoded = decoded(&runtime);
            let resumed =
                || decoded.polls().filter(|poll| poll.detail("begins") == "in the middle");
            assert!(resumed().all(|poll| poll.name.starts_with("hog (task ")));
            resumed().map(|poll| poll.name.clone()).collect::<HashSet<_>>().len() == 3
        });
    });
}

#[test]
fn a_current_thread_runtime_has_one_track_for_its_threads() {
    within(LIMIT, || {
        let runtime = Builder::new_current_thread().trace(true).build().unwrap();
        for _ in 0..20 {
            runtime.block_on(async { preempt::spawn(yield_now()).await.unwrap() });
        }
        let decoded = decoded(&runtime);
        assert_eq!(decoded.processors().count(), 1);
        assert_eq!(decoded.threads().filter(|track| !track.slices.is_empty()).count(), 1);
        assert!(decoded.polls().any(|poll| poll.name == "block_on"));
        assert!(decoded.polls().filter(|poll| poll.name.starts_with("task ")).count() >= 40);
    });
}

/// The JSON is valid, and shows the same as the protocol buffers.
#[test]
fn both_formats_show_the_same() {
    within(LIMIT, || {
        let runtime = recording(2);
        named(&runtime, "a \"name\"\\ with\n\u{7f}\u{1f980}", async {
            for _ in 0..10 {
                preempt::spawn(yield_now()).await.unwrap();
                sleep(Duration::from_micros(100)).await;
            }
        });
        let trace = snapshot(&runtime);
        let decoded = decode_perfetto(&trace.to_perfetto());
        let json: serde_json::Value = serde_json::from_str(&trace.to_chrome_json()).unwrap();
        let events = json["traceEvents"].as_array().unwrap();
        let of = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
        let count = |of: fn(&trace_support::Track) -> usize| -> usize {
            decoded.tracks.values().map(of).sum()
        };
        let is_empty = |event: &&serde_json::Value| event["dur"].as_f64() == Some(0.0);
        let empty = events.iter().filter(is_empty).count();
        assert_eq!(of("X") - empty, count(|track| track.slices.len()));
        assert_eq!(of("i"), count(|track| track.instants.len()));
        assert!(of("s") > 0 && of("f") > 0 && of("M") > 4);
        for event in events {
            assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
            assert!(event["ph"] == "M" || event["ts"].is_f64(), "{event}");
        }
        let is_named = |event: &serde_json::Value| {
            let name = event["name"].as_str().unwrap();
            name.starts_with("a \"name\"\\ with\n\u{7f}\u{1f980} (task ")
        };
        assert!(events.iter().any(is_named));
    });
}

/// The ring of a thread is small and the writers are fast: a reader finds whole events only, whatever
/// it comes upon.
#[test]
fn snapshots_of_a_busy_runtime_are_whole() {
    let _one = serial();
    within(LIMIT, || {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(2).trace(true).trace_buffer_bytes(4096);
        let runtime = builder.time_slice(Duration::from_micros(200)).build().unwrap();
        let stop = Stop::new();
        for _ in 0..4 {
            let signal = stop.signal();
            runtime.spawn(async move {
                while !signal.is_set() {
                    preempt::spawn(yield_now()).await.unwrap();
                }
            });
            let signal = stop.signal();
            runtime.spawn(async move {
                while !signal.is_set() {
                    spin_loop();
                }
            });
        }
        let tracer = runtime.handle().tracer();
        let (mut overwritten, mut snapshots) = (0, 0);
        while snapshots < 50 || overwritten == 0 {
            snapshots += 1;
            let trace = tracer.snapshot();
            assert!(trace.overwritten() >= overwritten);
            overwritten = trace.overwritten();
            for poll in decode_perfetto(&trace.to_perfetto()).polls() {
                // Nothing took as long as the world, as it would with half an event.
                assert!(poll.end - poll.start < 600_000_000_000, "{poll:?}");
                assert!(poll.name.starts_with("task "), "{poll:?}");
            }
        }
        stop.stop();
    });
}

/// The tracer goes on and off while polls are going on: no poll begins before the tracer did.
#[test]
fn a_poll_is_not_longer_than_the_recording() {
    let _one = serial();
    within(LIMIT, || {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(2).trace_buffer_bytes(32 * 1024);
        let runtime = builder.build().unwrap();
        let stop = Stop::new();
        for _ in 0..4 {
            let signal = stop.signal();
            runtime.spawn(async move {
                while !signal.is_set() {
                    yield_now().await;
                }
            });
        }
        let tracer = runtime.handle().tracer();
        for _ in 0..50 {
            tracer.start();
            std::thread::sleep(Duration::from_micros(300));
            tracer.stop();
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.stop();
        // A thread that the system does not let run makes its poll longer, but not many of them.
        let decoded = decode_perfetto(&tracer.snapshot().to_perfetto());
        let long = decoded.polls().filter(|poll| poll.end - poll.start > 4_500_000).count();
        assert!(long * 10 < decoded.polls().count().max(1), "{long}");
    });
}

#[test]
fn the_last_moments_are_less_than_everything() {
    within(LIMIT, || {
        let runtime = recording(1);
        named(&runtime, "first", async {});
        std::thread::sleep(Duration::from_millis(30));
        let tracer = runtime.handle().tracer();
        named(&runtime, "second", async {});
        let last = tracer.snapshot_last(Duration::from_millis(20));
        assert!(last.len() < tracer.snapshot().len());
        assert!(tracer.snapshot_last(Duration::from_secs(3600)).len() >= last.len());
    });
}

#[test]
fn a_panic_leaves_a_file() {
    within(LIMIT, || {
        let path = std::env::temp_dir().join(format!("preempt-trace-{}.json", std::process::id()));
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).trace_on_panic(&path).build().unwrap();
        let task = task::Builder::new()
            .name("fails")
            .spawn_on(async { panic!("for the trace") }, runtime.handle());
        let result: Result<(), _> = runtime.block_on(task.unwrap());
        assert!(result.is_err());
        let text = std::fs::read_to_string(&path).expect("the hook has written it");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let goes_on = |event: &serde_json::Value| event["args"]["ends"] == "it goes on";
        let events = json["traceEvents"].as_array().unwrap();
        let failing = |event: &&serde_json::Value| {
            event["name"].as_str().unwrap().starts_with("fails (") && goes_on(event)
        };
        assert_eq!(events.iter().filter(failing).count(), 1, "the poll that panics");
        // A second panic leaves it as it is.
        std::fs::remove_file(&path).unwrap();
        let again = runtime.spawn(async { panic!("again") });
        assert!(runtime.block_on(again).is_err());
        assert!(!path.exists());
    });
}
