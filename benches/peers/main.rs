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
//! cargo bench --bench peers                      # all, about thirteen minutes
//! cargo bench --bench peers -- timers "yield"    # rows and sections whose names contain one of these
//! cargo bench --bench peers -- --workers=1       # with one worker only
//! cargo bench --bench peers -- --quick           # three turns each: whether it runs at all
//! ```
//!
//! Sockets are under load from a thread of this process that no runtime has to do with.
//!
//! Behind the first table there are sections of their own: "idle CPU", "cost of preemption", "fairness" and
//! "starvation". They compare what only preempt does with what one does on tokio without it.

mod child;
mod cpu;
mod hogs;
#[allow(dead_code, reason = "how the examples print it is not used here")]
#[path = "../../examples/lateness/mod.rs"]
mod lateness;
mod limits;
mod load;
mod memory;
mod peers;
mod plan;
mod preemption;
mod rest;
mod rows;
mod server;
mod starvation;
mod table;
mod turns;

use plan::Plan;
use rows::{blocking, channels, http, idle, sockets, tasks, timers};
use table::Table;

fn main() {
    if child::is_this_process() {
        return;
    }
    limits::raise_open_files();
    let plan = Plan::of_the_program();
    compare(&plan);
    rest::section(&plan);
    preemption::cost(&plan);
    preemption::fairness(&plan);
    starvation::section(&plan);
}

/// All rows of the first table.
fn compare(plan: &Plan) {
    let mut table = Table::new(plan);
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
    table.row::<sockets::Echo64>();
    table.row::<sockets::Echo1000>();
    table.row::<http::HelloWorld>();
    table.print_mean();
}
