//! Histograms of times, in buckets that double: any time from a quarter of a microsecond to eight
//! seconds is known to a factor of two, in 27 words.

use super::counters::bump;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The first bucket ends at 2^8 ns, the last but one at 2^33 ns, which is 8.6 s.
const FIRST_BITS: u32 = 8;
const BUCKETS: usize = 27;

/// The place of a time: the number of its bits, less those of the first bucket.
fn place(nanos: u64) -> usize {
    let bits = u64::BITS - (nanos >> FIRST_BITS).leading_zeros();
    (bits as usize).min(BUCKETS - 1)
}

/// What is counted.
#[derive(Debug)]
pub(super) struct Buckets {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

impl Default for Buckets {
    fn default() -> Self {
        Buckets { counts: [const { AtomicU64::new(0) }; BUCKETS], sum_ns: AtomicU64::new(0) }
    }
}

impl Buckets {
    /// Adds a time. Nobody else does meanwhile.
    pub(super) fn add(&self, nanos: u64) {
        bump(&self.counts[place(nanos)], 1);
        bump(&self.sum_ns, nanos);
    }

    /// Adds a time, where others may as well.
    pub(super) fn add_shared(&self, nanos: u64) {
        self.counts[place(nanos)].fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(nanos, Relaxed);
    }

    pub(super) fn copy(&self) -> Histogram {
        Histogram {
            counts: std::array::from_fn(|place| self.counts[place].load(Relaxed)),
            sum_ns: self.sum_ns.load(Relaxed),
        }
    }
}

/// How often what took how long: a copy.
///
/// The first bucket is for all times below 256 ns, each further one ends at twice the time of the one
/// before, and the last is for everything from 8.6 s on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    sum_ns: u64,
}

impl Histogram {
    /// How many buckets there are.
    #[must_use]
    pub fn num_buckets(&self) -> usize {
        BUCKETS
    }

    /// The times that are counted in a bucket: from, inclusive, until, exclusive.
    ///
    /// # Panics
    /// If there is no such bucket.
    #[must_use]
    pub fn bucket_range(&self, bucket: usize) -> Range<Duration> {
        assert!(bucket < BUCKETS, "there are {BUCKETS} buckets, not {bucket}");
        let end = |bucket: usize| Duration::from_nanos(1 << (FIRST_BITS as usize + bucket));
        let from = if bucket == 0 { Duration::ZERO } else { end(bucket - 1) };
        from..if bucket == BUCKETS - 1 { Duration::MAX } else { end(bucket) }
    }

    /// How many times are in a bucket.
    ///
    /// # Panics
    /// If there is no such bucket.
    #[must_use]
    pub fn bucket_count(&self, bucket: usize) -> u64 {
        self.counts[bucket]
    }

    /// How many times there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All times together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// The mean; zero if there are none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.checked_div(self.count()).unwrap_or(0))
    }

    /// A time that so many of a hundred do not exceed: the end of the bucket in which they are
    /// reached. Zero if there are none.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        let wanted = (self.count() as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return self.bucket_range(bucket).end;
            }
        }
        Duration::ZERO
    }

    pub(super) fn add(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum_ns += other.sum_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_bucket_that_is_said_to_have_it() {
        let empty = Histogram::default();
        let times =
            [0, 1, 255, 256, 511, 512, 1_000, 1 << 33, (1 << 33) - 1, 1 << 60, u64::MAX >> 1];
        for nanos in times {
            let range = empty.bucket_range(place(nanos));
            assert!(range.contains(&Duration::from_nanos(nanos)), "{nanos}: {range:?}");
        }
        for bucket in 1..BUCKETS {
            assert_eq!(empty.bucket_range(bucket - 1).end, empty.bucket_range(bucket).start);
        }
    }

    #[test]
    fn percentiles_and_the_mean() {
        let buckets = Buckets::default();
        assert_eq!(buckets.copy().percentile(50.0), Duration::ZERO);
        (0..99).for_each(|_| buckets.add(300));
        buckets.add_shared(1_000_000);
        let copy = buckets.copy();
        assert_eq!((copy.count(), copy.sum()), (100, Duration::from_nanos(1_029_700)));
        assert_eq!(copy.mean(), Duration::from_nanos(10_297));
        assert_eq!(copy.percentile(50.0), Duration::from_nanos(512));
        assert_eq!(copy.percentile(99.0), Duration::from_nanos(512));
        assert_eq!(copy.percentile(100.0), Duration::from_nanos(1 << 20));
    }
}
