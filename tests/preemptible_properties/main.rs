//! Goal: an annotated loop is the plain loop to everybody who can notice: the iterator, the items,
//! temporaries, the body, and what stands around the loop.
//! Method: loops of many shapes are compiled twice and run with scripts made from seeds (`script`):
//! lengths around those of strips, iterators that panic, go on after their end or lie about their
//! length, bodies that leave in each way at any moment. The traces must be equal, without a request
//! and under one that every check sees.
//!
//! A failure names the seed; `PREEMPT_SEED=n` runs that one alone.

#![allow(
    clippy::all,
    for_loops_over_fallibles,
    reason = "each shape is written out, whatever it does"
)]

mod script;

use preempt::preemptible;
use preempt_checkpoint::runtime;
use script::{Action, Event, Item, Script, Temporary, take_hints, take_trace, trace, unwind};
use std::collections::{BTreeSet, VecDeque};
use std::future::{Future, ready};
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Of each shape.
const SEEDS: u64 = 400;

type Run = fn(&Script) -> Option<u32>;

/// What a run shows. The panic is its payload.
#[derive(Debug, PartialEq)]
struct Seen {
    output: Result<Option<u32>, u32>,
    trace: Vec<Event>,
}

fn see(run: impl Fn(&Script) -> Option<u32>, script: &Script) -> Seen {
    script.rewind();
    let output = catch_unwind(AssertUnwindSafe(|| run(script)));
    let output = output.map_err(|panic| *panic.downcast().expect("not a panic of the script's"));
    Seen { output, trace: take_trace() }
}

fn see_under_a_request(run: impl Fn(&Script) -> Option<u32>, script: &Script) -> Seen {
    runtime::install(|| {});
    // SAFETY: the flag is this thread's own.
    unsafe { runtime::this_thread().request_remote() };
    let seen = see(run, script);
    runtime::uninstall();
    seen
}

fn seeds() -> impl Iterator<Item = u64> {
    let only = std::env::var("PREEMPT_SEED").ok().map(|seed| seed.parse().expect("a number"));
    only.into_iter().chain((0..SEEDS).take_while(move |_| only.is_none()))
}

fn compare(plain: Run, annotated: Run) {
    for seed in seeds() {
        let script = Script::new(seed);
        let expected = see(plain, &script);
        let asked = take_hints();
        for (way, seen) in [
            ("without a request", see(annotated, &script)),
            ("under a request", see_under_a_request(annotated, &script)),
        ] {
            assert!(
                seen == expected,
                "seed {seed}, {way}: {script:?}\n{}",
                difference(&seen, &expected)
            );
        }
        assert_eq!(take_hints(), 2 * asked, "seed {seed}: calls of size_hint, {script:?}");
    }
}

/// Traces are long: from where they part.
fn difference(seen: &Seen, expected: &Seen) -> String {
    let same = iter::zip(&seen.trace, &expected.trace).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(5);
    let part = |seen: &Seen| {
        let end = seen.trace.len().min(same + 10);
        format!("{:?} .. {:?}", &seen.trace[from..end], seen.output)
    };
    format!("from event {from}\n annotated {}\n plain     {}", part(seen), part(expected))
}

/// Each function becomes a test that it is the same plain and annotated.
macro_rules! shapes {
    ($(
        $(#[$attr:meta])*
        fn $name:ident($script:ident: &Script) -> Option<u32> { $($body:tt)* }
    )*) => {
        mod plain {
            use super::*;
            $($(#[$attr])* pub(super) fn $name($script: &Script) -> Option<u32> { $($body)* })*
        }
        #[preemptible]
        mod annotated {
            use super::*;
            $($(#[$attr])* pub(super) fn $name($script: &Script) -> Option<u32> { $($body)* })*
        }
        // Strips in every loop, also where the macro would choose otherwise.
        #[preemptible(every = 7)]
        mod in_strips {
            use super::*;
            $($(#[$attr])* pub(super) fn $name($script: &Script) -> Option<u32> { $($body)* })*
        }
        $(#[test]
        fn $name() {
            $crate::compare(plain::$name, annotated::$name);
            $crate::compare(plain::$name, in_strips::$name);
        })*
    };
}

/// What a body does, where the macro cannot see it.
macro_rules! act {
    ($script:expr, $item:expr, $kept:expr) => {
        match $script.act() {
            Action::Continue | Action::ContinueOuter => continue,
            Action::Break | Action::BreakOuter => break,
            Action::Return => return Some(1),
            Action::Fail => failing()?,
            Action::Panic => unwind(2),
            Action::Keep => $kept.push($item),
            Action::Poison => poison($item),
            Action::Nothing => {}
        }
    };
}

fn failing() -> Option<()> {
    None
}

fn poison(mut item: Item) {
    item.poisoned = true;
}

mod adapters;
mod asynchronous;
mod standard;
mod users;
