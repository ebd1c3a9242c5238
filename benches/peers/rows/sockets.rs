//! A TCP echo server under load. The load has a thread of its own, on the same machine.

use crate::load::Exchange;
use crate::peers::Peer;
use crate::server::{echo, load};
use crate::turns::Work;

const MESSAGE: Exchange = Exchange::Echo { bytes: 64 };
const UNITS: &[&str] = &["us per round trip", "us, p50", "us, p99", "us, p99.9"];
const TURNS: usize = 9;

/// A few connections, which are always busy.
pub(crate) struct Echo64;

impl Work for Echo64 {
    const NAME: &'static str = "TCP echo, 64 connections";
    const UNITS: &'static [&'static str] = UNITS;
    const TURNS: usize = TURNS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        turn(peer, 64)
    }
}

/// Many connections, each of which is ready now and then.
pub(crate) struct Echo1000;

impl Work for Echo1000 {
    const NAME: &'static str = "TCP echo, 1,000 connections";
    const UNITS: &'static [&'static str] = UNITS;
    const TURNS: usize = TURNS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        turn(peer, 1_000)
    }
}

fn turn<P: Peer>(peer: &P, connections: usize) -> Vec<f64> {
    let (each, latencies) = load(peer, echo::<P::Stream>, connections, MESSAGE);
    let [p50, p99, p999] = [50.0, 99.0, 99.9].map(|percent| latencies.percentile(percent));
    vec![each, p50, p99, p999]
}
