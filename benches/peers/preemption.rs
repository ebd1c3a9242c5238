//! What it costs that tasks take turns which do not await, and how fair the turns are.

use crate::hogs::Hog;
use crate::peers::{Peer, Preempt, Tokio};
use crate::plan::Plan;
use crate::table::Table;
use crate::turns::Work;
use preempt::preemptible;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

const TASKS: usize = 8;

// ---- cost ----

/// Tokio runs the tasks one after the other, preempt by turns.
pub(crate) fn cost(plan: &Plan) {
    let mut table = Table::new(plan);
    table.row::<Unannotated>();
    table.row::<Annotated>();
}

/// How long each task computes on an idle machine.
const COMPUTATION: Duration = Duration::from_millis(50);

static TURNS: LazyLock<u64> = LazyLock::new(|| {
    const TRY: u64 = 20_000_000;
    let tries = (0..5).map(|_| {
        let start = Instant::now();
        black_box(plain(black_box(TRY)));
        start.elapsed()
    });
    let best = tries.min().expect("there are five");
    TRY * COMPUTATION.as_micros() as u64 / best.as_micros() as u64
});

/// No call and no await.
fn plain(turns: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for turn in 0..turns {
        hash = (hash ^ turn).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

#[preemptible]
fn annotated(turns: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for turn in 0..turns {
        hash = (hash ^ turn).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

/// Milliseconds until all tasks have computed.
fn compute<P: Peer>(peer: &P, computation: fn(u64) -> u64) -> Vec<f64> {
    let turns = *TURNS;
    let start = Instant::now();
    let spawn = |_| peer.spawn_from_outside(async move { computation(black_box(turns)) });
    let tasks: Vec<_> = (0..TASKS).map(spawn).collect();
    let hashes: Vec<_> = tasks.into_iter().map(|task| peer.block_on(task)).collect();
    let elapsed = start.elapsed();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{}: {hashes:x?}", P::NAME);
    vec![elapsed.as_secs_f64() * 1e3]
}

/// Preempt has to send signals.
struct Unannotated;

impl Work for Unannotated {
    const NAME: &'static str = "cost of preemption, 8 tasks of 50 ms";
    const UNITS: &'static [&'static str] = &["ms"];
    const TURNS: usize = 9;
    const ON_SMOL: bool = false;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        compute(peer, plain)
    }
}

/// On preempt the tasks look whether they are to give way. On the others they are as before.
struct Annotated;

impl Work for Annotated {
    const NAME: &'static str = "cost of preemption, with #[preemptible]";
    const UNITS: &'static [&'static str] = &["ms"];
    const TURNS: usize = 9;
    const ON_SMOL: bool = false;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        compute(peer, if P::NAME == Preempt::NAME { annotated } else { plain })
    }
}

// ---- fairness ----

pub(crate) fn fairness(plan: &Plan) {
    if !plan.wants("fairness") {
        return;
    }
    println!(
        "\nFairness: {TASKS} endless tasks that count, for {:?}. Jain's index is 1 if all",
        plan.case()
    );
    println!("counts are equal, and 1/{TASKS} if only one has counted.\n");
    println!(
        "| workers | runtime | {:21} | Jain's index | least / mean | most / mean |",
        "tasks are"
    );
    println!("|---|---|---|---|---|---|");
    for &workers in plan.workers {
        share::<Preempt>(workers, Hog::Plain, plan.case());
        share::<Preempt>(workers, Hog::Annotated, plan.case());
        share::<Tokio>(workers, Hog::Plain, plan.case());
        share::<Tokio>(workers, Hog::ByHand, plan.case());
    }
}

/// How tasks share the workers.
fn share<P: Peer>(workers: usize, hog: Hog, time: Duration) {
    let peer = P::new(workers);
    let stop = Arc::new(AtomicBool::new(false));
    let hogs: Vec<_> = (0..TASKS).map(|_| hog.spawn(&peer, &stop)).collect();
    thread::sleep(time);
    stop.store(true, Relaxed);
    let counts: Vec<f64> = hogs.into_iter().map(|hog| peer.block_on(hog) as f64).collect();
    let mean = counts.iter().sum::<f64>() / TASKS as f64;
    let [least, most] = [f64::min, f64::max]
        .map(|choose| counts.iter().copied().reduce(choose).expect("there are tasks") / mean);
    println!(
        "| {workers} | {:7} | {:21} | {:.3} | {least:.2} | {most:.2} |",
        P::NAME,
        hog.name(),
        jain(&counts),
    );
}

/// Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination for Resource
/// Allocation in Shared Computer Systems", DEC-TR-301, 1984.
fn jain(counts: &[f64]) -> f64 {
    let sum: f64 = counts.iter().sum();
    let squares: f64 = counts.iter().map(|count| count * count).sum();
    sum * sum / (counts.len() as f64 * squares)
}
