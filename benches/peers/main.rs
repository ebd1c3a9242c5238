//! How fast is it beside tokio, and beside smol?
//!
//! Question: how much longer the same work takes on tokio, and on smol where it can do it, than on
//! preempt, with one worker and with two.
//! Baseline: tokio with its defaults, in the same process. Where a channel or a lock is needed, it is
//! tokio's on all runtimes.
//! Method: the three take turns, each turn begins with another one, and what is shown is the least, the
//! median and the greatest of the ratios of single turns. More than 1 means that preempt needs less.
//!
//! ```text
//! cargo bench --bench peers                      # all, about ten minutes
//! cargo bench --bench peers -- timers "yield"    # rows whose names contain one of these
//! cargo bench --bench peers -- --quick           # three turns each: whether it runs at all
//! ```

mod cpu;
mod peers;
mod rows;
mod turns;

use rows::{blocking, channels, idle, tasks, timers};
use std::env;
use turns::{Outcome, Work, measure};

/// What was asked for.
struct Plan {
    quick: bool,
    names: Vec<String>,
}

impl Plan {
    fn of_the_program() -> Self {
        let mut plan = Plan { quick: false, names: Vec::new() };
        for argument in env::args().skip(1) {
            match argument.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--quick" => plan.quick = true,
                _ => plan.names.push(argument),
            }
        }
        plan
    }

    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|part| name.contains(part.as_str()))
    }
}

/// The table, line by line as it comes.
struct Table {
    plan: Plan,
    ratios: Vec<f64>,
}

impl Table {
    fn new(plan: Plan) -> Self {
        println!(
            "| {:42} | workers | {:11} | preempt | tokio | tokio / preempt | smol / preempt |",
            "", "unit"
        );
        println!("|---|---|---|---|---|---|---|");
        Table { plan, ratios: Vec::new() }
    }

    fn row<W: Work>(&mut self) {
        if !self.plan.wants(W::NAME) {
            return;
        }
        for workers in [1, 2] {
            measure::<W>(workers, self.plan.quick).iter().for_each(|outcome| self.print(outcome));
        }
    }

    fn print(&mut self, outcome: &Outcome) {
        let Outcome { name, unit, workers, preempt, tokio, to_tokio, to_smol } = outcome;
        let smol = to_smol.map_or("-".to_owned(), |ratio| format!("{:.2}", ratio.median));
        println!(
            "| {name:42} | {workers} | {unit:11} | {preempt:.1} | {tokio:.1} | **{:.2}** ({:.2}..{:.2}) | {smol} |",
            to_tokio.median, to_tokio.min, to_tokio.max
        );
        self.ratios.push(to_tokio.median);
    }

    fn finish(self) {
        let mean = self.ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / self.ratios.len() as f64;
        println!("\nGeometric mean of {} medians of tokio / preempt: {:.2}", self.ratios.len(), mean.exp());
    }
}

fn main() {
    let mut table = Table::new(Plan::of_the_program());
    table.row::<tasks::SpawnAndAwait>();
    table.row::<tasks::SpawnMany>();
    table.row::<tasks::SpawnFromOutside>();
    table.row::<tasks::RoundTripFromOutside>();
    table.row::<tasks::YieldAlone>();
    table.row::<tasks::YieldAmongMany>();
    table.row::<tasks::PingPong>();
    table.row::<tasks::WakeEachOther>();
    table.row::<tasks::ChainedSpawn>();
    table.row::<channels::FanIn>();
    table.row::<channels::ContendedMutex>();
    table.row::<channels::ContendedSemaphore>();
    table.row::<timers::ManySleeps>();
    table.row::<timers::Timeouts>();
    table.row::<timers::TimeoutsAmongMany>();
    table.row::<blocking::BlockingEach>();
    table.row::<blocking::BlockingMany>();
    table.row::<idle::WakeUp>();
    table.row::<idle::Memory>();
    table.finish();
}
