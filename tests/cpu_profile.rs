//! Profiles of CPU time and of the time that others wait.
//!
//! Goal: the time is charged to the functions and tasks that use it, and the files can be read by others.
//! Method: tasks that are known to do nothing else; the files are decoded by the `pprof` crate, whose
//! description of the format is its own.

mod endpoint_support;
mod forced_support;

use endpoint_support::{get, good};
use flate2::read::GzDecoder;
use forced_support::*;
use pprof::protos::{Message, Profile as Decoded};
use preempt::runtime::{Profile, ProfileKind, Runtime};
use preempt::task;
use preempt::time::sleep;
use std::collections::HashMap;
use std::hint::black_box;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

const HZ: u32 = 200;
const TIME: Duration = Duration::from_millis(500);

#[inline(never)]
fn compute(stop: &Signal) -> u64 {
    let mut sum = 0_u64;
    while !stop.is_set() {
        for i in 0..1_000_u64 {
            sum = black_box(sum.wrapping_mul(31) ^ i);
        }
    }
    sum
}

#[inline(never)]
fn calculate(stop: &Signal) -> u64 {
    let mut sum = 0_u64;
    while !stop.is_set() {
        for i in 0..1_000_u64 {
            sum = black_box(sum.rotate_left(7) ^ i);
        }
    }
    sum
}

/// Two hogs that share the workers, one without a name.
fn spawn_hogs(runtime: &Runtime, stop: &Stop) {
    let signal = stop.signal();
    let hog = async move { _ = compute(&signal) };
    task::Builder::new().name("computes").spawn_on(hog, runtime.handle()).unwrap();
    let signal = stop.signal();
    runtime.spawn(async move { _ = calculate(&signal) });
}

fn spawn_ticker(runtime: &Runtime, stop: &Stop) {
    let signal = stop.signal();
    runtime.spawn(async move {
        while !signal.is_set() {
            sleep(Duration::from_micros(500)).await;
        }
    });
}

/// The part of the time that was spent in a function, or in what it called.
fn share(profile: &Profile, function: &str) -> f64 {
    let total: Duration = profile.samples.iter().map(|sample| sample.time).sum();
    let is_in =
        |name: &Option<String>| name.as_deref().is_some_and(|name| name.ends_with(function));
    let inside = profile
        .samples
        .iter()
        .filter(|sample| sample.frames.iter().any(|frame| is_in(&frame.function)));
    inside.map(|sample| sample.time).sum::<Duration>().as_secs_f64() / total.as_secs_f64()
}

#[test]
fn cpu_time_is_charged_to_tasks_and_functions() {
    on_each(|builder| {
        let runtime = builder.stall_report(false).build().unwrap();
        let stop = Stop::new();
        spawn_hogs(&runtime, &stop);
        let profile = runtime.handle().profile(TIME, HZ).unwrap();
        assert_eq!(profile.kind, ProfileKind::Cpu);
        let (one, other) = (share(&profile, "::compute"), share(&profile, "::calculate"));
        println!("compute {one:.3}, calculate {other:.3}, lost {}", profile.lost);
        assert!(one > 0.1 && other > 0.1 && one + other > 0.6, "{}", profile.folded());
        for sample in &profile.samples {
            let computes = sample.frames.iter().any(|frame| {
                frame.function.as_deref().is_some_and(|name| name.ends_with("::compute"))
            });
            if computes {
                assert_eq!(sample.task.as_deref(), Some("computes"));
                assert!(sample.spawned_at.unwrap().file().ends_with("cpu_profile.rs"));
            }
        }
    });
}

#[test]
fn the_collapsed_text_is_one_line_per_stack() {
    on_each(|builder| {
        let runtime = builder.stall_report(false).build().unwrap();
        let stop = Stop::new();
        spawn_hogs(&runtime, &stop);
        let profile = runtime.handle().profile(TIME, HZ).unwrap();
        let folded = profile.folded();
        let mut total = 0;
        for line in folded.lines() {
            let (stack, value) = line.rsplit_once(' ').unwrap();
            assert!(!stack.is_empty() && stack.split(';').all(|name| !name.is_empty()), "{line}");
            total += value.parse::<u64>().unwrap();
        }
        assert!(total > 0);
        let is_hog =
            |line: &str| line.starts_with("computes;") && line.contains("cpu_profile::compute");
        assert!(folded.lines().any(is_hog), "{folded}");
    });
}

