//! What does `#[preemptible]` cost, and how close together are the checks?
//!
//! Question: how much longer does a function take with `#[preemptible]` than without, while nobody
//! asks it to give way? And how long does it go without a check?
//! Baseline: the same source without the attribute, in the same run.
//! Method: small programs in two sets, the usual ones (`kernels/general/`) and loops that LLVM
//! vectorises (`kernels/vector.rs`). Of each, four copies without the attribute, four with it, and
//! four more without it as a control, because equal code at another address may run at another speed,
//! on some kernels by a third: see `copies.rs`. All copies take turns in slices of about 1 ms. A slice
//! counts with its fastest sample, a copy with the slice that a tenth of its slices are faster than,
//! and a variant with its fastest copy.
//!
//! | column | is |
//! |---|---|
//! | `plain us` | microseconds per call of the plain code |
//! | `annotated` | time with the attribute / time without |
//! | `median` | the same from the samples of one round at a time, and of the rounds the median |
//! | `control` and its `median` | plain code / plain code: what differs from 1 is noise |
//! | `layouts` | slowest / fastest copy of the plain code: what the addresses alone do |
//! | `checks/ms` | checks per call / time with the attribute |
//! | `p50 us`, `p99 us` | at 50 and 99 of 100 instants, the time from the check before to the next one is not longer than this |
//! | `max us` | the longest such time |
//!
//! The last three are taken while each check calls a hook, which slows the code down and adds some
//! nanoseconds to each: see `gaps.rs`.
//!
//! Noise: `control` and its `median`, kernel by kernel, and their geometric means for those of the
//! others. On a machine that compiled beside it, 0.98 to 1.02, and 0.995 to 1.005. Medians
//! are steadier where the processor learns branches while a kernel runs: `queens` and `fannkuch`.
//!
//! ```text
//! cargo bench --bench overhead
//! cargo bench --bench overhead -- fib json --rounds 200
//! ```
//!
//! Words select the kernels whose names contain one of them. `--rounds` is how many slices each copy
//! gets, 60 if it is not given.

#![recursion_limit = "512"]

#[macro_use]
mod copies;
mod gaps;
mod kernel;
#[allow(clippy::needless_range_loop, reason = "loops over indices are among what is measured")]
mod kernels;
mod random;
mod report;
mod timing;

use kernels::Set;
use report::Row;
use std::time::Instant;

const DEFAULT_ROUNDS: usize = 60;

struct Args {
    rounds: usize,
    words: Vec<String>,
}

impl Args {
    fn read() -> Result<Self, String> {
        let mut parsed = Args { rounds: DEFAULT_ROUNDS, words: Vec::new() };
        // What cargo passes to every benchmark.
        let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
        while let Some(arg) = args.next() {
            if arg == "--rounds" {
                let rounds = args.next().and_then(|rounds| rounds.parse().ok());
                parsed.rounds =
                    rounds.filter(|rounds| *rounds > 0).ok_or("--rounds needs a number")?;
            } else if arg.starts_with('-') {
                return Err(format!("unknown option {arg}"));
            } else {
                parsed.words.push(arg);
            }
        }
        Ok(parsed)
    }

    fn select(&self, mut set: Set) -> Set {
        set.kernels.retain(|kernel| {
            self.words.is_empty() || self.words.iter().any(|word| kernel.name.contains(word))
        });
        set
    }
}

fn main() -> Result<(), String> {
    let args = Args::read()?;
    let start = Instant::now();
    let ticks_per_us = gaps::ticks_per_us();
    for set in kernels::sets() {
        let set = args.select(set);
        set.kernels.iter().for_each(kernel::Kernel::check);
        let times = timing::measure(&set.kernels, args.rounds);
        let rows: Vec<Row> = set
            .kernels
            .iter()
            .zip(times)
            .map(|(kernel, times)| Row {
                kernel: kernel.name,
                cost: times.cost(),
                gaps: gaps::measure(&kernel.annotated[0], ticks_per_us),
            })
            .collect();
        report::print_set(set.name, &rows);
    }
    println!("\n{} rounds, {:.0} s", args.rounds, start.elapsed().as_secs_f64());
    Ok(())
}
