//! How many worker threads there are, if nobody says how many.
//!
//! Goal: as many as the affinity mask and the CPU quota allow, also when those change; and what the quota
//! costs is told.
//! Method: a tree of files in place of the system's; and control groups with a quota, into which this
//! program puts itself when it runs again. Where none can be made that part is skipped.

#![cfg(target_os = "linux")]

#[path = "../examples/cgroup/mod.rs"]
mod cgroup;
mod support;

use cgroup::Group;
use preempt::runtime::{Builder, CpuThrottling, Rounding, Runtime, RuntimeMetrics};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use support::{LIMIT, Stop, eventually, within};

/// More than the second in which limits are read again, some times.
const SOME_TIME: Duration = Duration::from_secs(4);

/// A directory in which `proc` and `sys` are: this process is in a control group with a quota.
struct System(PathBuf);

impl System {
    fn new(cpu_max: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!("preempt-system-{}-{number}", std::process::id());
        let system = System(env::temp_dir().join(name));
        for directory in ["proc/self", "sys/fs/cgroup/pod"] {
            fs::create_dir_all(system.0.join(directory)).unwrap();
        }
        fs::write(system.0.join("proc/self/cgroup"), "0::/pod\n").unwrap();
        let mount = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        fs::write(system.0.join("proc/self/mountinfo"), mount).unwrap();
        system.set(cpu_max);
        system
    }

    /// As the kernel does it, at once: nobody sees half of it.
    fn set(&self, cpu_max: &str) {
        let new = self.0.join("new");
        fs::write(&new, cpu_max).unwrap();
        fs::rename(new, self.0.join("sys/fs/cgroup/pod/cpu.max")).unwrap();
    }

    fn builder(&self) -> Builder {
        let mut builder = Builder::new_multi_thread();
        builder.system_root(&self.0);
        builder
    }
}

impl Drop for System {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn workers(builder: &mut Builder) -> usize {
    builder.build().unwrap().metrics().num_workers()
}

/// By the system's own count.
fn affinity() -> usize {
    // SAFETY: the set is valid, and the kernel writes no more than its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&set), &mut set) == 0 {
            return usize::try_from(libc::CPU_COUNT(&set)).unwrap();
        }
    }
    panic!("this machine has more than {} CPUs", libc::CPU_SETSIZE)
}

