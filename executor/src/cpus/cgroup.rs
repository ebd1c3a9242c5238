//! Which files tell of the process's CPU quota, and what they say.
//!
//! `/proc/self/cgroup` names the process's group in each hierarchy, `/proc/self/mountinfo` where each can
//! be seen. A mount need not show a hierarchy from its root on: a container sees its own group at the
//! mount point (a bind mount), and in a namespace of groups the paths begin at the namespace's root, with
//! `/..` for what is above it:
//!
//! ```text
//!   process in      mount shows     it is seen at
//!   /a/b            /               POINT/a/b         and POINT/a, POINT above it
//!   /a/b            /a              POINT/b           and POINT
//!   /               /               POINT             (in a namespace)
//!   /               /../..          POINT             a group above the process's; those between are not
//!                                                     seen from here: nobody told their names
//!   /a              /c              nowhere           another container's
//!   /../a           /               nowhere
//! ```
//!
//! A system may have hierarchies of both versions, one of which has the controller `cpu`: the other one's
//! directories have no such files. All are looked at.

use super::parse::{self, Malformed, Membership, Mount, Version};
use super::{CpuLimits, CpuQuota, Problem};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The files of one process.
#[derive(Debug)]
pub(super) struct Files {
    /// Where `proc` and `sys` are.
    root: PathBuf,
    /// `/proc/self/cgroup` when the groups were looked for: the list of mounts can be long.
    memberships: Option<String>,
    groups: Vec<Group>,
}

/// The process's group in a hierarchy.
#[derive(Debug)]
struct Group {
    version: Version,
    /// Its directory, and those of the groups above it.
    directories: Vec<PathBuf>,
}

impl Files {
    pub(super) fn new(root: &Path) -> Self {
        Files { root: root.to_owned(), memberships: None, groups: Vec::new() }
    }

    /// Fills in the quota and what it has cost.
    pub(super) fn read(&mut self, limits: &mut CpuLimits, problems: &mut Vec<Problem>) {
        let file = self.root.join("proc/self/cgroup");
        let text = text_of(&file, problems);
        if text != self.memberships {
            self.groups = match &text {
                Some(text) => find_groups(&self.root, &file, text, problems),
                None => Vec::new(),
            };
            // So that a problem is found again by whoever has not told it yet.
            self.memberships = text.filter(|_| problems.is_empty());
        }
        for group in &self.groups {
            group.read(limits, problems);
        }
    }
}

fn find_groups(root: &Path, file: &Path, text: &str, problems: &mut Vec<Problem>) -> Vec<Group> {
    let mut memberships = Vec::new();
    for line in text.lines() {
        memberships.extend(noted(parse::membership(line), file, problems).flatten());
    }
    let file = root.join("proc/self/mountinfo");
    let mut mounts = Vec::new();
    if let Some(text) = text_of(&file, problems) {
        for line in text.lines() {
            mounts.extend(noted(parse::mount(line), &file, problems).flatten());
        }
    }
    memberships.iter().filter_map(|membership| Group::find(root, membership, &mounts)).collect()
}

impl Group {
    fn find(root: &Path, membership: &Membership<'_>, mounts: &[Mount]) -> Option<Self> {
        let version = membership.version;
        let mut seen: Vec<(&Mount, PathBuf)> = mounts
            .iter()
            .filter(|mount| mount.version == version)
            .filter_map(|mount| Some((mount, below(&mount.root, Path::new(membership.path))?)))
            .collect();
        // The one that shows the most of what is above; of those at one place the last is on top.
        seen.reverse();
        seen.sort_by_key(|(mount, _)| (is_above_namespace(&mount.root), depth(&mount.root)));
        seen.iter().find_map(|(mount, path)| {
            let point = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
            let directories: Vec<_> = path.ancestors().map(|path| point.join(path)).collect();
            directories[0].is_dir().then_some(Group { version, directories })
        })
    }

    fn read(&self, limits: &mut CpuLimits, problems: &mut Vec<Problem>) {
        let mut is_nearest = true;
        for directory in &self.directories {
            let Some(quota) = self.quota(directory, problems) else { continue };
            if limits.quota.is_none_or(|least| quota.compare(&least).is_lt()) {
                limits.quota = Some(quota);
            }
            if std::mem::take(&mut is_nearest) && limits.throttling.is_none() {
                let file = directory.join("cpu.stat");
                limits.throttling = text_of(&file, problems)
                    .and_then(|text| noted(parse::cpu_stat(&text, self.version), &file, problems));
            }
        }
    }

    fn quota(&self, directory: &Path, problems: &mut Vec<Problem>) -> Option<CpuQuota> {
        match self.version {
            Version::V1 => {
                let file = directory.join("cpu.cfs_quota_us");
                let text = text_of(&file, problems)?;
                let time_us = noted(parse::cfs_quota(&text), &file, problems)??;
                let file = directory.join("cpu.cfs_period_us");
                let text = text_of(&file, problems)?;
                CpuQuota::new(time_us, noted(parse::cfs_period(&text), &file, problems)?)
            }
            Version::V2 => {
                let file = directory.join("cpu.max");
                let text = text_of(&file, problems)?;
                noted(parse::cpu_max(&text), &file, problems)?
            }
        }
    }
}

/// `path` as seen from `root`, see the table above; `None`: it is not below it.
pub(super) fn below(root: &Path, path: &Path) -> Option<PathBuf> {
    match path.strip_prefix(root) {
        Ok(rest) => {
            let is_outside = rest.components().any(|part| part == Component::ParentDir);
            (!is_outside).then(|| rest.to_owned())
        }
        Err(_) => {
            (is_above_namespace(root) && root.starts_with(leading_parents(path))).then(PathBuf::new)
        }
    }
}

/// Whether it is `/..` or `/../..` and so on.
fn is_above_namespace(root: &Path) -> bool {
    depth(root) > 0 && root.components().skip(1).all(|part| part == Component::ParentDir)
}

/// The `/../..` that a path begins with.
fn leading_parents(path: &Path) -> PathBuf {
    let is_parent =
        |part: &Component<'_>| matches!(part, Component::RootDir | Component::ParentDir);
    path.components().take_while(is_parent).collect()
}

/// How many groups are named.
fn depth(path: &Path) -> usize {
    path.components().filter(|part| *part != Component::RootDir).count()
}

/// The file's text; `None`: there is none, or it cannot be read.
fn text_of(file: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    match fs::read(file) {
        // What is no UTF-8 can only be in names, which then are not found.
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            problems.push(Problem { file: file.to_owned(), why: error.to_string() });
            None
        }
    }
}

/// What was found in a file, with what is wrong put on the list.
fn noted<T>(found: Result<T, Malformed>, file: &Path, problems: &mut Vec<Problem>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(Malformed(why)) => {
            problems.push(Problem { file: file.to_owned(), why });
            None
        }
    }
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
