//! The rows, by what they are about.

pub(crate) mod blocking;
pub(crate) mod channels;
pub(crate) mod http;
pub(crate) mod idle;
pub(crate) mod sockets;
pub(crate) mod tasks;
pub(crate) mod timers;

use std::time::Instant;

/// What [`nanos_each`] returns.
const NANOS: &[&str] = &["ns"];

/// Nanoseconds for each of `count` things, since `start`.
fn nanos_each(start: Instant, count: usize) -> Vec<f64> {
    vec![start.elapsed().as_secs_f64() * 1e9 / count as f64]
}
