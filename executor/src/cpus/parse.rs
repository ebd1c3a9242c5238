//! The files that tell of control groups, taken apart. No text makes these panic.

use super::{CpuQuota, CpuThrottling};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

/// The kernel's default, in microseconds.
const DEFAULT_PERIOD_US: u64 = 100_000;

/// How much of a text that makes no sense is shown.
const MOST_SHOWN: usize = 80;

/// The two kinds of hierarchies of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// The group of a process in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership<'a> {
    pub(super) version: Version,
    /// From the root of the hierarchy, or of the process's namespace of groups.
    pub(super) path: &'a str,
}

/// Where a hierarchy can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) version: Version,
    /// The group that is shown at the mount point.
    pub(super) root: PathBuf,
    pub(super) point: PathBuf,
}

/// A text makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

fn malformed(what: &str, text: &str) -> Malformed {
    let shown: String = text.trim_end().chars().take(MOST_SHOWN).collect();
    Malformed(format!("{what}: {shown:?}"))
}

/// A line of `/proc/self/cgroup`, such as `4:cpu,cpuacct:/a/b`. `None`: a hierarchy that limits no CPU
/// time.
pub(super) fn membership(line: &str) -> Result<Option<Membership<'_>>, Malformed> {
    let mut fields = line.splitn(3, ':');
    let (Some(id), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(malformed("no `number:controllers:path`", line));
    };
    let version = if id == "0" && controllers.is_empty() {
        Version::V2
    } else if has_cpu(controllers) {
        Version::V1
    } else {
        return Ok(None);
    };
    if !path.starts_with('/') {
        return Err(malformed("the path of a group begins with `/`", line));
    }
    Ok(Some(Membership { version, path }))
}

/// A line of `/proc/self/mountinfo`, see `proc_pid_mountinfo(5)`. `None`: something that limits no CPU
/// time.
pub(super) fn mount(line: &str) -> Result<Option<Mount>, Malformed> {
    const EXPECTED: &str = "no line of a mount as the kernel writes them";
    let mut fields = line.split(' ');
    let (Some(root), Some(point)) = (fields.nth(3), fields.next()) else {
        return Err(malformed(EXPECTED, line));
    };
    // Behind the options, and further fields of any number.
    if !fields.by_ref().skip(1).any(|field| field == "-") {
        return Err(malformed(EXPECTED, line));
    }
    let (Some(kind), Some(_source), Some(options)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(malformed(EXPECTED, line));
    };
    let version = match kind {
        "cgroup2" => Version::V2,
        "cgroup" if has_cpu(options) => Version::V1,
        _ => return Ok(None),
    };
    if !root.starts_with('/') || !point.starts_with('/') {
        return Err(malformed("the paths of a mount begin with `/`", line));
    }
    Ok(Some(Mount { version, root: unescaped(root), point: unescaped(point) }))
}

fn has_cpu(controllers: &str) -> bool {
    controllers.split(',').any(|controller| controller == "cpu")
}

