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
    // Readers keep times as floating-point numbers: since the start of the machine they would be too long.
    let begin = timeline.entries.iter().map(|entry| entry.start_ns).min().unwrap_or(0);
    for entry in &timeline.entries {
        let place = place(timeline.tracks[entry.track].owner);
        write_entry(out, entry, place, begin)?;
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

fn write_entry(out: &mut String, entry: &Entry, (pid, tid): (u32, u64), begin: u64) -> fmt::Result {
    let (start, name) = (micros(entry.start_ns - begin), Escaped(&entry.name));
    let at = format!("\"pid\":{pid},\"tid\":{tid},\"ts\":{start:?}");
    match entry.end_ns {
        Some(end) => {
            let took = micros(end.max(entry.start_ns) - begin) - start;
            write!(out, ",\n{{\"ph\":\"X\",\"name\":{name},{at},\"dur\":{took:?}")?;
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

/// Nanoseconds in the format's unit, microseconds: the nearest 1024th of one. Readers keep times as
/// floating-point numbers, and add and subtract them. With 1024ths that is exact, and a slice ends where
/// the next one begins. With the least bit more, some readers show that one inside the first.
fn micros(ns: u64) -> f64 {
    ((u128::from(ns) * 1_024 + 500) / 1_000) as f64 / 1_024.0
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Also for readers that count from the first slice of a track.
    #[test]
    fn sums_of_times_are_exact() {
        let mut state = 1_u64;
        for _ in 0..10_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let first = (state >> 40) % 1_000_000;
            let start = first + (state >> 20) % 100_000_000_000;
            let end = start + (state >> 40) % 50_000_000;
            let took = micros(end) - micros(start);
            assert_eq!(micros(start) + took, micros(end));
            let (from, to) = (micros(start) - micros(first), micros(end) - micros(first));
            assert_eq!(from + took, to);
            assert!((took - (end - start) as f64 / 1e3).abs() < 0.001);
            assert!(micros(start) < micros(start + 1));
        }
    }
}
