//! Goal: the quota of the process is found in every kind of system.
//! Method: trees of files in a temporary directory.

use super::super::CpuThrottling;
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// A directory in which `proc` and `sys` are, until it is dropped.
struct Tree(PathBuf);

impl Tree {
    fn new(cgroup: &str, mountinfo: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("preempt-cpus-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let tree = Tree(std::env::temp_dir().join(name));
        tree.file("proc/self/cgroup", cgroup);
        tree.file("proc/self/mountinfo", mountinfo);
        tree
    }

    /// With the hierarchy of v2 as most systems have it.
    fn v2(cgroup: &str) -> Self {
        Tree::new(cgroup, "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn v1_quota(&self, group: &str, time_us: &str, period_us: &str) -> &Self {
        self.file(&format!("{group}/cpu.cfs_quota_us"), time_us);
        self.file(&format!("{group}/cpu.cfs_period_us"), period_us)
    }

    fn read(&self) -> (CpuLimits, Vec<Problem>) {
        let (mut limits, mut problems) = Default::default();
        Files::new(&self.0).read(&mut limits, &mut problems);
        (limits, problems)
    }

    /// In a system with which nothing is wrong.
    #[track_caller]
    fn cpus(&self) -> Option<f64> {
        let (limits, problems) = self.read();
        assert_eq!(problems, []);
        limits.quota.map(|quota| quota.cpus())
    }

    /// In a system in which something is wrong with the file, and nothing else.
    #[track_caller]
    fn cpus_beside_problem(&self, file: &str) -> Option<f64> {
        let (limits, problems) = self.read();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].file.ends_with(file) && !problems[0].why.is_empty(), "{problems:?}");
        limits.quota.map(|quota| quota.cpus())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const V1_MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
";

const V1_GROUP: &str = "3:cpuset:/\n2:cpu,cpuacct:/a/b\n1:name=systemd:/x\n";

#[test]
fn a_quota_of_v2() {
    let tree = Tree::v2("0::/a\n");
    let group = "sys/fs/cgroup/a";
    assert_eq!(tree.cpus(), None, "there is no such group");
    tree.file(&format!("{group}/cpu.max"), "max 100000\n");
    assert_eq!(tree.cpus(), None);
    tree.file(&format!("{group}/cpu.max"), "50000 100000\n");
    let (limits, problems) = tree.read();
    assert_eq!((limits.throttling, problems), (None, vec![]), "the file is missing");
    assert_eq!(tree.cpus(), Some(0.5));
    tree.file(
        &format!("{group}/cpu.stat"),
        "usage_usec 3\nnr_periods 7\nnr_throttled 5\nthrottled_usec 2000\n",
    );
    let throttling = CpuThrottling {
        periods: 7,
        throttled_periods: 5,
        throttled_time: Duration::from_millis(2),
    };
    assert_eq!(tree.read().0.throttling, Some(throttling));
}

#[test]
fn a_quota_of_v1_with_two_controllers_at_one_mount() {
    let tree = Tree::new(V1_GROUP, V1_MOUNTS);
    let group = "sys/fs/cgroup/cpu,cpuacct/a/b";
    tree.v1_quota(group, "-1\n", "100000\n");
    assert_eq!(tree.cpus(), None);
    tree.v1_quota(group, "150000\n", "100000\n");
    assert_eq!(tree.cpus(), Some(1.5));
    let stat = "nr_periods 7\nnr_throttled 5\nthrottled_time 2000000\n";
    tree.file(&format!("{group}/cpu.stat"), stat);
    assert_eq!(tree.read().0.throttling.unwrap().throttled_time, Duration::from_millis(2));
}

/// The hierarchy of v2 has no controllers.
#[test]
fn a_hybrid_system() {
    let tree = Tree::new(
        &format!("{V1_GROUP}0::/system.slice/x.service\n"),
        &format!("{V1_MOUNTS}40 31 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"),
    );
    tree.file("sys/fs/cgroup/unified/system.slice/x.service/cgroup.procs", "1\n");
    tree.v1_quota("sys/fs/cgroup/cpu,cpuacct/a/b", "300000", "100000");
    assert_eq!(tree.cpus(), Some(3.0));
    // Or the other way round.
    tree.file("sys/fs/cgroup/unified/system.slice/cpu.max", "200000 100000");
    assert_eq!(tree.cpus(), Some(2.0));
}

#[test]
fn the_least_quota_on_the_way_up_counts() {
    let tree = Tree::v2("0::/a/b/c\n");
    let quotas = |own: &str, parent: &str, top: &str| {
        tree.file("sys/fs/cgroup/a/b/c/cpu.max", own);
        tree.file("sys/fs/cgroup/a/b/cpu.max", parent);
        tree.file("sys/fs/cgroup/a/cpu.max", top);
    };
    for (own, parent, top, least) in [
        ("400000 100000", "200000 100000", "300000 100000", Some(2.0)),
        ("max 100000", "max 100000", "30000 20000", Some(1.5)),
        ("1000 1000", "max 100000", "2000000 1000000", Some(1.0)),
        ("max 100000", "max 100000", "max 100000", None),
    ] {
        quotas(own, parent, top);
        assert_eq!(tree.cpus(), least);
    }
    // A neighbour's and one below are nobody's business.
    tree.file("sys/fs/cgroup/a/x/cpu.max", "1000 100000");
    tree.file("sys/fs/cgroup/a/b/c/d/cpu.max", "1000 100000");
    assert_eq!(tree.cpus(), None);

    let tree = Tree::new(V1_GROUP, V1_MOUNTS);
    tree.v1_quota("sys/fs/cgroup/cpu,cpuacct", "-1", "100000");
    tree.v1_quota("sys/fs/cgroup/cpu,cpuacct/a", "50000", "100000");
    tree.v1_quota("sys/fs/cgroup/cpu,cpuacct/a/b", "200000", "100000");
    assert_eq!(tree.cpus(), Some(0.5));
}

#[test]
fn the_nearest_group_with_a_quota_tells_of_throttling() {
    let tree = Tree::v2("0::/a/b/c\n");
    let stat = |periods: u32| format!("nr_periods {periods}\nnr_throttled 0\nthrottled_usec 0\n");
    tree.file("sys/fs/cgroup/a/b/c/cpu.max", "max 100000");
    tree.file("sys/fs/cgroup/a/b/c/cpu.stat", &stat(1));
    tree.file("sys/fs/cgroup/a/b/cpu.max", "200000 100000");
    tree.file("sys/fs/cgroup/a/b/cpu.stat", &stat(2));
    tree.file("sys/fs/cgroup/a/cpu.max", "100000 100000");
    tree.file("sys/fs/cgroup/a/cpu.stat", &stat(3));
    assert_eq!(tree.cpus(), Some(1.0));
    assert_eq!(tree.read().0.throttling.unwrap().periods, 2);
}

/// Docker on v1: the container's own group is mounted, and paths are the host's.
#[test]
fn a_bind_mount_of_the_process_s_own_group() {
    let mounts = "32 31 0:29 /docker/ab /sys/fs/cgroup/cpu ro master:11 - cgroup cgroup rw,cpu\n";
    let tree = Tree::new("1:cpu:/docker/ab\n", mounts);
    tree.v1_quota("sys/fs/cgroup/cpu", "250000", "100000");
    assert_eq!(tree.cpus(), Some(2.5));
    tree.file("proc/self/cgroup", "1:cpu:/docker/ab/inner\n");
    tree.v1_quota("sys/fs/cgroup/cpu/inner", "150000", "100000");
    assert_eq!(tree.cpus(), Some(1.5));
    // Names that only begin alike, and other groups.
    for other in ["1:cpu:/docker/abc\n", "1:cpu:/docker\n", "1:cpu:/\n", "1:cpu:/../ab\n"] {
        tree.file("proc/self/cgroup", other);
        assert_eq!(tree.cpus(), None, "{other}");
    }
}

/// Paths begin at the namespace's root; the mount may show more.
#[test]
fn namespaces_of_groups() {
    let mount = |root: &str| format!("30 23 0:26 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    let tree = Tree::new("0::/\n", &mount("/"));
    tree.file("sys/fs/cgroup/cpu.max", "50000 100000");
    for (path, root, sees) in [
        ("/", "/", true),
        // What is mounted is above the namespace's root.
        ("/", "/../..", true),
        ("/inner", "/..", true),
        ("/../other", "/..", false),
        ("/../other", "/../..", true),
        ("/..", "/..", true),
        // The process is not below it.
        ("/..", "/", false),
        ("/../other", "/", false),
        ("/", "/../other", false),
        ("/", "/inner", false),
    ] {
        tree.file("proc/self/cgroup", &format!("0::{path}\n"));
        tree.file("proc/self/mountinfo", &mount(root));
        assert_eq!(tree.cpus(), sees.then_some(0.5), "{path} {root}");
    }
}

#[test]
fn of_several_mounts_the_one_that_shows_the_most_counts() {
    let tree = Tree::new(
        "0::/a/b\n",
        "1 1 0:26 /a/b /mine rw - cgroup2 cgroup2 rw\n\
         2 1 0:26 / /hidden rw - cgroup2 cgroup2 rw\n\
         3 1 0:26 /a /parent rw - cgroup2 cgroup2 rw\n\
         4 1 0:26 /c /other rw - cgroup2 cgroup2 rw\n",
    );
    tree.file("mine/cpu.max", "200000 100000");
    assert_eq!(tree.cpus(), Some(2.0), "the other directories are not there");
    tree.file("parent/b/cpu.max", "200000 100000").file("parent/cpu.max", "100000 100000");
    tree.file("other/cpu.max", "1000 100000");
    assert_eq!(tree.cpus(), Some(1.0));
}

#[test]
fn names_with_spaces() {
    let mounts = "1 1 0:29 /x\\040y /my\\040groups/a\\134b rw - cgroup c rw,cpuacct,cpu\n";
    let tree = Tree::new("7:cpuacct,cpu:/x y/z z\n", mounts);
    tree.v1_quota("my groups/a\\b/z z", "70000", "100000");
    assert_eq!(tree.cpus(), Some(0.7));
}

#[test]
fn what_is_missing_limits_nothing_and_is_no_problem() {
    assert_eq!(Tree::new("", "").cpus(), None);
    assert_eq!(Tree::v2("").cpus(), None);
    assert_eq!(Tree::new("0::/a\n", "").cpus(), None);
    let tree = Tree::v2("0::/\n");
    assert_eq!(tree.cpus(), None);
    fs::remove_dir_all(tree.0.join("proc")).unwrap();
    assert_eq!(tree.cpus(), None);
    let tree = Tree::new(V1_GROUP, V1_MOUNTS);
    tree.file("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "1000");
    assert_eq!(tree.cpus(), None, "the period is missing");
}

#[test]
fn what_makes_no_sense_limits_nothing_and_is_told() {
    let tree = Tree::v2("0::/a\n");
    tree.file("sys/fs/cgroup/cpu.max", "150000 100000");
    for wrong in ["", "nonsense", "0 0", "50000 0", "-1 100000"] {
        tree.file("sys/fs/cgroup/a/cpu.max", wrong);
        assert_eq!(tree.cpus_beside_problem("sys/fs/cgroup/a/cpu.max"), Some(1.5), "{wrong}");
    }
    tree.file("sys/fs/cgroup/a/cpu.max", "max 100000");
    tree.file("sys/fs/cgroup/cpu.stat", "nr_periods many\n");
    assert_eq!(tree.cpus_beside_problem("cpu.stat"), Some(1.5));

    let tree = Tree::new(V1_GROUP, V1_MOUNTS);
    let group = "sys/fs/cgroup/cpu,cpuacct/a/b";
    tree.v1_quota(group, "50000", "0");
    assert_eq!(tree.cpus_beside_problem("cpu.cfs_period_us"), None);
    tree.v1_quota(group, "max", "100000");
    assert_eq!(tree.cpus_beside_problem("cpu.cfs_quota_us"), None);
    tree.v1_quota(group, "50000", "100000").file("proc/self/mountinfo", &format!("?\n{V1_MOUNTS}"));
    assert_eq!(tree.cpus_beside_problem("mountinfo"), Some(0.5));
    tree.file("proc/self/mountinfo", V1_MOUNTS).file("proc/self/cgroup", &format!("{V1_GROUP}?"));
    assert_eq!(tree.cpus_beside_problem("proc/self/cgroup"), Some(0.5));
}

/// A directory in its place cannot be read, not even by root.
#[test]
fn what_cannot_be_read_limits_nothing_and_is_told() {
    let tree = Tree::v2("0::/a\n");
    tree.file("sys/fs/cgroup/a/cpu.max/x", "");
    assert_eq!(tree.cpus_beside_problem("cpu.max"), None);
}

#[test]
fn a_process_that_is_moved_is_followed() {
    let tree = Tree::v2("0::/a\n");
    tree.file("sys/fs/cgroup/a/cpu.max", "100000 100000");
    tree.file("sys/fs/cgroup/b/cpu.max", "200000 100000");
    let mut files = Files::new(&tree.0);
    let mut cpus = || {
        let (mut limits, mut problems) = (CpuLimits::default(), Vec::new());
        files.read(&mut limits, &mut problems);
        assert_eq!(problems, []);
        limits.quota.map(|quota| quota.cpus())
    };
    assert_eq!(cpus(), Some(1.0));
    tree.file("sys/fs/cgroup/a/cpu.max", "300000 100000");
    assert_eq!(cpus(), Some(3.0), "the quota was changed");
    tree.file("proc/self/cgroup", "0::/b\n");
    assert_eq!(cpus(), Some(2.0));
}
