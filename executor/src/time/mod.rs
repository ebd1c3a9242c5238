//! Timers: [`sleep`], [`interval`], [`timeout`].
//!
//! Precise to what the kernel's clock gives; nothing is rounded to milliseconds.

mod clock;
mod driver;
mod instant;
mod interval;
mod shards;
mod sleep;
mod timeout;
mod wheel;

pub use clock::{advance, pause, resume};
pub(crate) use driver::Timers;
pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use std::time::Duration;
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
