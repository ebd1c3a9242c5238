//! A profile as a file for pprof: a message of protocol buffers, compressed with gzip.
//!
//! The fields are those of `profile.proto` (<https://github.com/google/pprof/blob/main/proto/profile.proto>)
//! that are used here. Frames of functions that were inlined are lines of one location.

use super::profile::{Profile, ProfileKind, ProfileSample};
use super::symbols::Frame;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::Write;
use std::time::Duration;

#[derive(Clone, PartialEq, Message)]
struct Proto {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    text: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    memory_start: u64,
    #[prost(uint64, tag = "3")]
    memory_limit: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
    #[prost(bool, tag = "8")]
    has_filenames: bool,
    #[prost(bool, tag = "9")]
    has_line_numbers: bool,
    #[prost(bool, tag = "10")]
    has_inline_frames: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// Things with numbers in the order in which they were first met.
struct Table<T>(HashMap<T, usize>);

impl<T: Eq + Hash + Clone> Table<T> {
    fn new() -> Self {
        Table(HashMap::new())
    }

    /// The number, from zero on.
    fn number(&mut self, item: T) -> usize {
        let next = self.0.len();
        *self.0.entry(item).or_insert(next)
    }

    fn into_items(self) -> Vec<T> {
        let mut items: Vec<_> = self.0.into_iter().collect();
        items.sort_by_key(|(_, number)| *number);
        items.into_iter().map(|(item, _)| item).collect()
    }
}

/// Name and file.
type FunctionKey = (i64, i64);
/// Address, and the function and line of each of its frames.
type LocationKey = (usize, Vec<(usize, i64)>);

struct Tables {
    strings: Table<String>,
    functions: Table<FunctionKey>,
    locations: Table<LocationKey>,
}

impl Tables {
    fn text(&mut self, text: &str) -> i64 {
        self.strings.number(text.to_owned()) as i64
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> ValueType {
        ValueType { kind: self.text(kind), unit: self.text(unit) }
    }

    fn label(&mut self, key: &str, text: &str) -> Label {
        Label { key: self.text(key), text: self.text(text) }
    }

    /// Numbers of locations are counted from one.
    fn location(&mut self, frames: &[Frame]) -> u64 {
        let mut lines = Vec::new();
        for frame in frames {
            let name = match &frame.function {
                Some(function) => self.text(function),
                None => self.text(&format!("{:#x}", frame.address)),
            };
            let file = self.text(frame.file.as_deref().unwrap_or_default());
            let function = self.functions.number((name, file));
            lines.push((function, frame.line.map_or(0, i64::from)));
        }
        self.locations.number((frames[0].address, lines)) as u64 + 1
    }

    fn sample(&mut self, sample: &ProfileSample) -> Sample {
        let stack = sample.frames.chunk_by(|one, next| one.address == next.address);
        let location_id = stack.map(|frames| self.location(frames)).collect();
        let mut label = Vec::new();
        if let Some(task) = &sample.task {
            label.push(self.label("task", task));
        }
        if let Some(spawned_at) = sample.spawned_at {
            label.push(self.label("spawned_at", &spawned_at.to_string()));
        }
        let count = i64::try_from(sample.count).unwrap_or(i64::MAX);
        Sample { location_id, value: vec![count, nanos(sample.time)], label }
    }
}

impl Profile {
    /// The profile as a file for pprof: `go tool pprof FILE` and its like show it. Samples have the labels
    /// `task`, the name of the task if it has one, and `spawned_at`.
    #[must_use]
    pub fn pprof(&self) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let written = encoder.write_all(&self.proto().encode_to_vec());
        written.and_then(|()| encoder.finish()).expect("writing to memory does not fail")
    }

    fn proto(&self) -> Proto {
        let mut tables =
            Tables { strings: Table::new(), functions: Table::new(), locations: Table::new() };
        // The first string has to be empty.
        tables.text("");
        let (count, time) = match self.kind {
            ProfileKind::Cpu => ("samples", "cpu"),
            ProfileKind::Delay => ("delays", "delay"),
        };
        let sample_type =
            vec![tables.value_type(count, "count"), tables.value_type(time, "nanoseconds")];
        let period_type = Some(tables.value_type(time, "nanoseconds"));
        let sample = self.samples.iter().map(|sample| tables.sample(sample)).collect();
        let program = std::env::current_exe().unwrap_or_default();
        let mapping = vec![Mapping {
            id: 1,
            memory_start: 0,
            memory_limit: u64::MAX,
            filename: tables.text(&program.to_string_lossy()),
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            has_inline_frames: true,
        }];
        let Tables { strings, functions, locations } = tables;
        // A system name that is the same would tell pprof that the name is still to be demangled as one of
        // C++, and it would leave out of it whatever is in angle brackets: `<Thing as Read>::read`.
        let function = (1..).zip(functions.into_items()).map(|(id, (name, filename))| Function {
            id,
            name,
            system_name: 0,
            filename,
        });
        let location = (1..).zip(locations.into_items()).map(|(id, (address, lines))| Location {
            id,
            mapping_id: 1,
            address: address as u64,
            line: lines
                .into_iter()
                .map(|(function, line)| Line { function_id: function as u64 + 1, line })
                .collect(),
        });
        Proto {
            sample_type,
            sample,
            mapping,
            location: location.collect(),
            function: function.collect(),
            string_table: strings.into_items(),
            duration_nanos: nanos(self.duration),
            period_type,
            period: nanos(self.period),
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
