//! The text that Prometheus reads.

use super::families::{Family, Kind, Times, Value};
use super::snapshot::RuntimeMetrics;
use std::fmt::{self, Write};
use std::time::Duration;

impl RuntimeMetrics {
    /// The metrics in Prometheus' text format, to be the body of an answer with the content type
    /// `text/plain; version=0.0.4`.
    ///
    /// ```
    /// # let runtime = preempt_executor::runtime::Runtime::new().unwrap();
    /// let text = runtime.metrics().to_prometheus();
    /// assert!(text.contains("preempt_tasks{state=\"running\"} 0\n"));
    /// ```
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _always = self.write_prometheus(&mut out);
        out
    }

    fn write_prometheus(&self, out: &mut String) -> fmt::Result {
        self.families().iter().try_for_each(|family| write_family(out, family))?;
        self.times().iter().try_for_each(|times| write_times(out, times))
    }
}

fn write_family(out: &mut String, family: &Family) -> fmt::Result {
    let Family { name, help, kind, samples } = family;
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
    for sample in samples {
        out.push_str(name);
        if let Some((label, value)) = &sample.label {
            // None of the values has a character that would have to be escaped.
            write!(out, "{{{label}=\"{value}\"}}")?;
        }
        match sample.value {
            Value::Number(number) => writeln!(out, " {number}")?,
            Value::Seconds(number) | Value::Cpus(number) => writeln!(out, " {number}")?,
        }
    }
    Ok(())
}

/// Prometheus' buckets contain all that are below.
fn write_times(out: &mut String, times: &Times<'_>) -> fmt::Result {
    let Times { name, help, histogram } = times;
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram")?;
    let mut below = 0;
    for bucket in 0..histogram.num_buckets() {
        below += histogram.bucket_count(bucket);
        let end = histogram.bucket_range(bucket).end;
        if end < Duration::MAX {
            writeln!(out, "{name}_bucket{{le=\"{}\"}} {below}", end.as_secs_f64())?;
        }
    }
    writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {below}")?;
    writeln!(out, "{name}_sum {}\n{name}_count {below}", histogram.sum().as_secs_f64())
}
