//! The comparison: both servers in turn under the same load, round after round.
//!
//! In turn, so that a change of the machine's mood meets both.

use crate::handlers::{BURN, calibrate};
use crate::load::{self, Load, Seen};
use crate::measured::{Kind, Server};
use std::io;
use std::process::ExitCode;
use std::time::Duration;

struct Case {
    workers: usize,
    burners: usize,
    kind: Kind,
    seen: Seen,
}

impl Case {
    fn all() -> Vec<Case> {
        let mut cases = Vec::new();
        for (workers, burners) in [(1, 0), (2, 0), (1, 2), (2, 2)] {
            for kind in [Kind::Tokio, Kind::Preempt] {
                cases.push(Case { workers, burners, kind, seen: Seen::default() });
            }
        }
        cases
    }

    fn measure(&mut self, turns: u64, time: Duration) -> io::Result<()> {
        let (runtime, workers) = (self.kind.name(), self.workers);
        let arguments = format!("--runtime {runtime} --workers {workers} --turns {turns}");
        let server = Server::start(&arguments.split(' ').map(str::to_owned).collect::<Vec<_>>())?;
        let seen = load::run(server.addr, Load { hellos: 32, burners: self.burners }, time)?;
        self.seen.hellos.append(seen.hellos);
        self.seen.burns.append(seen.burns);
        Ok(())
    }

    /// Whether those who want nothing but a hello do not wait for those who compute. By the median:
    /// the rest depends on what else the machine does.
    fn is_responsive(&self) -> bool {
        let [p50] = self.seen.hellos.percentiles([50.0]);
        p50 < BURN.as_secs_f64() * 1e3 / 2.0
    }

    fn print(&self, time: Duration) {
        let per_second = |count: usize| count as f64 / time.as_secs_f64();
        let [p50, p99, max] = self.seen.hellos.percentiles([50.0, 99.0, 100.0]);
        let [burn] = self.seen.burns.percentiles([50.0]);
        print!(
            " {:>7} {:>7} {:<7} | {:>8.0} {p50:>8.2} {p99:>8.2} {max:>8.2}",
            self.workers,
            self.burners,
            self.kind.name(),
            per_second(self.seen.hellos.count()),
        );
        match self.burners {
            0 => println!(" |"),
            _ => println!(" | {:>7.1} {burn:>8.1}", per_second(self.seen.burns.count())),
        }
    }
}

pub(crate) fn compare(seconds: u64, rounds: u32) -> io::Result<ExitCode> {
    let time = Duration::from_secs(seconds);
    let turns = calibrate();
    println!("32 connections ask for /, burners for /burn, which computes for {BURN:?}.");
    println!("{rounds} rounds of {seconds} s for each row, in turn. Latencies in milliseconds.");
    println!();
    let mut cases = Case::all();
    for _ in 0..rounds {
        for case in &mut cases {
            case.measure(turns, time)?;
        }
    }
    println!("                         | /                                   | /burn");
    println!(" workers burners runtime |  per sec      p50      p99      max | per sec      p50");
    println!("-------------------------|-------------------------------------|-----------------");
    cases.iter().for_each(|case| case.print(time * rounds));
    println!();
    println!("A request that was not answered at the end counts with what it had waited.");
    let responsive =
        cases.iter().filter(|case| case.kind == Kind::Preempt).all(Case::is_responsive);
    match responsive {
        true => Ok(ExitCode::SUCCESS),
        false => {
            println!("On preempt / waited for /burn.");
            Ok(ExitCode::FAILURE)
        }
    }
}