/// Runs one test of this program again.
fn again(test: &str, group: Option<&Group>, workers: Option<&str>) -> String {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--exact", test, "--ignored", "--nocapture"]).env_remove("PREEMPT_WORKERS");
    command.envs(workers.map(|workers| ("PREEMPT_WORKERS", workers)));
    command.envs(group.map(|group| (GROUP, group.directory())));
    // A test that hangs is killed with its group.
    let output = within(LIMIT, move || command.output().expect("this program runs again"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{test}:\n{stdout}\n{stderr}");
    assert!(stdout.contains("running 1 test"), "no test {test}");
    stderr
}

// ---- at the start ----

#[test]
fn a_quota_sets_the_number_of_workers() {
    within(LIMIT, || {
        let most = affinity();
        for (cpu_max, ceil, floor) in [
            ("max 100000", most, most),
            ("50000 100000", 1, 1),
            ("100000 100000", 1, 1),
            ("150000 100000", most.min(2), 1),
            ("9000000000 100000", most, most),
        ] {
            let system = System::new(cpu_max);
            assert_eq!(workers(&mut system.builder()), ceil, "{cpu_max}");
            let mut builder = system.builder();
            assert_eq!(workers(builder.quota_rounding(Rounding::Ceil)), ceil, "{cpu_max}");
            assert_eq!(workers(builder.quota_rounding(Rounding::Floor)), floor, "{cpu_max}");
            assert_eq!(workers(builder.worker_threads(3)), 3, "by hand");
        }
    });
}

#[test]
fn the_metrics_tell_of_the_limits() {
    within(LIMIT, || {
        let system = System::new("150000 100000");
        let stat = "usage_usec 1\nnr_periods 7\nnr_throttled 5\nthrottled_usec 2500000\n";
        fs::write(system.0.join("sys/fs/cgroup/pod/cpu.stat"), stat).unwrap();
        // Whatever their number is, and whoever runs them.
        let mut current_thread = Builder::new_current_thread();
        for builder in [system.builder().worker_threads(1), current_thread.system_root(&system.0)] {
            let metrics = builder.build().unwrap().metrics();
            let limits = metrics.cpu_limits;
            assert_eq!(limits.affinity, affinity());
            let quota = limits.quota.unwrap();
            assert_eq!(quota.cpus(), 1.5);
            let (time, period) = (Duration::from_millis(150), Duration::from_millis(100));
            assert_eq!((quota.time(), quota.period()), (time, period));
            let CpuThrottling { periods, throttled_periods, throttled_time, .. } =
                limits.throttling.unwrap();
            assert_eq!((periods, throttled_periods), (7, 5));
            assert_eq!(throttled_time, Duration::from_millis(2500));
            let text = metrics.to_prometheus();
            for line in [
                &format!("preempt_cpu_affinity {}\n", affinity()),
                "preempt_cpu_quota 1.5\n",
                "preempt_cpu_periods_total 7\n",
                "preempt_cpu_throttled_periods_total 5\n",
                "preempt_cpu_throttled_seconds_total 2.5\n",
            ] {
                assert!(text.contains(line), "{line} in {text}");
            }
        }
        system.set("max 100000");
        let metrics = system.builder().build().unwrap().metrics();
        assert_eq!((metrics.cpu_limits.quota, metrics.cpu_limits.throttling), (None, None));
        assert!(!metrics.to_prometheus().contains("\npreempt_cpu_quota "));
    });
}

#[test]
#[ignore = "run by `the_variable_asks_for_what_the_process_may_use`, with the variable set"]
fn with_the_variable_set_to_auto() {
    assert_eq!(workers(&mut System::new("50000 100000").builder()), 1);
    assert_eq!(workers(&mut System::new("max 100000").builder()), affinity());
}

#[test]
#[ignore = "run by `the_variable_asks_for_what_the_process_may_use`, with the variable set"]
fn with_the_variable_set_to_3() {
    assert_eq!(workers(&mut System::new("50000 100000").builder()), 3);
}

#[test]
fn the_variable_asks_for_what_the_process_may_use() {
    again("with_the_variable_set_to_auto", None, Some("auto"));
    again("with_the_variable_set_to_3", None, Some("3"));
}

#[test]
#[ignore = "run by `a_quota_that_makes_no_sense_counts_as_none_and_is_told_once`"]
fn two_runtimes_in_a_group_whose_quota_makes_no_sense() {
    let system = System::new("as much as you like");
    assert_eq!(workers(&mut system.builder()), affinity());
    assert_eq!(workers(&mut system.builder()), affinity());
}

#[test]
fn a_quota_that_makes_no_sense_counts_as_none_and_is_told_once() {
    let test = "two_runtimes_in_a_group_whose_quota_makes_no_sense";
    let told = again(test, None, None);
    let lines: Vec<_> = told.lines().filter(|line| line.starts_with("preempt: ")).collect();
    assert_eq!(lines.len(), 1, "{told}");
    for word in ["cpu.max", "as much as you like", "PREEMPT_WORKERS", "worker_threads"] {
        assert!(lines[0].contains(word), "{word} in {told}");
    }
}

// ---- later ----

/// Spawns tasks that keep so many workers busy.
fn keep_busy(runtime: &Runtime, tasks: usize) -> Stop {
    let stop = Stop::new();
    for _ in 0..tasks {
        let signal = stop.signal();
        runtime.spawn(async move { signal.spin() });
    }
    stop
}

fn has_two_cpus(test: &str) -> bool {
    let has = affinity() >= 2;
    if !has {
        eprintln!("{test}: skipped, as this process may use one CPU only");
    }
    has
}

#[track_caller]
fn becomes(runtime: &Runtime, workers: usize) {
    eventually(&format!("there are {workers} workers"), || {
        runtime.metrics().num_workers() == workers
    });
}

#[test]
fn while_it_works_the_number_follows_the_quota() {
    if !has_two_cpus("while_it_works_the_number_follows_the_quota") {
        return;
    }
    within(3 * LIMIT, || {
        let system = System::new("50000 100000");
        let runtime = system.builder().build().unwrap();
        let _stop = keep_busy(&runtime, 3);
        assert_eq!(runtime.metrics().num_workers(), 1);
        system.set("150000 100000");
        becomes(&runtime, 2);
        system.set("20000 100000");
        becomes(&runtime, 1);
        system.set("max 100000");
        becomes(&runtime, affinity());
        // What makes no sense counts as none.
        system.set("100000 100000");
        becomes(&runtime, 1);
        system.set("nonsense");
        becomes(&runtime, affinity());
    });
}

/// Of all threads, as `taskset --all-tasks` and `cpuset` groups do it. The first CPUs of the mask.
fn set_affinity(mask: &libc::cpu_set_t, cpus: usize) {
    // SAFETY: the sets are valid.
    unsafe {
        let mut new: libc::cpu_set_t = std::mem::zeroed();
        let allowed = (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, mask));
        allowed.take(cpus).for_each(|cpu| libc::CPU_SET(cpu, &mut new));
        for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
            let thread = task.file_name().to_str().unwrap().parse().unwrap();
            // A thread may end meanwhile.
            libc::sched_setaffinity(thread, size_of_val(&new), &new);
        }
    }
}

