//! What holds for the files of control groups, of which the text may be any.

use super::cgroup::below;
use super::parse::{
    Mount, Version, cfs_period, cfs_quota, cpu_max, cpu_stat, membership, mount, unescaped,
};
use super::*;
use std::os::unix::ffi::OsStrExt;
use std::path::Component;

pub(crate) fn check(text: &str) {
    check_quotas(text);
    check_escapes(text);
    check_places(text);
}

fn check_quotas(text: &str) {
    let quotas = [
        cpu_max(text).ok().flatten(),
        cfs_quota(text).ok().flatten().and_then(|time_us| CpuQuota::new(time_us, 100_000)),
        cfs_period(text).ok().and_then(|period_us| CpuQuota::new(150_000, period_us)),
    ];
    for quota in quotas.into_iter().flatten() {
        check_quota(quota);
    }
    for version in [Version::V1, Version::V2] {
        if let Ok(throttling) = cpu_stat(text, version) {
            let written = written(&throttling, version);
            assert_eq!(cpu_stat(&written, version), Ok(throttling), "{written}");
        }
    }
}

fn check_quota(quota: CpuQuota) {
    let (ceil, floor) = (quota.processors(Rounding::Ceil), quota.processors(Rounding::Floor));
    assert!(1 <= floor && floor <= ceil && ceil <= floor + 1 && ceil <= MOST_PROCESSORS);
    assert!(quota.cpus() > 0.0 && quota.cpus().is_finite());
    assert_eq!(quota.compare(&quota), Ordering::Equal);
    let text = format!("{} {}\n", quota.time().as_micros(), quota.period().as_micros());
    assert_eq!(cpu_max(&text), Ok(Some(quota)));
    for affinity in [0, 1, 3, usize::MAX] {
        let limits = CpuLimits { affinity, quota: Some(quota), throttling: None };
        let processors = limits.processors(Rounding::Ceil);
        assert!((1..=ceil).contains(&processors) && processors <= affinity.max(1));
    }
}

fn written(throttling: &CpuThrottling, version: Version) -> String {
    let CpuThrottling { periods, throttled_periods, throttled_time } = throttling;
    let time = match version {
        Version::V1 => format!("throttled_time {}", throttled_time.as_nanos()),
        Version::V2 => format!("throttled_usec {}", throttled_time.as_micros()),
    };
    format!("nr_periods {periods}\nnr_throttled {throttled_periods}\n{time}\n")
}

/// As the kernel writes a path.
fn escaped(path: &Path) -> String {
    let escape = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' | b'#' | 0x80.. => format!("\\{byte:03o}"),
        _ => char::from(*byte).to_string(),
    };
    path.as_os_str().as_bytes().iter().map(escape).collect()
}

fn check_escapes(text: &str) {
    assert_eq!(unescaped(&escaped(Path::new(text))).as_os_str(), text);
    assert!(unescaped(text).as_os_str().len() <= text.len());
    let found =
        mount(&format!("1 2 0:3 /{0} /x/{0} rw a:1 - cgroup2 c rw", escaped(Path::new(text))));
    let (root, point) = (format!("/{text}").into(), format!("/x/{text}").into());
    assert_eq!(found, Ok(Some(Mount { version: Version::V2, root, point })));
}

/// Each line may be of either file.
fn check_places(text: &str) {
    const MOST_LINES: usize = 20;
    let lines = || text.lines().take(MOST_LINES);
    let mounts: Vec<_> = lines().filter_map(|line| mount(line).ok().flatten()).collect();
    for membership in lines().filter_map(|line| membership(line).ok().flatten()) {
        assert!(membership.path.starts_with('/'));
        let path = Path::new(membership.path);
        for mount in &mounts {
            // The group's directory is at the mount point or below it.
            let Some(rest) = below(&mount.root, path) else { continue };
            assert!(rest.components().all(|part| matches!(part, Component::Normal(_))), "{rest:?}");
            let is_whole = mount.root.join(&rest).components().eq(path.components());
            assert!(is_whole || rest.as_os_str().is_empty());
        }
    }
}
