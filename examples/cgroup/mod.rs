//! Shared by an example and a test: a control group of one's own with a CPU quota.
//!
//! It takes a system that lets one make groups: root, and a hierarchy that is mounted to be written to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The kernel's default period.
pub(crate) const PERIOD: Duration = Duration::from_millis(100);

/// For how long the group is tried to be removed: a process leaves it some time after it was killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A group, which is removed when this is dropped. Processes that are still in it are killed.
pub(crate) struct Group {
    directory: PathBuf,
    is_v2: bool,
}

impl Group {
    /// A group for so many percent of one CPU.
    ///
    /// # Errors
    /// Why none can be made here.
    pub(crate) fn new(name: &str, percent: u32) -> Result<Self, String> {
        let (hierarchy, is_v2) = writable_hierarchy()?;
        let directory = hierarchy.join(name);
        let told = |error| format!("{} cannot be made: {error}", directory.display());
        fs::create_dir(&directory).map_err(told)?;
        let group = Group { directory, is_v2 };
        group.prefer().and_then(|()| group.set_quota(percent)).map_err(|error| {
            format!("the quota of {} cannot be set: {error}", group.directory.display())
        })?;
        Ok(group)
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// So many percent of one CPU from now on.
    pub(crate) fn set_quota(&self, percent: u32) -> io::Result<()> {
        let period_us = PERIOD.as_micros();
        let time_us = period_us * u128::from(percent) / 100;
        if self.is_v2 {
            return self.write("cpu.max", &format!("{time_us} {period_us}"));
        }
        self.write("cpu.cfs_period_us", &period_us.to_string())?;
        self.write("cpu.cfs_quota_us", &time_us.to_string())
    }

    /// Gets the quota also if others want all of the machine.
    fn prefer(&self) -> io::Result<()> {
        if self.is_v2 {
            self.write("cpu.weight", "10000")
        } else {
            self.write("cpu.shares", "262144")
        }
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.directory.join(file), text)
    }
}

/// Moves this process into the group of that directory.
pub(crate) fn enter(directory: &Path) -> io::Result<()> {
    fs::write(directory.join("cgroup.procs"), std::process::id().to_string())
}

/// A mounted hierarchy with the controller `cpu`, and whether it is of version 2.
fn writable_hierarchy() -> Result<(PathBuf, bool), String> {
    for v1 in ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu"] {
        let directory = Path::new(v1);
        if directory.join("cpu.shares").exists() {
            return Ok((directory.to_owned(), false));
        }
    }
    let v2 = Path::new("/sys/fs/cgroup");
    let control = v2.join("cgroup.subtree_control");
    let controllers = fs::read_to_string(&control)
        .map_err(|error| format!("there are no control groups: {}: {error}", control.display()))?;
    if !controllers.split_whitespace().any(|controller| controller == "cpu") {
        return Err(format!("{} does not have `cpu`", control.display()));
    }
    Ok((v2.to_owned(), true))
}

impl Drop for Group {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = fs::remove_dir(&self.directory) {
            if error.kind() == io::ErrorKind::NotFound || Instant::now() > deadline {
                eprintln!("{} stays behind: {error}", self.directory.display());
                return;
            }
            let members = fs::read_to_string(self.directory.join("cgroup.procs"));
            for process in members.unwrap_or_default().lines().filter_map(|it| it.parse().ok()) {
                // SAFETY: sends a signal, to a process that was put into this group.
                unsafe { libc::kill(process, libc::SIGKILL) };
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
