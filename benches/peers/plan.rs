//! What was asked for on the command line.

use std::env;
use std::time::Duration;

pub(crate) struct Plan {
    /// Only whether everything runs at all.
    pub(crate) quick: bool,
    /// How many workers the runtimes have, one after the other.
    pub(crate) workers: &'static [usize],
    names: Vec<String>,
}

impl Plan {
    pub(crate) fn of_the_program() -> Self {
        let mut plan = Plan { quick: false, workers: &[1, 2], names: Vec::new() };
        for argument in env::args().skip(1) {
            match argument.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--workers=1" => plan.workers = &[1],
                "--workers=2" => plan.workers = &[2],
                "--quick" => plan.quick = true,
                _ => plan.names.push(argument),
            }
        }
        plan
    }

    /// Whether the row or section of this name is to run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|part| name.contains(part.as_str()))
    }

    /// How long a case runs that is measured once.
    pub(crate) fn case(&self) -> Duration {
        Duration::from_millis(if self.quick { 100 } else { 1_000 })
    }
}
