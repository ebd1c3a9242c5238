//! From addresses to functions, files and lines; and whose code they are.
//!
//! Reading debug information takes locks, memory and time. So this is called on threads that nobody
//! waits for: never in a signal handler, in the monitor, or by a machine between polls.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// Whose code a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The program's own, or that of a library whose source is beside it.
    Program,
    /// That of a library from a registry or a repository.
    Dependency,
    /// Rust's standard library.
    Std,
    /// This runtime.
    Runtime,
    /// libc and the like.
    System,
}

/// One function on a stack. A function that was inlined has a frame of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Address of the instruction.
    pub address: usize,
    /// The function, if the program has a name for it.
    pub function: Option<String>,
    /// The source file, if the program was built with debug information (`line-tables-only` is
    /// enough).
    pub file: Option<String>,
    /// The line in that file.
    pub line: Option<u32>,
    /// Whose code it is.
    pub origin: Origin,
}

impl Frame {
    /// `file:line`, as short as it is still found by.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let file = short_path(self.file.as_deref()?);
        Some(match self.line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        })
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => write!(f, "{:#x}", self.address)?,
        }
        match self.location() {
            Some(location) => write!(f, " ({location})"),
            None => Ok(()),
        }
    }
}

/// Looks addresses up, each once.
#[derive(Default)]
pub(crate) struct Symbols {
    known: HashMap<usize, Vec<Frame>>,
}

impl Symbols {
    /// The functions that an instruction belongs to, the innermost first.
    pub(crate) fn frames_at(&mut self, address: usize) -> &[Frame] {
        self.known.entry(address).or_insert_with(|| resolve(address))
    }

    /// The frames of a whole stack.
    pub(crate) fn frames(&mut self, stack: &[usize]) -> Vec<Frame> {
        stack.iter().flat_map(|&address| self.frames_at(address).to_vec()).collect()
    }
}

fn resolve(address: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    // It takes return addresses, and looks at the byte before.
    let place = std::ptr::with_exposed_provenance_mut(address + 1);
    backtrace::resolve(place, |symbol| {
        let function = symbol.name().map(|name| format!("{name:#}"));
        let file = symbol.filename().map(|path| path.to_string_lossy().into_owned());
        let origin = origin(function.as_deref(), file.as_deref(), address);
        frames.push(Frame { address, function, file, line: symbol.lineno(), origin });
    });
    if frames.is_empty() {
        let origin = origin(None, None, address);
        frames.push(Frame { address, function: None, file: None, line: None, origin });
    }
    frames
}

/// The crates of this runtime.
const RUNTIME: &[&str] = &[
    "preempt",
    "preempt_checkpoint",
    "preempt_executor",
    "preempt_fiber",
    "preempt_sysmon",
    "preempt_fiber_trampoline",
    "preempt_fiber_entry",
    "preempt_fiber_switch",
];

fn origin(function: Option<&str>, file: Option<&str>, address: usize) -> Origin {
    let Some(function) = function else { return Origin::System };
    let first = crate_of(function);
    if RUNTIME.contains(&first) || file.is_some_and(is_runtime_file) {
        Origin::Runtime
    } else if matches!(first, "std" | "core" | "alloc") || first.starts_with("__rust") {
        Origin::Std
    } else if super::is_system_code(address) {
        Origin::System
    } else {
        match file {
            Some(file) if is_std_file(file) => Origin::Std,
            Some(file) if is_fetched(file) => Origin::Dependency,
            _ => Origin::Program,
        }
    }
}