/// The kernel writes a space, say, as `\040`.
pub(super) fn unescaped(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, behind @ ..] = rest {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = behind;
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

/// `cpu.max` of v2: `max 100000`, `150000 100000`. `None`: no limit.
pub(super) fn cpu_max(text: &str) -> Result<Option<CpuQuota>, Malformed> {
    const EXPECTED: &str = "neither `max` nor a time and a period in microseconds";
    let mut fields = text.split_ascii_whitespace();
    let (Some(time), period, None) = (fields.next(), fields.next(), fields.next()) else {
        return Err(malformed(EXPECTED, text));
    };
    let period_us = match period.map_or(Ok(DEFAULT_PERIOD_US), str::parse) {
        Ok(period_us) if period_us > 0 => period_us,
        _ => return Err(malformed(EXPECTED, text)),
    };
    if time == "max" {
        return Ok(None);
    }
    let quota = time.parse().ok().and_then(|time_us| CpuQuota::new(time_us, period_us));
    quota.map(Some).ok_or_else(|| malformed(EXPECTED, text))
}

/// `cpu.cfs_quota_us` of v1: a time in microseconds. `None`: a negative one, no limit.
pub(super) fn cfs_quota(text: &str) -> Result<Option<u64>, Malformed> {
    const EXPECTED: &str = "neither -1 nor a time in microseconds";
    let number: i128 = text.trim().parse().map_err(|_| malformed(EXPECTED, text))?;
    match u64::try_from(number) {
        Ok(0) => Err(malformed(EXPECTED, text)),
        Ok(time_us) => Ok(Some(time_us)),
        Err(_) if number < 0 => Ok(None),
        Err(_) => Err(malformed(EXPECTED, text)),
    }
}

/// `cpu.cfs_period_us` of v1.
pub(super) fn cfs_period(text: &str) -> Result<u64, Malformed> {
    let period = text.trim().parse().ok().filter(|period_us| *period_us > 0);
    period.ok_or_else(|| malformed("no period in microseconds", text))
}

/// `cpu.stat`: a name and a number in each line.
pub(super) fn cpu_stat(text: &str, version: Version) -> Result<CpuThrottling, Malformed> {
    let number = |name: &str| {
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = values.next().and_then(|value| value.trim().parse().ok());
        value.ok_or_else(|| malformed(&format!("no number `{name}`"), text))
    };
    Ok(CpuThrottling {
        periods: number("nr_periods")?,
        throttled_periods: number("nr_throttled")?,
        throttled_time: match version {
            Version::V1 => Duration::from_nanos(number("throttled_time")?),
            Version::V2 => Duration::from_micros(number("throttled_usec")?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_memberships() {
        let found = |version, path| Ok(Some(Membership { version, path }));
        for (line, expected) in [
            ("0::/", found(Version::V2, "/")),
            ("0::/user.slice/a:b", found(Version::V2, "/user.slice/a:b")),
            ("0::/../other", found(Version::V2, "/../other")),
            ("4:cpu,cpuacct:/docker/ab", found(Version::V1, "/docker/ab")),
            ("4:cpuacct,cpu:/", found(Version::V1, "/")),
            ("1:cpu:/a b", found(Version::V1, "/a b")),
            ("2:cpuset:/x", Ok(None)),
            ("2:cpuacct:/x", Ok(None)),
            ("9:name=systemd:/", Ok(None)),
            ("9:name=cpu:/", Ok(None)),
        ] {
            assert_eq!(membership(line), expected, "{line}");
        }
        for wrong in ["", "0", "0:", "cpu:/", "0::", "0::relative", "1:cpu:", "1:cpu:x/"] {
            assert!(membership(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn lines_of_mounts() {
        let found = |version, root: &str, point: &str| {
            Ok(Some(Mount { version, root: root.into(), point: point.into() }))
        };
        for (line, expected) in [
            (
                "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
                found(Version::V2, "/", "/sys/fs/cgroup/unified"),
            ),
            (
                "32 31 0:29 /docker/ab /sys/fs/cgroup/cpu,cpuacct ro shared:5 master:3 - cgroup x rw,cpu,cpuacct",
                found(Version::V1, "/docker/ab", "/sys/fs/cgroup/cpu,cpuacct"),
            ),
            (
                "32 31 0:29 /a\\040b\\134 /mnt/\\011\\012\\043x\\ - ro - cgroup  rw,cpuacct,cpu",
                found(Version::V1, "/a b\\", "/mnt/\t\n#x\\"),
            ),
            (
                "1 2 0:3 /../.. /sys/fs/cgroup rw - cgroup2 none rw,nsdelegate",
                found(Version::V2, "/../..", "/sys/fs/cgroup"),
            ),
            ("34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset", Ok(None)),
            ("33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct", Ok(None)),
            ("27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard", Ok(None)),
            ("28 1 0:4 / /x rw - tmpfs cgroup2 rw,cpu", Ok(None)),
        ] {
            assert_eq!(mount(line), expected, "{line}");
        }
        for wrong in [
            "",
            "a",
            "1 2 3 /",
            "1 2 3 / /x rw",
            "1 2 3 / /x -",
            "1 2 3 / /x rw -",
            "1 2 3 / /x rw - cgroup2 none",
        ] {
            assert!(mount(wrong).is_err(), "{wrong:?}");
        }
    }

    /// Found by fuzzing: below an empty root, every path is an absolute one, which leads out of the mount.
    #[test]
    fn a_mount_without_a_root_is_malformed() {
        for line in [
            "1 2 0:3  /x rw - cgroup2 c rw",
            "1 2 0:3 a /x rw - cgroup2 c rw",
            "1 2 0:3 /  rw - cgroup2 c rw",
            "1 2 0:3 / x rw - cgroup c rw,cpu",
        ] {
            assert!(mount(line).is_err(), "{line}");
        }
        let namespace = "1 2 0:4 net:[4026531840] /run/netns/x rw - nsfs nsfs rw";
        assert_eq!(mount(namespace), Ok(None), "other kinds have other roots");
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        for (field, path) in
            [("\\", "\\"), ("\\04", "\\04"), ("\\400", "\\400"), ("\\089", "\\089"), ("", "")]
        {
            assert_eq!(unescaped(field), PathBuf::from(path));
        }
        assert_eq!(unescaped("\\303\\251"), PathBuf::from("é"));
    }

    #[test]
    fn quotas_of_v2() {
        let some = |time_us, period_us| Ok(CpuQuota::new(time_us, period_us));
        for (text, expected) in [
            ("max 100000\n", Ok(None)),
            ("max", Ok(None)),
            ("max 18446744073709551615", Ok(None)),
            ("50000 100000\n", some(50_000, 100_000)),
            ("150000\n", some(150_000, 100_000)),
            (" 1  2 ", some(1, 2)),
            ("18446744073709551615 1", some(u64::MAX, 1)),
        ] {
            assert_eq!(cpu_max(text), expected, "{text:?}");
        }
        for wrong in [
            "",
            "\n",
            "-1",
            "-1 100000",
            "0 100000",
            "50000 0",
            "max 0",
            "max -1",
            "max max",
            "50000 max",
            "MAX",
            "1.5",
            "18446744073709551616 100000",
            "1 18446744073709551616",
            "1 2 3",
            "\0",
        ] {
            let Err(Malformed(why)) = cpu_max(wrong) else { panic!("{wrong:?}") };
            assert!(why.contains("microseconds"), "{why}");
        }
    }

    #[test]
    fn quotas_and_periods_of_v1() {
        for (text, expected) in [
            ("-1\n", None),
            ("-1000", None),
            ("-99999999999999999999", None),
            ("50000\n", Some(50_000)),
            ("18446744073709551615", Some(u64::MAX)),
        ] {
            assert_eq!(cfs_quota(text), Ok(expected), "{text:?}");
        }
        for wrong in ["", "0", "max", "1.5", "1 2", "18446744073709551616", &"9".repeat(99)] {
            assert!(cfs_quota(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(cfs_period("100000\n"), Ok(100_000));
        for wrong in ["", "0", "-1", "max", "18446744073709551616"] {
            assert!(cfs_period(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn throttling_is_counted_in_the_units_of_its_version() {
        let v1 = "nr_periods 10\nnr_throttled 3\nthrottled_time 1500000\nnr_bursts 0\n";
        let v2 = "usage_usec 7\nnr_periods 10\nnr_throttled 3\nthrottled_usec 1500\n";
        let expected = CpuThrottling {
            periods: 10,
            throttled_periods: 3,
            throttled_time: Duration::from_micros(1500),
        };
        assert_eq!(cpu_stat(v1, Version::V1), Ok(expected));
        assert_eq!(cpu_stat(v2, Version::V2), Ok(expected));
        for wrong in ["", v1, "nr_periods x\n", "nr_periods 1\nnr_throttled 1\nthrottled_usec -1"] {
            assert!(cpu_stat(wrong, Version::V2).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_shown_in_part() {
        let Err(Malformed(why)) = cpu_max(&"é".repeat(1_000)) else { panic!("it is no number") };
        assert!(why.chars().filter(|c| *c == 'é').count() == MOST_SHOWN, "{why}");
    }
}
