//! The trace in Perfetto's format: a sequence of packets in protocol buffers.
//!
//! The schema is Perfetto's `perfetto_trace.proto`
//! (<https://perfetto.dev/docs/reference/trace-packet-proto>), of which this needs a dozen messages.
//! The numbers of their fields are below; the wire format is prost's. Code that is generated from the
//! whole schema would be hundreds of kilobytes.

use super::snapshot::Trace;
use super::timeline::{Detail, Entry, Owner, Timeline};
use prost::encoding::{self, WireType};
use std::collections::HashMap;

/// A message that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, field: u32, value: u64) -> &mut Self {
        encoding::uint64::encode(field, &value, &mut self.0);
        self
    }

    fn fixed(&mut self, field: u32, value: u64) -> &mut Self {
        encoding::fixed64::encode(field, &value, &mut self.0);
        self
    }

    fn text(&mut self, field: u32, text: &str) -> &mut Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) -> &mut Self {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0)
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) -> &mut Self {
        encoding::encode_key(field, WireType::LengthDelimited, &mut self.0);
        encoding::encode_varint(bytes.len() as u64, &mut self.0);
        self.0.extend_from_slice(bytes);
        self
    }
}

/// `Trace.packet`.
const PACKET: u32 = 1;

mod packet {
    pub(super) const TIMESTAMP: u32 = 8;
    pub(super) const SEQUENCE_ID: u32 = 10;
    pub(super) const TRACK_EVENT: u32 = 11;
    pub(super) const INTERNED_DATA: u32 = 12;
    pub(super) const SEQUENCE_FLAGS: u32 = 13;
    pub(super) const TRACK_DESCRIPTOR: u32 = 60;

    pub(super) const INCREMENTAL_STATE_CLEARED: u64 = 1;
    pub(super) const NEEDS_INCREMENTAL_STATE: u64 = 2;
}

mod event {
    pub(super) const DEBUG_ANNOTATIONS: u32 = 4;
    pub(super) const TYPE: u32 = 9;
    pub(super) const NAME_IID: u32 = 10;
    pub(super) const TRACK_UUID: u32 = 11;
    pub(super) const FLOW_IDS: u32 = 47;
    pub(super) const TERMINATING_FLOW_IDS: u32 = 48;

    pub(super) const SLICE_BEGIN: u64 = 1;
    pub(super) const SLICE_END: u64 = 2;
    pub(super) const INSTANT: u64 = 3;
}

mod annotation {
    pub(super) const UINT: u32 = 3;
    pub(super) const STRING: u32 = 6;
    pub(super) const NAME: u32 = 10;
}

mod track {
    pub(super) const UUID: u32 = 1;
    pub(super) const NAME: u32 = 2;
    pub(super) const PROCESS: u32 = 3;
    pub(super) const THREAD: u32 = 4;
    pub(super) const PARENT_UUID: u32 = 5;

    pub(super) const PROCESS_PID: u32 = 1;
    pub(super) const PROCESS_NAME: u32 = 6;
    pub(super) const THREAD_PID: u32 = 1;
    pub(super) const THREAD_TID: u32 = 2;
    pub(super) const THREAD_NAME: u32 = 5;
}

/// `InternedData.event_names`, and the fields of `EventName`.
const EVENT_NAMES: u32 = 2;
const NAME_IID: u32 = 1;
const NAME_TEXT: u32 = 2;

/// All packets are of one sequence, and trusted to be.
const SEQUENCE: u64 = 1;

/// The track of the process; the others follow.
const PROCESS_TRACK: u64 = 1;

pub(super) fn encode(trace: &Trace) -> Vec<u8> {
    let timeline = Timeline::of(trace);
    let mut writer = Writer { out: Message::default(), names: HashMap::new() };
    writer.describe_tracks(&timeline);
    writer.add_events(&timeline.entries);
    writer.out.0
}

struct Writer<'a> {
    out: Message,
    names: HashMap<&'a str, u64>,
}

impl<'a> Writer<'a> {
    fn packet(&mut self, write: impl FnOnce(&mut Message)) {
        self.out.message(PACKET, |packet| {
            packet.number(packet::SEQUENCE_ID, SEQUENCE);
            write(packet);
        });
    }

