//! The metrics for the `metrics` crate, and so for whatever recorder the application has installed.

use super::families::{Family, Kind, Sample, Value};
use super::histogram::Histogram;
use super::snapshot::RuntimeMetrics;
use metrics::{Label, counter, describe_counter, describe_gauge, gauge, histogram};
use std::time::Duration;

/// Tells the recorder of the `metrics` crate what a runtime does.
///
/// The names are those of [`RuntimeMetrics::to_prometheus`]. Call [`publish`](Self::publish) from time
/// to time: as often as the recorder is read, each ten seconds for example.
///
/// ```
/// use preempt_executor::runtime::{MetricsPublisher, Runtime};
///
/// # let runtime = Runtime::new().unwrap();
/// let mut publisher = MetricsPublisher::new();
/// publisher.publish(&runtime.metrics());
/// ```
#[derive(Debug, Default)]
pub struct MetricsPublisher {
    was_described: bool,
    /// What was published, by the order of the histograms.
    published: Vec<(&'static str, Histogram)>,
}

impl MetricsPublisher {
    /// One that has published nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes the snapshot. Use one publisher for one runtime: histograms are told by what has come
    /// since the last time, each time as the middle of its bucket.
    pub fn publish(&mut self, metrics: &RuntimeMetrics) {
        for family in metrics.families() {
            if !self.was_described {
                describe(&family);
            }
            family.samples.into_iter().for_each(|sample| publish(family.kind, family.name, sample));
        }
        self.was_described = true;
        for times in metrics.times() {
            self.publish_times(times.name, times.histogram);
        }
    }

    fn publish_times(&mut self, name: &'static str, now: &Histogram) {
        let known = self.published.iter_mut().find(|(known, _)| *known == name);
        let before = match known {
            Some((_, before)) => std::mem::replace(before, now.clone()),
            None => {
                self.published.push((name, now.clone()));
                Histogram::default()
            }
        };
        let recorder = histogram!(name);
        for bucket in 0..now.num_buckets() {
            let new = now.bucket_count(bucket).saturating_sub(before.bucket_count(bucket));
            if new > 0 {
                let count = usize::try_from(new).unwrap_or(usize::MAX);
                recorder.record_many(middle(now, bucket).as_secs_f64(), count);
            }
        }
    }
}

fn middle(histogram: &Histogram, bucket: usize) -> Duration {
    let range = histogram.bucket_range(bucket);
    if range.end == Duration::MAX { range.start } else { (range.start + range.end) / 2 }
}

fn describe(family: &Family) {
    match kind_of(family) {
        Kind::Counter => describe_counter!(family.name, family.help),
        Kind::Gauge => describe_gauge!(family.name, family.help),
    }
}

/// Counters of the `metrics` crate are whole numbers, so what is counted in seconds is a gauge.
fn kind_of(family: &Family) -> Kind {
    let is_seconds = |sample: &Sample| matches!(sample.value, Value::Seconds(_));
    if family.samples.iter().any(is_seconds) { Kind::Gauge } else { family.kind }
}

fn publish(kind: Kind, name: &'static str, sample: Sample) {
    let labels: Vec<_> =
        sample.label.into_iter().map(|(label, value)| Label::new(label, value)).collect();
    match (kind, sample.value) {
        (Kind::Counter, Value::Number(number)) => counter!(name, labels).absolute(number),
        (Kind::Gauge, Value::Number(number)) => gauge!(name, labels).set(number as f64),
        (_, Value::Seconds(number) | Value::Cpus(number)) => gauge!(name, labels).set(number),
    }
}