/// `<&mut a::B as c::D>::e` is of crate `a`.
fn crate_of(function: &str) -> &str {
    let mut rest = function;
    loop {
        let shorter = rest.trim_start_matches(['<', '&', '*', '(', '[', ' ']);
        let shorter = ["mut ", "dyn ", "const ", "impl "]
            .iter()
            .find_map(|word| shorter.strip_prefix(word))
            .unwrap_or(shorter);
        if shorter.len() == rest.len() {
            break;
        }
        rest = shorter;
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    &rest[..end]
}

fn is_std_file(file: &str) -> bool {
    file.starts_with("/rustc/")
        || ["std", "core", "alloc"]
            .iter()
            .any(|name| file.contains(&format!("/library/{name}/src/")))
}

/// Whether a file is of the crates of this runtime, which lie beside each other.
fn is_runtime_file(file: &str) -> bool {
    static CRATES: LazyLock<Option<String>> = LazyLock::new(|| {
        let mut known = None;
        let here = is_runtime_file as *const () as usize + 1;
        backtrace::resolve(std::ptr::with_exposed_provenance_mut(here), |symbol| {
            let path = symbol.filename().map(|path| path.to_string_lossy().into_owned());
            known = known.take().or_else(|| Some(crates_beside(&path?)?.to_owned()));
        });
        known
    });
    let Some(inside) = CRATES.as_deref().and_then(|crates| file.strip_prefix(crates)) else {
        return false;
    };
    let name = inside.split('/').next().unwrap_or_default();
    let is_of = |crate_name: &&str| {
        name == *crate_name || name.starts_with(&format!("preempt-{crate_name}-"))
    };
    ["checkpoint", "executor", "fiber", "sysmon"].iter().any(is_of)
}

/// The folder of the folder of this crate, out of the path of this file.
fn crates_beside(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/src/observe/symbols.rs")?;
    folder.rfind('/').map(|end| &folder[..=end])
}

fn is_fetched(file: &str) -> bool {
    file.contains("/registry/src/") || file.contains("/git/checkouts/")
}

/// A path relative to where the program runs, or from the name of its crate on.
fn short_path(file: &str) -> &str {
    for mark in ["/registry/src/", "/git/checkouts/"] {
        if let Some((_, rest)) = file.split_once(mark) {
            return rest.split_once('/').map_or(rest, |(_, rest)| rest);
        }
    }
    if let Some((_, rest)) = file.split_once("/library/") {
        return rest;
    }
    let here = std::env::current_dir().ok();
    let here = here.as_deref().and_then(std::path::Path::to_str);
    let inside = here.and_then(|here| file.strip_prefix(here)?.strip_prefix('/'));
    inside.unwrap_or(file)
}

/// Where the runtime polls, by module and file: with debug information for lines only, inlined
/// functions have no module.
const ROOTS: &[(&str, &str)] = &[
    ("preempt_executor::task::raw::", "/task/raw.rs"),
    ("preempt_executor::scheduler::worker::", "/scheduler/worker.rs"),
];
/// Where a checkpoint suspends its caller.
const TOPS: &[(&str, &str)] = &[("preempt_executor::scheduler::detach::", "/scheduler/detach.rs")];

/// Leaves out what called the poll, and what the runtime did to suspend it.
pub(crate) fn trim(frames: &[Frame]) -> &[Frame] {
    let is_in = |frame: &Frame, places: &[(&str, &str)]| {
        let function = frame.function.as_deref().unwrap_or_default();
        let file = frame.file.as_deref().unwrap_or_default();
        let here = |(module, path): &(&str, &str)| {
            function.trim_start_matches('<').starts_with(module) || file.ends_with(path)
        };
        frame.origin == Origin::Runtime && places.iter().any(here)
    };
    let is_foreign =
        |frame: &&Frame| matches!(frame.origin, Origin::Runtime | Origin::Std | Origin::System);
    let above = frames.iter().take_while(is_foreign).collect::<Vec<_>>();
    let top = above.iter().rposition(|frame| is_in(frame, TOPS)).map_or(0, |index| index + 1);
    let below = &frames[top..];
    let root = below.iter().position(|frame| is_in(frame, ROOTS)).unwrap_or(below.len());
    let below = &below[..root];
    // The checkpoint itself.
    let is_own = |frame: &Frame| frame.origin == Origin::Runtime;
    let own = if top > 0 { below.iter().take_while(|frame| is_own(frame)).count() } else { 0 };
    &below[own..]
}

/// The frame that a person is to look at: the innermost of the program's own, or else of a
/// dependency's.
pub(crate) fn guilty(frames: &[Frame]) -> Option<&Frame> {
    let of = |origin| frames.iter().find(move |frame| frame.origin == origin);
    of(Origin::Program).or_else(|| of(Origin::Dependency))
}

/// What a person reads of a stack: without the standard library's part of calling a poll.
pub(crate) fn readable(frames: &[Frame]) -> impl Iterator<Item = &Frame> {
    let first = frames
        .iter()
        .position(|frame| matches!(frame.origin, Origin::Program | Origin::Dependency))
        .unwrap_or(0);
    frames.iter().enumerate().filter_map(move |(index, frame)| {
        let is_plumbing = matches!(frame.origin, Origin::Std | Origin::Runtime);
        (index < first || !is_plumbing).then_some(frame)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_belongs_to_the_first_crate_that_it_names() {
        let table = [
            ("core::iter::range::next", "core"),
            ("<core::pin::Pin<P> as core::future::Future>::poll", "core"),
            ("<&mut app::Thing as std::io::Read>::read", "app"),
            ("<dyn app::Shape>::area", "app"),
            ("app::main::{{closure}}", "app"),
            ("__rust_try", "__rust_try"),
            ("", ""),
        ];
        for (function, expected) in table {
            assert_eq!(crate_of(function), expected, "{function}");
        }
    }

    #[test]
    fn this_function_is_found_by_its_address() {
        let mut symbols = Symbols::default();
        let address = this_function_is_found_by_its_address as *const () as usize;
        let frames = symbols.frames_at(address);
        let function = frames[0].function.as_deref().unwrap();
        assert!(function.ends_with("this_function_is_found_by_its_address"), "{function}");
        assert!(frames[0].file.as_deref().unwrap().ends_with("observe/symbols.rs"));
        assert_eq!(frames[0].origin, Origin::Runtime);
        assert_eq!(symbols.frames_at(8)[0].function, None);
    }
}
