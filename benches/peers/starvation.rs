//! What is left for others beside tasks that do not await: a ticker and an echo server, at the same
//! time, on each runtime with the remedies that it has.

use crate::hogs::Hog;
use crate::lateness::{Lateness, Ticks, tick};
use crate::load::{Exchange, Load};
use crate::peers::{Peer, Preempt, Tokio};
use crate::plan::Plan;
use crate::server::{Server, echo};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

const NAME: &str = "starvation";
const CONNECTIONS: usize = 16;
const MESSAGE: Exchange = Exchange::Echo { bytes: 64 };

pub(crate) fn section(plan: &Plan) {
    if !plan.wants(NAME) {
        return;
    }
    println!(
        "\nStarvation: a 1 ms ticker and an echo server, {CONNECTIONS} connections, beside hogs"
    );
    println!(
        "for {:?}. A tick that did not come is late until the hogs are stopped.\n",
        plan.case()
    );
    println!(
        "| workers | hogs | runtime | {:21} | ticks came / due | late by ms, p50 | p99 | max | round trips per second |",
        "hogs are"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (workers, hogs) in
        plan.workers.iter().flat_map(|&workers| [1, 2, 8].map(|hogs| (workers, hogs)))
    {
        let case = Case { workers, hogs, time: plan.case() };
        case.run::<Preempt>(Hog::Plain);
        case.run::<Tokio>(Hog::Plain);
        case.run::<Tokio>(Hog::Blocking);
        case.run::<Tokio>(Hog::ByHand);
    }
}

struct Case {
    workers: usize,
    hogs: usize,
    time: Duration,
}

impl Case {
    /// On a runtime of its own. The load is on this thread, which no task runs on.
    fn run<P: Peer>(&self, hog: Hog) {
        let peer = P::new(self.workers);
        let stop = Arc::new(AtomicBool::new(false));
        let server = Server::start(&peer, echo::<P::Stream>);
        let ticks = Ticks::start();
        let ticker = peer.spawn_from_outside(tick(ticks.clone(), P::sleep_until));
        let hogs: Vec<_> = (0..self.hogs).map(|_| hog.spawn(&peer, &stop)).collect();
        let mut load = Load::connect(server.addr, CONNECTIONS, MESSAGE);
        let round_trips = load.run(self.time);
        let lateness = ticks.measure();
        stop.store(true, Relaxed);

        // Whoever had to wait until now goes on.
        for hog in hogs {
            peer.block_on(hog);
        }
        load.finish();
        server.stop(&peer);
        P::abort(ticker);
        self.print::<P>(hog, &lateness, round_trips);
    }

    fn print<P: Peer>(&self, hog: Hog, lateness: &Lateness, round_trips: usize) {
        let Lateness { came, due, p50, p99, max } = lateness;
        let [p50, p99, max] = [p50, p99, max].map(|late| late.as_secs_f64() * 1e3);
        println!(
            "| {} | {} | {:7} | {:21} | {came} / {due} | {p50:.2} | {p99:.2} | {max:.2} | {:.0} |",
            self.workers,
            self.hogs,
            P::NAME,
            hog.name(),
            round_trips as f64 / self.time.as_secs_f64(),
        );
    }
}