    fn describe_tracks(&mut self, timeline: &Timeline) {
        let pid = u64::from(std::process::id());
        let program = std::env::args_os().next().unwrap_or_default();
        self.packet(|packet| {
            packet.number(packet::SEQUENCE_FLAGS, packet::INCREMENTAL_STATE_CLEARED);
            packet.message(packet::TRACK_DESCRIPTOR, |track| {
                track.number(track::UUID, PROCESS_TRACK).message(track::PROCESS, |process| {
                    process.number(track::PROCESS_PID, pid);
                    process.text(track::PROCESS_NAME, &program.to_string_lossy());
                });
            });
        });
        for (index, known) in timeline.tracks.iter().enumerate() {
            self.packet(|packet| {
                packet.message(packet::TRACK_DESCRIPTOR, |track| {
                    track.number(track::UUID, uuid(index));
                    track.number(track::PARENT_UUID, PROCESS_TRACK);
                    match known.owner {
                        Owner::Processor(_) => {
                            track.text(track::NAME, &known.name);
                        }
                        Owner::Thread(thread) => {
                            track.message(track::THREAD, |described| {
                                described.number(track::THREAD_PID, pid);
                                described.number(track::THREAD_TID, thread.into());
                                described.text(track::THREAD_NAME, &known.name);
                            });
                        }
                    }
                });
            });
        }
    }

    /// In the order of time, and at each moment first the ends.
    fn add_events(&mut self, entries: &'a [Entry]) {
        let begins = entries.iter().map(|entry| (entry.start_ns, entry, false));
        let ends = entries.iter().filter_map(|entry| Some((entry.end_ns?, entry, true)));
        let is_empty = |entry: &Entry| entry.end_ns.is_some_and(|end| end <= entry.start_ns);
        let mut marks: Vec<_> = begins.chain(ends).filter(|mark| !is_empty(mark.1)).collect();
        marks.sort_by_key(|&(time, _, is_end)| (time, !is_end));
        for (time, entry, is_end) in marks {
            if is_end {
                self.add_end(time, entry);
            } else {
                self.add_begin(time, entry);
            }
        }
    }

    fn add_end(&mut self, time: u64, entry: &Entry) {
        self.packet(|packet| {
            packet.number(packet::TIMESTAMP, time);
            packet.message(packet::TRACK_EVENT, |event| {
                event.number(event::TYPE, event::SLICE_END);
                event.number(event::TRACK_UUID, uuid(entry.track));
            });
        });
    }

    fn add_begin(&mut self, time: u64, entry: &'a Entry) {
        let next = self.names.len() as u64 + 1;
        let name = *self.names.entry(&entry.name).or_insert(next);
        self.packet(|packet| {
            packet.number(packet::TIMESTAMP, time);
            packet.number(packet::SEQUENCE_FLAGS, packet::NEEDS_INCREMENTAL_STATE);
            if name == next {
                packet.message(packet::INTERNED_DATA, |data| {
                    data.message(EVENT_NAMES, |known| {
                        known.number(NAME_IID, name).text(NAME_TEXT, &entry.name);
                    });
                });
            }
            packet.message(packet::TRACK_EVENT, |event| write_event(event, entry, name));
        });
    }
}

fn write_event(event: &mut Message, entry: &Entry, name: u64) {
    let kind = if entry.end_ns.is_some() { event::SLICE_BEGIN } else { event::INSTANT };
    event.number(event::TYPE, kind);
    event.number(event::TRACK_UUID, uuid(entry.track));
    event.number(event::NAME_IID, name);
    for (key, detail) in &entry.details {
        event.message(event::DEBUG_ANNOTATIONS, |annotation| {
            annotation.text(annotation::NAME, key);
            match detail {
                Detail::Number(number) => annotation.number(annotation::UINT, *number),
                Detail::Text(text) => annotation.text(annotation::STRING, text),
            };
        });
    }
    if let Some(flow) = entry.flow_from {
        event.fixed(event::FLOW_IDS, flow);
    }
    if let Some(flow) = entry.flow_to {
        event.fixed(event::TERMINATING_FLOW_IDS, flow);
    }
}

fn uuid(track: usize) -> u64 {
    PROCESS_TRACK + 1 + track as u64
}
