//! Goal: a poll that has begun ends, however it was suspended, handed off and resumed while its runtime
//! shuts down.
//! Method: hogs that end when they are told to, in the middle of the shutdown, counted at both ends.

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

/// Suspended anywhere.
fn compute(stop: &Signal, _: u32) {
    let mut rounds = 0_u64;
    while !stop.is_set() {
        rounds = black_box(rounds + 1);
    }
}

/// Not to be suspended for a while, so that its processor is handed off; then for a moment to be.
fn compute_in_sections(stop: &Signal, number: u32) {
    let section = Duration::from_micros(100) * number;
    while !stop.is_set() {
        preempt::no_preempt(|| {
            let begin = Instant::now();
            while begin.elapsed() < section {
                black_box(begin);
            }
        });
        (0..1000).for_each(|round| _ = black_box(round));
    }
}

fn every_poll_ends(hog: fn(&Signal, u32)) {
    on_each(move |builder| {
        for round in 0..5 {
            let runtime = builder.build().unwrap();
            let (begun, ended) = (Count::default(), Count::default());
            let stop = Stop::new();
            for number in 0..6 {
                let (signal, begun, ended) = (stop.signal(), begun.clone(), ended.clone());
                runtime.spawn(async move {
                    begun.add_one();
                    hog(&signal, number + round);
                    ended.add_one();
                });
            }
            eventually("some are detached", || runtime.metrics().detached_polls >= 3);
            let ends = thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                stop.stop();
            });
            runtime.shutdown_timeout(LIMIT);
            assert_eq!(ended.get(), begun.get(), "of the polls that have begun");
            ends.join().unwrap();
        }
    });
}

#[test]
fn no_poll_is_lost_by_a_shutdown_among_detached_ones() {
    every_poll_ends(compute);
}

#[test]
fn no_poll_is_lost_by_a_shutdown_among_hand_offs() {
    every_poll_ends(compute_in_sections);
}
