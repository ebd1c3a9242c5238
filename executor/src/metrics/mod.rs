//! What a runtime counts, and how others get to know it.
//!
//! ```text
//!   counters.rs    Counters: rare events, of all threads; ProcessorCounters: one writer each
//!   histogram.rs   times in buckets that double
//!      │ read, at any time, by any thread
//!      ▼
//!   snapshot.rs    RuntimeMetrics; tokio_names.rs: the same by tokio's methods
//!      │
//!      ▼
//!      │                                               schedtrace.rs: a line of text
//!   families.rs    one table: name, help, kind, samples ──▶ prometheus.rs, publisher.rs
//! ```
//!
//! What happens at every poll is counted by the machine that holds the processor, between polls: no
//! other thread writes then, so that a load and a store are enough. The number of polls is not counted
//! at all: the word of the processor's `Watch` tells it.

mod counters;
mod families;
mod histogram;
mod prometheus;
#[cfg(feature = "metrics")]
mod publisher;
mod schedtrace;
mod snapshot;
mod tokio_names;

pub(crate) use counters::{Counters, ProcessorCounters, bump};
pub use histogram::Histogram;
#[cfg(feature = "metrics")]
pub use publisher::MetricsPublisher;
pub(crate) use schedtrace::SchedTrace;
pub use snapshot::{PriorityMetrics, Refusals, RuntimeMetrics, TaskStates, WorkerMetrics};