#[test]
#[ignore = "run by `while_it_works_the_number_follows_the_affinity_mask`, alone in its process"]
fn a_runtime_whose_mask_changes() {
    // SAFETY: the set is valid.
    let before = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
        set
    };
    let system = System::new("max 100000");
    let runtime = system.builder().build().unwrap();
    let _stop = keep_busy(&runtime, 2);
    let all = affinity();
    assert_eq!(runtime.metrics().num_workers(), all);
    for cpus in [1, all, 1] {
        // A thread that is just being made may be missed.
        eventually(&format!("{cpus} workers for as many CPUs"), || {
            set_affinity(&before, cpus);
            runtime.metrics().num_workers() == cpus
        });
    }
}

#[test]
fn while_it_works_the_number_follows_the_affinity_mask() {
    if has_two_cpus("while_it_works_the_number_follows_the_affinity_mask") {
        again("a_runtime_whose_mask_changes", None, None);
    }
}

#[test]
fn while_it_is_idle_nothing_is_read() {
    if !has_two_cpus("while_it_is_idle_nothing_is_read") {
        return;
    }
    within(3 * LIMIT, || {
        let system = System::new("50000 100000");
        let runtime = system.builder().build().unwrap();
        let is_idle = |metrics: RuntimeMetrics| {
            metrics.workers.iter().all(|worker| worker.park_count > worker.unpark_count)
        };
        eventually("it is idle", || is_idle(runtime.metrics()));
        system.set("200000 100000");
        thread::sleep(SOME_TIME);
        assert_eq!(runtime.metrics().num_workers(), 1);
        let _stop = keep_busy(&runtime, 1);
        becomes(&runtime, 2);
    });
}

