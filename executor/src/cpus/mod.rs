//! How many processors the process may use: what its affinity mask and the CPU quotas of its control
//! groups leave of the machine.
//!
//! A quota is a time in each period (0.5 s in each second, say), on as many processors as there are. When
//! it is used up all threads stand still until the next period, also the one that holds a lock and the
//! one that looks at the clock. So a process with more running threads than its quota lasts for works in
//! bursts, and a request that comes between two of them waits for most of a period.
//!
//! * `parse.rs`: the files' text taken apart: pure.
//! * `cgroup.rs`: which files, below a root that tests choose. A group's quota holds for all that is below
//!   it, so the least one counts on the way from the process's group to the root of the mount.
//! * `follow.rs`: the thread that looks again while the runtime works.
//!
//! What cannot be read, or makes no sense, limits nothing, and is told: a runtime that is too wide works,
//! and one that does not start does not.

#[cfg(target_os = "linux")]
mod cgroup;
mod follow;
#[cfg(all(target_os = "linux", any(fuzzing, test)))]
#[path = "../fuzzing/cgroup.rs"]
pub(crate) mod fuzz;
#[cfg(target_os = "linux")]
mod parse;

pub(crate) use follow::Follower;

use crate::report;
use crate::scheduler::idle::MOST_PROCESSORS;
use crate::sync::Mutex;
use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What a quota that is no whole number of CPUs makes of the number of worker threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rounding {
    /// The next whole number: 2 worker threads for 1.5 CPUs. All of the quota can be used.
    #[default]
    Ceil,
    /// The whole number below, and at least one: 1 worker thread for 1.5 CPUs. The tasks alone cannot use
    /// the quota up, so what is left serves the runtime's other threads.
    Floor,
}

/// How much CPU time the threads of a control group may use together in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuQuota {
    /// Neither is zero.
    time_us: u64,
    period_us: u64,
}

impl CpuQuota {
    /// `None`: one of them is zero.
    pub(crate) fn new(time_us: u64, period_us: u64) -> Option<Self> {
        (time_us > 0 && period_us > 0).then_some(CpuQuota { time_us, period_us })
    }

    /// The time.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_micros(self.time_us)
    }

    /// The period, which is 100 ms unless somebody chose another.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_micros(self.period_us)
    }

    /// How many CPUs it is worth: 1.5 for 150 ms in each 100 ms.
    #[must_use]
    pub fn cpus(&self) -> f64 {
        self.time_us as f64 / self.period_us as f64
    }

    /// How many processors: 1 to [`MOST_PROCESSORS`].
    pub(crate) fn processors(&self, rounding: Rounding) -> usize {
        let whole = match rounding {
            Rounding::Ceil => self.time_us.div_ceil(self.period_us),
            Rounding::Floor => self.time_us / self.period_us,
        };
        usize::try_from(whole).unwrap_or(usize::MAX).clamp(1, MOST_PROCESSORS)
    }

    /// By what they are worth.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let product = |time: u64, period: u64| u128::from(time) * u128::from(period);
        product(self.time_us, other.period_us).cmp(&product(other.time_us, self.period_us))
    }
}

/// How much of the machine the process may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuLimits {
    /// How many CPUs its threads may run on: the affinity mask of the one that looked last.
    pub affinity: usize,
    /// The least quota of its control group and those above it, as far as it can see them. Always `None`
    /// on systems other than Linux.
    pub quota: Option<CpuQuota>,
    /// What the quota has cost so far.
    pub throttling: Option<CpuThrottling>,
}

impl CpuLimits {
    /// 1 to [`MOST_PROCESSORS`].
    pub(crate) fn processors(&self, rounding: Rounding) -> usize {
        let by_quota = self.quota.map_or(MOST_PROCESSORS, |quota| quota.processors(rounding));
        self.affinity.clamp(1, by_quota)
    }
}

/// How often threads stood still as the quota was used up: in the nearest control group that has one,
/// since it was made, other processes in it included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuThrottling {
    /// Periods in which any of its threads ran.
    pub periods: u64,
    /// Those of them in which the quota was used up.
    pub throttled_periods: u64,
    /// How long threads stood still for it, added up over the CPUs that they would have run on.
    pub throttled_time: Duration,
}

/// Why a file says nothing of a limit, though it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) file: PathBuf,
    pub(crate) why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.why)
    }
}

/// How many CPUs the machine has configured, those included that are offline or not for this process: no
/// change of affinity or quota leads beyond that. 1 to [`MOST_PROCESSORS`].
pub(crate) fn configured() -> usize {
    #[cfg(unix)]
    // SAFETY: asks for a number.
    let count = usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) }).unwrap_or(1);
    #[cfg(not(unix))]
    let count = 1;
    count.max(affinity()).min(MOST_PROCESSORS)
}

/// On how many CPUs this thread may run, and so the threads that it makes. At least 1.
#[cfg(target_os = "linux")]
fn affinity() -> usize {
    // The kernel refuses a mask that is shorter than its own: 1,024 CPUs at first.
    let mut mask = vec![0_u64; 16];
    while mask.len() * 64 <= 1 << 20 {
        // SAFETY: writes at most that many bytes of the mask. The calling thread is number zero.
        let result =
            unsafe { libc::sched_getaffinity(0, size_of_val(&mask[..]), mask.as_mut_ptr().cast()) };
        if result == 0 {
            let count: u32 = mask.iter().map(|word| word.count_ones()).sum();
            return usize::try_from(count).unwrap_or(usize::MAX).max(1);
        }
        if std::io::Error::last_os_error().raw_os_error() != Some(libc::EINVAL) {
            break;
        }
        mask.resize(mask.len() * 2, 0);
    }
    available_parallelism()
}

