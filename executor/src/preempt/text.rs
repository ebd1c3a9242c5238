//! Which addresses are ordinary code, where a poll may be suspended.
//!
//! The map is made from `/proc/self/maps`: every executable mapping of a file is ordinary, except
//! those of the libraries in [`REFUSED`]. Code at other addresses (a just-in-time compiler's, the
//! vdso) is not. Of the refused libraries, `leaf.rs` accepts single functions of libc.
//! Rejected: `dl_iterate_phdr`, which takes the dynamic linker's lock; a poll that is detached in a
//! callback of that function would hold it.
//!
//! # Signal safety
//! [`is_ordinary`] reads an immutable table through one atomic pointer. A table is never freed; a
//! new one is made only when a library was loaded after the last.

use crate::sync::Mutex;
use std::fs;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed,
};
use std::time::{Duration, Instant};

/// File names, up to the first `.so` or `-`, of libraries that are not suspended: they hold locks
/// that every thread needs. glibc's maths library holds none and is ordinary.
const REFUSED: &[&str] =
    &["libc", "ld", "libgcc_s", "libpthread", "libdl", "librt", "libresolv", "ld-linux"];

/// How often the map is looked over at most.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

struct Table {
    /// Sorted, apart from each other.
    ordinary: Vec<Range<usize>>,
    /// Everything that was executable when the table was made.
    known: Vec<Range<usize>>,
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());
/// A pc was met that no table knows.
static MET_UNKNOWN: AtomicBool = AtomicBool::new(false);

fn table() -> Option<&'static Table> {
    // Acquire: pairs with the release in `replace`.
    // SAFETY: a table that was published is never freed or changed.
    unsafe { TABLE.load(Acquire).as_ref() }
}

/// Whether a poll may be suspended at `pc`, as far as the address decides.
pub(super) fn is_ordinary(pc: usize) -> bool {
    let Some(table) = table() else { return false };
    if contains(&table.ordinary, pc) {
        return true;
    }
    if !contains(&table.known, pc) {
        MET_UNKNOWN.store(true, Relaxed);
    }
    false
}

/// Whether one of the sorted ranges contains `pc`.
pub(super) fn contains(ranges: &[Range<usize>], pc: usize) -> bool {
    let after = ranges.partition_point(|range| range.end <= pc);
    ranges.get(after).is_some_and(|range| range.start <= pc)
}

/// Makes the first table.
///
/// # Errors
/// When the map cannot be read.
pub(super) fn load() -> std::io::Result<()> {
    if table().is_none() {
        replace(Table::from_maps(&fs::read_to_string("/proc/self/maps")?));
    }
    Ok(())
}

/// Makes a new table if code was met that the last does not know. For ordinary code only.
pub(super) fn refresh() {
    static LAST: Mutex<Option<Instant>> = Mutex::const_new(None);
    if !MET_UNKNOWN.load(Relaxed) {
        return;
    }
    let mut last = LAST.lock();
    if last.is_some_and(|last| last.elapsed() < REFRESH_INTERVAL) {
        return;
    }
    *last = Some(Instant::now());
    MET_UNKNOWN.store(false, Relaxed);
    // Without the map the code stays unknown, and its polls are handed off.
    if let Ok(maps) = fs::read_to_string("/proc/self/maps") {
        let new = Table::from_maps(&maps);
        if table().is_none_or(|old| old.known != new.known) {
            replace(new);
        }
    }
}

fn replace(new: Table) {
    // Release: pairs with the load in `table`. The old table leaks, a handler may be reading it.
    TABLE.swap(Box::into_raw(Box::new(new)), AcqRel);
}

impl Table {
    fn from_maps(maps: &str) -> Table {
        let executable: Vec<_> = maps.lines().filter_map(executable_mapping).collect();
        let ordinary = executable.iter().filter(|(_, path)| is_ordinary_file(path));
        Table {
            ordinary: ordinary.map(|(range, _)| range.clone()).collect(),
            known: executable.iter().map(|(range, _)| range.clone()).collect(),
        }
    }
}

/// Range and path of a line of the map, if it is executable. The lines come in order.
fn executable_mapping(line: &str) -> Option<(Range<usize>, &str)> {
    // 7f00-7f10 r-xp 00001000 fe:01 1234    /usr/lib/libc.so.6
    let mut rest = line;
    let mut fields = [""; 5];
    for field in &mut fields {
        let (first, after) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        (*field, rest) = (first, after);
    }
    let (start, end) = fields[0].split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let is_executable = fields[1].as_bytes().get(2) == Some(&b'x');
    is_executable.then_some((address(start)?..address(end)?, rest.trim()))
}

fn is_ordinary_file(path: &str) -> bool {
    let Some(name) = path.strip_prefix('/').and_then(|path| path.rsplit('/').next()) else {
        return false;
    };
    let stem = name.split(".so").next().unwrap_or(name);
    let is_library = stem.len() < name.len();
    let base = stem.split_once("-2.").map_or(stem, |(base, _)| base);
    let is_refused =
        REFUSED.contains(&base) || base.starts_with("ld-linux") || base.starts_with("libpthread");
    !(is_library && is_refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55d0a000-55d0b000 r--p 00000000 fe:01 11 /opt/app/server one
55d0b000-55d0f000 r-xp 00001000 fe:01 11 /opt/app/server one
7f001000-7f002000 r-xp 00001000 fe:01 12                         /usr/lib/x86_64-linux-gnu/libc.so.6
7f003000-7f004000 r-xp 00001000 fe:01 13                         /usr/lib/x86_64-linux-gnu/libm.so.6
7f005000-7f006000 r-xp 00001000 fe:01 14                         /usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f007000-7f008000 r-xp 00001000 fe:01 15                         /usr/lib/ld-linux-x86-64.so.2
7f009000-7f00a000 rwxp 00000000 00:00 0
7f00b000-7f00c000 r-xp 00000000 fe:01 16                         /usr/lib/libcrypto.so.3
7f00d000-7f00e000 r-xp 00000000 fe:01 17                         /lib/libc-2.31.so
7fff0000-7fff1000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn programs_and_libraries_are_ordinary_but_not_those_of_the_c_runtime() {
        let table = Table::from_maps(MAPS);
        assert_eq!(
            table.ordinary,
            [0x55d0b000..0x55d0f000, 0x7f003000..0x7f004000, 0x7f00b000..0x7f00c000]
        );
        assert_eq!(table.known.len(), 9);
        assert!(contains(&table.ordinary, 0x55d0b000));
        assert!(contains(&table.ordinary, 0x55d0efff));
        assert!(!contains(&table.ordinary, 0x55d0f000));
        assert!(!contains(&table.ordinary, 0x7f001800));
        assert!(contains(&table.known, 0x7f001800));
    }

    #[test]
    fn this_program_is_ordinary_and_libc_is_not() {
        load().unwrap();
        assert!(is_ordinary(this_program_is_ordinary_and_libc_is_not as *const () as usize));
        assert!(!is_ordinary(libc::getpid as *const () as usize + 16));
    }
}
