//! Goal: on a seeded runtime everything follows from the seed, and seeds find what goes wrong seldom.
//! Method: programs that log what they do; the same seed must give the same log and the same hash, others
//! must give others. Nothing here depends on real time.

#[path = "../support/mod.rs"]
mod support;

mod bugs;
mod determinism;
mod runtime;