#[cfg(not(target_os = "linux"))]
fn affinity() -> usize {
    available_parallelism()
}

fn available_parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// For how long [`Cpus::recent`] is content with what it knows.
const FRESH: Duration = Duration::from_millis(100);

/// Where a runtime reads the limits.
#[derive(Debug)]
pub(crate) struct Cpus {
    #[cfg(target_os = "linux")]
    files: Mutex<cgroup::Files>,
    last: Mutex<Option<(Instant, CpuLimits)>>,
}

impl Cpus {
    /// `root`: where `proc` and `sys` are.
    #[cfg_attr(not(target_os = "linux"), allow(unused_variables, reason = "it has no such files"))]
    pub(crate) fn new(root: &Path) -> Self {
        Cpus {
            #[cfg(target_os = "linux")]
            files: Mutex::new(cgroup::Files::new(root)),
            last: Mutex::default(),
        }
    }

    /// What they are now, and what is wrong with the files that should tell. Reads files, so it is nothing
    /// for the monitor.
    pub(crate) fn read(&self) -> (CpuLimits, Vec<Problem>) {
        let mut limits = CpuLimits { affinity: affinity(), quota: None, throttling: None };
        let mut problems = Vec::new();
        self.read_quota(&mut limits, &mut problems);
        *self.last.lock() = Some((Instant::now(), limits));
        (limits, problems)
    }

    #[cfg(target_os = "linux")]
    fn read_quota(&self, limits: &mut CpuLimits, problems: &mut Vec<Problem>) {
        self.files.lock().read(limits, problems);
    }

    #[cfg(not(target_os = "linux"))]
    fn read_quota(&self, _limits: &mut CpuLimits, _problems: &mut Vec<Problem>) {}

    /// As [`read`](Self::read), and the first problem of all is told on standard error.
    pub(crate) fn read_and_warn(&self) -> CpuLimits {
        static WARNED: AtomicBool = AtomicBool::new(false);
        let (limits, problems) = self.read();
        if let Some(problem) = problems.first()
            && !WARNED.swap(true, Relaxed)
        {
            report::warn(format_args!(
                "the CPU quota of a control group is not known and counts as none; {problem}. Set \
                 the number of worker threads by `PREEMPT_WORKERS` or `Builder::worker_threads`"
            ));
        }
        limits
    }

    /// What they were a moment ago: for those who ask often.
    pub(crate) fn recent(&self) -> CpuLimits {
        match *self.last.lock() {
            Some((read_at, limits)) if read_at.elapsed() < FRESH => return limits,
            _ => {}
        }
        self.read().0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(time_us: u64, period_us: u64) -> CpuQuota {
        CpuQuota::new(time_us, period_us).unwrap()
    }

    #[test]
    fn quotas_are_rounded_to_one_processor_or_more() {
        for (time_us, period_us, ceil, floor) in [
            (1_000, 1_000_000, 1, 1),
            (50_000, 100_000, 1, 1),
            (99_999, 100_000, 1, 1),
            (100_000, 100_000, 1, 1),
            (100_001, 100_000, 2, 1),
            (150_000, 100_000, 2, 1),
            (200_000, 100_000, 2, 2),
            (5_000, 2_000, 3, 2),
            (u64::MAX, 1, MOST_PROCESSORS, MOST_PROCESSORS),
            (u64::MAX, u64::MAX, 1, 1),
            (1, u64::MAX, 1, 1),
        ] {
            let quota = quota(time_us, period_us);
            let found = [Rounding::Ceil, Rounding::Floor].map(|it| quota.processors(it));
            assert_eq!(found, [ceil, floor], "{time_us} in {period_us}");
        }
    }

    #[test]
    fn quotas_are_compared_by_what_they_are_worth() {
        assert_eq!(quota(1, 2).compare(&quota(50_000, 100_000)), Ordering::Equal);
        assert_eq!(quota(3, 2).compare(&quota(2, 1)), Ordering::Less);
        assert_eq!(quota(u64::MAX, 1).compare(&quota(u64::MAX, 2)), Ordering::Greater);
        assert_eq!(quota(150_000, 100_000).cpus(), 1.5);
    }

    #[test]
    fn the_smaller_of_mask_and_quota_counts() {
        let limits = |affinity, quota| CpuLimits { affinity, quota, throttling: None };
        assert_eq!(limits(4, None).processors(Rounding::Ceil), 4);
        assert_eq!(limits(0, None).processors(Rounding::Ceil), 1);
        assert_eq!(limits(usize::MAX, None).processors(Rounding::Ceil), MOST_PROCESSORS);
        assert_eq!(limits(4, Some(quota(5, 2))).processors(Rounding::Ceil), 3);
        assert_eq!(limits(4, Some(quota(5, 2))).processors(Rounding::Floor), 2);
        assert_eq!(limits(2, Some(quota(5, 2))).processors(Rounding::Ceil), 2);
    }

    #[test]
    fn this_machine_has_processors() {
        assert!((1..=configured()).contains(&affinity()));
        let (limits, _) = Cpus::new(Path::new("/")).read();
        assert!((1..=limits.affinity).contains(&limits.processors(Rounding::Ceil)));
    }
}
