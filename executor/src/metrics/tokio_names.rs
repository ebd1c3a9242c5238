//! The snapshot by the names of tokio's `RuntimeMetrics`, so that moving over is renaming. Where the
//! two runtimes differ the comments say so.

use super::histogram::Histogram;
use super::snapshot::{RuntimeMetrics, WorkerMetrics};
use std::ops::Range;
use std::time::Duration;

const NO_POLL_TIMES: &str =
    "there is no histogram of polls; call `Builder::enable_metrics_poll_time_histogram`";
const NO_LATENCIES: &str =
    "there is no histogram of latencies; call `Builder::enable_metrics_schedule_latency_histogram`";

impl RuntimeMetrics {
    /// How many workers there are, which is [`processors`](Self::processors).
    #[must_use]
    pub fn num_workers(&self) -> usize {
        self.processors
    }

    /// [`live_tasks`](Self::live_tasks).
    #[must_use]
    pub fn num_alive_tasks(&self) -> usize {
        self.live_tasks
    }

    /// [`injection_queue_depth`](Self::injection_queue_depth).
    #[must_use]
    pub fn global_queue_depth(&self) -> usize {
        self.injection_queue_depth
    }

    /// [`blocking_threads`](Self::blocking_threads).
    #[must_use]
    pub fn num_blocking_threads(&self) -> usize {
        self.blocking_threads
    }

    /// [`idle_blocking_threads`](Self::idle_blocking_threads).
    #[must_use]
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.idle_blocking_threads
    }

    #[track_caller]
    fn worker(&self, worker: usize) -> &WorkerMetrics {
        match self.workers.get(worker) {
            Some(worker) => worker,
            None => panic!("there are {} workers, so none is number {worker}", self.workers.len()),
        }
    }

    /// [`WorkerMetrics::poll_count`].
    ///
    /// # Panics
    /// If there is no such worker. So do all further methods that take one.
    #[must_use]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.worker(worker).poll_count
    }

    /// [`WorkerMetrics::total_busy_duration`].
    #[must_use]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        self.worker(worker).total_busy_duration
    }

    /// [`WorkerMetrics::park_count`].
    #[must_use]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.worker(worker).park_count
    }

    /// Grows with each park and each unpark: even while the worker sleeps, else odd.
    #[must_use]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        let worker = self.worker(worker);
        1 + worker.park_count + worker.unpark_count
    }

    /// [`WorkerMetrics::noop_count`].
    #[must_use]
    pub fn worker_noop_count(&self, worker: usize) -> u64 {
        self.worker(worker).noop_count
    }

    /// [`WorkerMetrics::steal_count`].
    #[must_use]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.worker(worker).steal_count
    }

    /// [`WorkerMetrics::steal_operations`].
    #[must_use]
    pub fn worker_steal_operations(&self, worker: usize) -> u64 {
        self.worker(worker).steal_operations
    }

    /// [`WorkerMetrics::local_queue_depth`].
    #[must_use]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.worker(worker).local_queue_depth
    }

    /// The mean of the worker's polls; zero if their times are not recorded. tokio's is a moving
    /// average.
    #[must_use]
    pub fn worker_mean_poll_time(&self, worker: usize) -> Duration {
        self.worker(worker).poll_time_histogram.as_ref().map_or(Duration::ZERO, Histogram::mean)
    }

    /// Whether the times of polls are recorded.
    #[must_use]
    pub fn poll_time_histogram_enabled(&self) -> bool {
        self.poll_time_histogram.is_some()
    }

    /// How many buckets the histogram of polls has; zero if there is none.
    #[must_use]
    pub fn poll_time_histogram_num_buckets(&self) -> usize {
        self.poll_time_histogram.as_ref().map_or(0, Histogram::num_buckets)
    }

    /// The times of a bucket of polls.
    ///
    /// # Panics
    /// If there is no such bucket.
    #[must_use]
    pub fn poll_time_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        self.poll_time_histogram.as_ref().expect(NO_POLL_TIMES).bucket_range(bucket)
    }

    /// How many polls of a worker are in a bucket. Polls that ended without the processor that they
    /// began on are in [`poll_time_histogram`](Self::poll_time_histogram) alone.
    ///
    /// # Panics
    /// If there is no such worker or bucket.
    #[must_use]
    pub fn poll_time_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.worker(worker).poll_time_histogram.as_ref().expect(NO_POLL_TIMES).bucket_count(bucket)
    }

    /// Whether it is recorded how long tasks wait.
    #[must_use]
    pub fn schedule_latency_histogram_enabled(&self) -> bool {
        self.schedule_latency_histogram.is_some()
    }

    /// How many buckets the histogram of latencies has; zero if there is none.
    #[must_use]
    pub fn schedule_latency_histogram_num_buckets(&self) -> usize {
        self.schedule_latency_histogram.as_ref().map_or(0, Histogram::num_buckets)
    }

    /// The times of a bucket of latencies.
    ///
    /// # Panics
    /// If there is no such bucket.
    #[must_use]
    pub fn schedule_latency_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        self.schedule_latency_histogram.as_ref().expect(NO_LATENCIES).bucket_range(bucket)
    }

    /// How many waits that ended on a worker are in a bucket.
    ///
    /// # Panics
    /// If there is no such worker or bucket.
    #[must_use]
    pub fn schedule_latency_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        let histogram = self.worker(worker).schedule_latency_histogram.as_ref();
        histogram.expect(NO_LATENCIES).bucket_count(bucket)
    }
}