fn decode(file: &[u8]) -> Decoded {
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    Decoded::decode(&bytes[..]).unwrap()
}

/// Functions, labels, values.
type CheckedSample = (Vec<String>, HashMap<String, String>, Vec<i64>);

/// All that a reader follows by number leads somewhere; the functions of each sample.
fn check(decoded: &Decoded) -> Vec<CheckedSample> {
    let text = |index: i64| decoded.string_table[usize::try_from(index).unwrap()].clone();
    assert_eq!(decoded.string_table[0], "");
    let functions: HashMap<_, _> =
        decoded.function.iter().map(|function| (function.id, text(function.name))).collect();
    assert!(!functions.contains_key(&0) && functions.len() == decoded.function.len());
    assert!(decoded.function.iter().all(|function| function.system_name == 0));
    let locations: HashMap<_, _> =
        decoded.location.iter().map(|location| (location.id, location)).collect();
    assert!(!locations.contains_key(&0) && locations.len() == decoded.location.len());
    let of_sample = |sample: &pprof::protos::Sample| {
        let lines = sample.location_id.iter().flat_map(|id| &locations[id].line);
        let names = lines.map(|line| functions[&line.function_id].clone()).collect();
        let labels = sample.label.iter().map(|label| (text(label.key), text(label.str))).collect();
        assert_eq!(sample.value.len(), decoded.sample_type.len());
        (names, labels, sample.value.clone())
    };
    decoded.sample.iter().map(of_sample).collect()
}

#[test]
fn another_decoder_reads_the_file() {
    on_each(|builder| {
        let runtime = builder.stall_report(false).build().unwrap();
        let stop = Stop::new();
        spawn_hogs(&runtime, &stop);
        let profile = runtime.handle().profile(TIME, HZ).unwrap();
        let decoded = decode(&profile.pprof());
        let text = |index: i64| decoded.string_table[usize::try_from(index).unwrap()].as_str();
        let types: Vec<_> =
            decoded.sample_type.iter().map(|kind| (text(kind.ty), text(kind.unit))).collect();
        assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds")]);
        assert_eq!(decoded.period, 1_000_000_000 / i64::from(HZ));
        assert!(decoded.duration_nanos >= i64::try_from(TIME.as_nanos()).unwrap());
        let samples = check(&decoded);
        assert_eq!(samples.len(), profile.samples.len());
        let hog =
            samples.iter().find(|(names, ..)| names.iter().any(|name| name.ends_with("::compute")));
        let (names, labels, value) = hog.expect("the hog is in it");
        assert_eq!(labels["task"], "computes");
        assert!(labels["spawned_at"].contains("cpu_profile.rs:"));
        assert_eq!(value[1], value[0] * decoded.period);
        let place = |end: &str| names.iter().position(|name| name.ends_with(end));
        assert!(place("::compute") < place("{{closure}}"), "the innermost first: {names:?}");
        let total: i64 = samples.iter().map(|(_, _, value)| value[0]).sum();
        assert_eq!(total, profile.samples.iter().map(|sample| sample.count as i64).sum::<i64>());
    });
}

#[test]
fn waiting_is_charged_to_whoever_is_waited_for() {
    on_each(|builder| {
        let runtime = builder.stall_report(false).build().unwrap();
        let stop = Stop::new();
        spawn_ticker(&runtime, &stop);
        spawn_hogs(&runtime, &stop);
        let profile = runtime.handle().profile_delays(TIME).unwrap();
        assert_eq!(profile.kind, ProfileKind::Delay);
        let hogs = share(&profile, "::compute") + share(&profile, "::calculate");
        assert!(hogs > 0.8, "{}", profile.folded());
        let samples = check(&decode(&profile.pprof()));
        assert!(
            samples.iter().any(|(_, labels, value)| labels.contains_key("task") && value[1] > 0)
        );
    });
}