#[test]
fn a_number_that_is_set_does_not_follow() {
    if !has_two_cpus("a_number_that_is_set_does_not_follow") {
        return;
    }
    within(3 * LIMIT, || {
        let system = System::new("50000 100000");
        let by_hand = system.builder().worker_threads(3).build().unwrap();
        let fixed = system.builder().follow_cpu_limits(false).build().unwrap();
        let set_later = system.builder().build().unwrap();
        let follows = system.builder().build().unwrap();
        let _busy = [&by_hand, &fixed, &set_later, &follows].map(|runtime| keep_busy(runtime, 1));
        set_later.handle().set_processors(1).unwrap();
        assert!(follows.handle().set_processors(0).is_err());
        system.set("200000 100000");
        becomes(&follows, 2);
        thread::sleep(SOME_TIME);
        assert_eq!(by_hand.metrics().num_workers(), 3);
        assert_eq!(fixed.metrics().num_workers(), 1);
        assert_eq!(set_later.metrics().num_workers(), 1);
    });
}

#[test]
#[ignore = "run by `the_thread_ends_with_its_runtime`, alone in its process"]
fn runtimes_that_follow_and_end() {
    let threads = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.trim_end() == "preempt-limits").count()
    };
    let system = System::new("50000 100000");
    for _ in 0..2 {
        let runtime = system.builder().build().unwrap();
        let stop = keep_busy(&runtime, 1);
        eventually("there is a thread", || threads() == 1);
        drop(stop);
        drop(runtime);
        eventually("there is none", || threads() == 0);
    }
}

#[test]
fn the_thread_ends_with_its_runtime() {
    again("runtimes_that_follow_and_end", None, None);
}

// ---- for real ----

const GROUP: &str = "PREEMPT_TEST_GROUP";

/// Runs the test again in a group for so many percent of one CPU, if one can be made.
fn in_group(test: &str, percent: u32) {
    let name = format!("preempt-test-{}-{percent}", std::process::id());
    match Group::new(&name, percent) {
        Ok(group) => {
            again(test, Some(&group), None);
            let directory = group.directory().to_owned();
            drop(group);
            assert!(!directory.exists(), "it is removed");
        }
        Err(why) => eprintln!("{test}: skipped, as there is no control group for it: {why}"),
    }
}

fn enter_group() {
    let directory = env::var_os(GROUP).expect("this test is run by another");
    cgroup::enter(Path::new(&directory)).unwrap();
}

fn throttling(runtime: &Runtime) -> CpuThrottling {
    runtime.metrics().cpu_limits.throttling.expect("there is a quota")
}

/// Keeps all workers busy, which is more than the quota lasts for.
#[track_caller]
fn is_throttled(runtime: &Runtime) {
    let before = throttling(runtime);
    let _stop = keep_busy(runtime, runtime.metrics().num_workers());
    eventually("threads stand still for want of quota", || {
        let now = throttling(runtime);
        now.throttled_time > before.throttled_time
            && now.throttled_periods > before.throttled_periods
            && now.periods > before.periods
    });
}

#[test]
#[ignore = "run by `half_a_cpu`, in a control group"]
fn in_a_group_with_half_a_cpu() {
    enter_group();
    let runtime = Runtime::new().unwrap();
    let metrics = runtime.metrics();
    assert_eq!(metrics.num_workers(), 1);
    assert_eq!(metrics.cpu_limits.quota.unwrap().cpus(), 0.5);
    is_throttled(&runtime);
}

#[test]
fn half_a_cpu() {
    in_group("in_a_group_with_half_a_cpu", 50);
}

#[test]
#[ignore = "run by `one_and_a_half_cpus`, in a control group"]
fn in_a_group_with_one_and_a_half_cpus() {
    enter_group();
    let runtime = Runtime::new().unwrap();
    let metrics = runtime.metrics();
    assert_eq!(metrics.num_workers(), affinity().min(2));
    assert_eq!(metrics.cpu_limits.quota.unwrap().cpus(), 1.5);
    if metrics.num_workers() == 2 {
        is_throttled(&runtime);
    }
    let mut builder = Builder::new_multi_thread();
    assert_eq!(workers(builder.quota_rounding(Rounding::Floor)), 1);
}

#[test]
fn one_and_a_half_cpus() {
    in_group("in_a_group_with_one_and_a_half_cpus", 150);
}
