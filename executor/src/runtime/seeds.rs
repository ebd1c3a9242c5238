//! What `#[preempt::test(seed = ..)]` and `#[preempt::test(seeds = ..)]` call. Not for hand-written code.

use super::{Builder, Runtime};
use std::ops::Range;
use std::process::{ExitCode, Termination};
use std::thread;

/// The environment variable that has tests run with one seed only.
const SEED_VARIABLE: &str = "PREEMPT_SEED";
/// And the one that says with how many a test runs that has many.
const SEEDS_VARIABLE: &str = "PREEMPT_SEEDS";

/// The seeds that a test asks for.
#[derive(Clone, Copy, Debug)]
pub enum Seeds {
    /// This one.
    One(u64),
    /// So many, from 0 on.
    Many(u64),
}

/// Runs `test` on a fresh runtime for each seed, until one fails: by a panic, or by what it returns. Then says
/// which.
///
/// # Panics
/// As the test does, and if an environment variable is wrong or the system gives no threads.
#[must_use]
pub fn run<T: Termination>(seeds: Seeds, test: impl Fn(&Runtime) -> T) -> ExitCode {
    for seed in seeds.chosen() {
        let told = TellsOnPanic(seed);
        let runtime = Builder::new_seeded(seed)
            .build()
            .unwrap_or_else(|error| panic!("the runtime could not be built: {error}"));
        let code = test(&runtime).report();
        drop(runtime);
        if code != ExitCode::SUCCESS {
            told.tell();
            return code;
        }
    }
    ExitCode::SUCCESS
}

impl Seeds {
    fn chosen(self) -> Range<u64> {
        match (number(SEED_VARIABLE), self) {
            (Some(seed), _) | (None, Seeds::One(seed)) => seed..seed.saturating_add(1),
            (None, Seeds::Many(count)) => 0..number(SEEDS_VARIABLE).unwrap_or(count),
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var_os(variable)?;
    match number_from_text(text.to_str().unwrap_or_default()) {
        Some(number) => Some(number),
        None => panic!(
            "the environment variable {variable} must be a number from 0 to {}, not {text:?}",
            u64::MAX - 1
        ),
    }
}

/// The largest one is left out, so that a seed has a successor.
fn number_from_text(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|number| *number < u64::MAX)
}

/// Says how to replay the test if it panics.
struct TellsOnPanic(u64);

impl TellsOnPanic {
    fn tell(&self) {
        eprintln!("seed {0} failed: replay with {SEED_VARIABLE}={0}", self.0);
    }
}

impl Drop for TellsOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_take_numbers() {
        assert_eq!(number_from_text("0"), Some(0));
        assert_eq!(number_from_text(" 17 "), Some(17));
        for wrong in ["", "-1", "many", "1.5", "18446744073709551615"] {
            assert_eq!(number_from_text(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_test_stops_at_the_first_seed_that_fails() {
        let seeds = std::cell::RefCell::new(Vec::new());
        let code = run(Seeds::Many(10), |runtime| {
            let hash = runtime.schedule_hash().expect("it is seeded");
            seeds.borrow_mut().push(hash);
            if seeds.borrow().len() < 3 { Ok(()) } else { Err("on purpose") }
        });
        assert_ne!(code, ExitCode::SUCCESS);
        let seeds = seeds.into_inner();
        assert_eq!(seeds.len(), 3);
        assert!(seeds[0] != seeds[1] && seeds[1] != seeds[2]);
    }
}