#[test]
fn a_poll_that_blocks_is_charged_as_well() {
    on_each(|builder| {
        let runtime = builder.worker_threads(1).stall_report(false).build().unwrap();
        let stop = Stop::new();
        spawn_ticker(&runtime, &stop);
        let signal = stop.signal();
        runtime.spawn(async move {
            while !signal.is_set() {
                thread::sleep(Duration::from_millis(50));
                task::yield_now().await;
            }
        });
        let profile = runtime.handle().profile_delays(TIME).unwrap();
        assert!(share(&profile, "::sleep") > 0.3, "{}", profile.folded());
    });
}

#[test]
fn profiles_begin_and_end_while_tasks_run() {
    on_each(|builder| {
        let runtime = builder.stall_report(false).build().unwrap();
        let stop = Stop::new();
        spawn_ticker(&runtime, &stop);
        spawn_hogs(&runtime, &stop);
        let delays = runtime.handle().clone();
        let others = thread::spawn(move || {
            for _ in 0..20 {
                delays.profile_delays(Duration::from_millis(3)).unwrap();
            }
        });
        for _ in 0..20 {
            runtime.handle().profile(Duration::from_millis(3), 10_000).unwrap();
        }
        others.join().unwrap();
    });
}

/// From outside, beside endless polls.
#[test]
fn the_endpoint_makes_profiles() {
    on_each(|builder| {
        let runtime = builder
            .stall_report(false)
            .debug_endpoint(SocketAddr::from(([127, 0, 0, 1], 0)))
            .build()
            .unwrap();
        let addr = runtime.debug_addr().unwrap();
        let stop = Stop::new();
        spawn_hogs(&runtime, &stop);
        spawn_ticker(&runtime, &stop);
        for (path, kind) in [("profile", "cpu"), ("delay", "delay")] {
            let answer = good(addr, &format!("/debug/pprof/{path}?seconds=0.5"));
            let name = answer.header("content-disposition").unwrap();
            assert_eq!(name, format!("attachment; filename=\"{path}.pb.gz\""));
            let decoded = decode(&answer.body);
            let of_kind = decoded.sample_type.last().unwrap().ty;
            assert_eq!(decoded.string_table[usize::try_from(of_kind).unwrap()], kind);
            let samples = check(&decoded);
            // With two workers it may always be the same one that the ticker waits for.
            let is_hog = |(names, labels, _): &CheckedSample| {
                let has = |function| names.iter().any(|name| name.ends_with(function));
                has("::calculate") || has("::compute") && labels["task"] == "computes"
            };
            assert!(samples.iter().any(is_hog), "{path}: {samples:?}");
        }
        let folded = good(addr, "/debug/pprof/profile?seconds=0.5&format=folded");
        let is_hog = |line: &str| line.starts_with("computes;") && line.contains("::compute");
        assert!(folded.text().lines().any(is_hog), "{}", folded.text());
        // Either may be the first, and be done before the other one asks.
        let seen = Stop::new();
        let is_seen = seen.signal();
        let other = thread::spawn(move || {
            while !is_seen.is_set() {
                assert!(matches!(get(addr, "/debug/pprof/delay?seconds=0.3").status, 200 | 503));
                thread::sleep(Duration::from_millis(5));
            }
        });
        eventually("it is busy", || {
            thread::sleep(Duration::from_millis(5));
            let second = get(addr, "/debug/pprof/delay?seconds=0.001");
            second.status == 503 && second.text().contains("another profile of this kind")
        });
        seen.stop();
        other.join().unwrap();
    });
}

#[test]
fn what_cannot_be_done_is_said() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        for hz in [0, 10_001] {
            let error = runtime.handle().profile(TIME, hz).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        let handle = runtime.handle().clone();
        // The other one may be the first.
        let first = thread::spawn(move || while handle.profile_delays(TIME).is_err() {});
        eventually("it is busy", || match runtime.handle().profile_delays(Duration::ZERO) {
            Ok(_) => false,
            Err(error) => error.kind() == ErrorKind::ResourceBusy,
        });
        assert!(first.join().is_ok());
    });
}
