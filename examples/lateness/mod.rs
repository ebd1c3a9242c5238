//! Shared by the examples: a ticker that notes how late each of its ticks came.
//!
//! Every tick counts that was due, also one that did not come at all: its lateness then is the
//! time from when it was due to the end of the measurement. So a ticker that freezes cannot look
//! good by being silent (the "coordinated omission" of load generators).

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The time between two ticks.
pub(crate) const PERIOD: Duration = Duration::from_millis(1);

/// The ticks of one ticker.
pub(crate) struct Ticks {
    started: Instant,
    /// In the order in which they were due.
    lateness: Mutex<Vec<Duration>>,
}

impl Ticks {
    /// The first tick is due one period from now.
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Ticks { started: Instant::now(), lateness: Mutex::default() })
    }

    /// When tick `number` is due; the first is number 1.
    fn due(&self, number: usize) -> Instant {
        self.started + PERIOD * u32::try_from(number).expect("too many ticks")
    }

    /// A measurement that ends now. To be called from a thread that no task runs on.
    pub(crate) fn measure(&self) -> Lateness {
        let now = Instant::now();
        let mut all = self.lateness.lock().expect("the ticker panicked").clone();
        let came = all.len();
        let overdue = |number| now.checked_duration_since(self.due(number));
        all.extend((came + 1..).map_while(overdue));
        Lateness::of(all, came)
    }
}

/// Ticks for ever. `sleep_until` is that of the runtime which this runs on.
pub(crate) async fn tick<S: Future>(ticks: Arc<Ticks>, sleep_until: impl Fn(Instant) -> S) {
    for number in 1.. {
        let due = ticks.due(number);
        sleep_until(due).await;
        ticks.lateness.lock().expect("`measure` panicked").push(due.elapsed());
    }
}

/// What became of the ticks that were due.
pub(crate) struct Lateness {
    pub(crate) due: usize,
    pub(crate) came: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Lateness {
    fn of(mut all: Vec<Duration>, came: usize) -> Self {
        all.sort_unstable();
        // The value that `percent` of all do not exceed.
        let percentile = |percent: usize| match all.len() {
            0 => Duration::ZERO,
            len => all[(len * percent).div_ceil(100) - 1],
        };
        Lateness {
            due: all.len(),
            came,
            p50: percentile(50),
            p99: percentile(99),
            max: percentile(100),
        }
    }

    /// Whether the ticker went on to the end: at least nine tenths of the ticks came.
    #[allow(dead_code, reason = "not every example judges its ticker")]
    pub(crate) fn advanced(&self) -> bool {
        self.due > 0 && self.came * 10 >= self.due * 9
    }
}

/// `ticks  p50  p99  max`, lateness in milliseconds; the columns of [`COLUMNS`].
impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ticks = format!("{}/{}", self.came, self.due);
        let [p50, p99, max] = [self.p50, self.p99, self.max].map(|late| late.as_secs_f64() * 1e3);
        write!(f, "{ticks:>9} {p50:>8.2} {p99:>8.2} {max:>8.2}")
    }
}

/// The heading of a displayed [`Lateness`].
pub(crate) const COLUMNS: &str = "    ticks      p50      p99      max";
