//! The trace in the Trace Event Format: JSON that many viewers read.
//!
//! Its tracks are threads of processes, so the processors are threads of one process and the threads
//! those of another. The format is described in "Trace Event Format" (Nat Duca and Dan Sinclair,
//! Google).

use super::snapshot::Trace;
use super::timeline::{Detail, Entry, Owner, Timeline};
use std::fmt::{self, Write};

const PROCESSORS: u32 = 1;
const THREADS: u32 = 2;

pub(super) fn encode(trace: &Trace) -> String {
    let timeline = Timeline::of(trace);
    let mut out = String::from("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    // Writing to a string does not fail.
    let _always = write_all(&mut out, &timeline);
    out.push_str("\n]}\n");
    out
}

fn write_all(out: &mut String, timeline: &Timeline) -> fmt::Result {
    write_name(out, "process_name", PROCESSORS, 0, "processors")?;
    out.push_str(",\n");
    write_name(out, "process_name", THREADS, 0, "threads")?;
    for track in &timeline.tracks {
        out.push_str(",\n");
        let (process, thread) = place(track.owner);
        write_name(out, "thread_name", process, thread, &track.name)?;
    }
    for entry in &timeline.entries {
        let (process, thread) = place(timeline.tracks[entry.track].owner);
        write_entry(out, entry, process, thread)?;
    }
    Ok(())
}

fn place(owner: Owner) -> (u32, u64) {
    match owner {
        Owner::Processor(index) => (PROCESSORS, index as u64),
        Owner::Thread(thread) => (THREADS, thread.into()),
    }
}

fn write_name(out: &mut String, what: &str, pid: u32, tid: u64, name: &str) -> fmt::Result {
    let name = Escaped(name);
    write!(
        out,
        "{{\"ph\":\"M\",\"name\":\"{what}\",\"pid\":{pid},\"tid\":{tid},\
         \"args\":{{\"name\":{name}}}}}"
    )
}

fn write_entry(out: &mut String, entry: &Entry, pid: u32, tid: u64) -> fmt::Result {
    let (start, name) = (Micros(entry.start_ns), Escaped(&entry.name));
    let at = format!("\"pid\":{pid},\"tid\":{tid},\"ts\":{start}");
    match entry.end_ns {
        Some(end) => {
            let took = Micros(end.saturating_sub(entry.start_ns));
            write!(out, ",\n{{\"ph\":\"X\",\"name\":{name},{at},\"dur\":{took}")?;
        }
        None => write!(out, ",\n{{\"ph\":\"i\",\"s\":\"t\",\"name\":{name},{at}")?,
    }
    write_details(out, &entry.details)?;
    out.push('}');
    let head = "\"cat\":\"wake\",\"name\":\"wake\"";
    if let Some(flow) = entry.flow_from {
        write!(out, ",\n{{\"ph\":\"s\",{head},\"id\":{flow},{at}}}")?;
    }
    if let Some(flow) = entry.flow_to {
        write!(out, ",\n{{\"ph\":\"f\",\"bp\":\"e\",{head},\"id\":{flow},{at}}}")?;
    }
    Ok(())
}

fn write_details(out: &mut String, details: &[(&'static str, Detail)]) -> fmt::Result {
    if details.is_empty() {
        return Ok(());
    }
    out.push_str(",\"args\":{");
    for (index, (key, detail)) in details.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        match detail {
            Detail::Number(number) => write!(out, "{comma}\"{key}\":{number}")?,
            Detail::Text(text) => write!(out, "{comma}\"{key}\":{}", Escaped(text))?,
        }
    }
    out.push('}');
    Ok(())
}

/// Nanoseconds in the format's unit.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

/// A text as a string of JSON.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                control if control < ' ' => write!(f, "\\u{:04x}", u32::from(control))?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}
