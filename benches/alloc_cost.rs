//! What does `NoPreempt` add to an allocation and its release?
//!
//! Question: nanoseconds per pair of `alloc` and `dealloc`, wrapped and not, for libc's malloc,
//! mimalloc and jemalloc, for a small block, and for a hundred blocks that live at the same time.
//! Baseline: the same allocator without the wrapper, in the same run.
//! Noise: plain and wrapped take turns, so that both see the same disturbances, and each turn takes
//! the fastest of five slices of about 0.1 ms; what is compared are the two of a turn. `plain twice` is the baseline
//! against itself: what it shows beside 1.00 is noise.
//!
//! ```text
//! cargo bench --bench alloc_cost
//! ```

use mimalloc::MiMalloc;
use preempt::alloc::NoPreempt;
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::time::Instant;
use tikv_jemallocator::Jemalloc;

const TURNS: usize = 301;
const SLICES_PER_TURN: usize = 5;
const PAIRS_PER_SLICE: usize = 20_000;
/// How many blocks live at the same time in the second pattern.
const ALIVE: usize = 100;

/// Nanoseconds per pair, one after the other.
fn pairs(allocator: &impl GlobalAlloc) -> f64 {
    let layout = black_box(Layout::new::<[u64; 8]>());
    let start = Instant::now();
    for _ in 0..PAIRS_PER_SLICE {
        // SAFETY: a layout with a size, freed once.
        unsafe { allocator.dealloc(black_box(allocator.alloc(layout)), layout) };
    }
    nanoseconds_per_pair(start)
}

/// As [`pairs`], for blocks of 16 to 2,000 bytes that live beside each other.
fn crowds(allocator: &impl GlobalAlloc) -> f64 {
    let layout = |i: usize| Layout::from_size_align(16 + i * 20, 8).expect("a small size");
    let mut alive = [std::ptr::null_mut(); ALIVE];
    let start = Instant::now();
    for _ in 0..PAIRS_PER_SLICE / ALIVE {
        for (i, block) in alive.iter_mut().enumerate() {
            // SAFETY: a layout with a size.
            *block = black_box(unsafe { allocator.alloc(layout(i)) });
        }
        for (i, block) in alive.iter().enumerate() {
            // SAFETY: allocated above, freed once.
            unsafe { allocator.dealloc(*block, layout(i)) };
        }
    }
    nanoseconds_per_pair(start)
}

fn nanoseconds_per_pair(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / PAIRS_PER_SLICE as f64
}

/// Lowest, median and highest.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

/// The fastest of a few slices: the others were disturbed.
fn fastest(slice: impl Fn() -> f64) -> f64 {
    (0..SLICES_PER_TURN).map(|_| slice()).fold(f64::INFINITY, f64::min)
}

fn compare(name: &str, plain: impl Fn() -> f64, other: impl Fn() -> f64) {
    let plain = || fastest(&plain);
    let other = || fastest(&other);
    for _ in 0..20 {
        plain();
        other();
    }
    let turns: Vec<(f64, f64)> = (0..TURNS)
        .map(|turn| {
            // Neither is always the one that goes first.
            if turn % 2 == 0 {
                let plain = plain();
                (plain, other())
            } else {
                let other = other();
                (plain(), other)
            }
        })
        .collect();
    let [_, plain, _] = spread(turns.iter().map(|turn| turn.0).collect());
    let [_, added, _] = spread(turns.iter().map(|turn| turn.1 - turn.0).collect());
    let ratios = spread(turns.iter().map(|turn| turn.1 / turn.0).collect());
    println!(
        "{name:32} {plain:6.2} ns   {added:+6.2} ns   x {:.2} / {:.2} / {:.2}",
        ratios[0], ratios[1], ratios[2]
    );
}

fn compare_all(name: &str, plain: &impl GlobalAlloc, wrapped: &impl GlobalAlloc) {
    compare(&format!("{name}, one, plain twice"), || pairs(plain), || pairs(plain));
    compare(&format!("{name}, one"), || pairs(plain), || pairs(wrapped));
    compare(&format!("{name}, a hundred"), || crowds(plain), || crowds(wrapped));
}

fn main() {
    println!("{:32} {:>9}   {:>9}   ratio: min / median / max", "", "plain", "wrapped");
    compare_all("System", &System, &NoPreempt::new(System));
    compare_all("mimalloc", &MiMalloc, &NoPreempt::new(MiMalloc));
    compare_all("jemalloc", &Jemalloc, &NoPreempt::new(Jemalloc));
}
