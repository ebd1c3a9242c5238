//! Reading traces with decoders that are not ours: Perfetto's by `perfetto_protos`, which generates code
//! from the whole schema that Perfetto publishes, JSON's by serde_json.

#![allow(dead_code, reason = "each test file uses a part of it")]

use perfetto_protos::debug_annotation::DebugAnnotation;
use perfetto_protos::trace::Trace;
use perfetto_protos::track_descriptor::TrackDescriptor;
use perfetto_protos::track_event::TrackEvent;
use perfetto_protos::track_event::track_event::Type;
use protobuf::reflect::{ReflectFieldRef, ReflectValueRef};
use protobuf::{Message, MessageDyn};
use std::collections::{BTreeMap, HashMap};

/// A track as a viewer would show it.
#[derive(Debug, Default)]
pub(crate) struct Track {
    pub(crate) name: String,
    pub(crate) is_thread: bool,
    pub(crate) slices: Vec<Slice>,
    pub(crate) instants: Vec<Slice>,
}

#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) name: String,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) details: BTreeMap<String, String>,
    pub(crate) flow_from: Vec<u64>,
    pub(crate) flow_to: Vec<u64>,
}

impl Slice {
    pub(crate) fn detail(&self, key: &str) -> &str {
        self.details.get(key).map_or("", String::as_str)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Decoded {
    pub(crate) tracks: BTreeMap<u64, Track>,
}

impl Decoded {
    pub(crate) fn processors(&self) -> impl Iterator<Item = &Track> {
        self.tracks.values().filter(|track| track.name.starts_with("processor "))
    }

    pub(crate) fn threads(&self) -> impl Iterator<Item = &Track> {
        self.tracks.values().filter(|track| track.is_thread)
    }

    /// All slices of processors.
    pub(crate) fn polls(&self) -> impl Iterator<Item = &Slice> {
        self.processors().flat_map(|track| &track.slices).filter(|slice| slice.name != "asleep")
    }

    pub(crate) fn instants(&self, name: &str) -> usize {
        let instants = self.tracks.values().flat_map(|track| &track.instants);
        instants.filter(|instant| instant.name == name).count()
    }
}

/// Decodes a Perfetto trace, and checks on the way what a viewer relies on: nothing that the schema
/// does not know, the time does not go back, slices are closed in the order in which viewers close
/// them, interned names are known.
pub(crate) fn decode_perfetto(bytes: &[u8]) -> Decoded {
    let trace = Trace::parse_from_bytes(bytes).expect("it follows the schema");
    assert_known(&trace);
    let mut decoded = Decoded::default();
    let mut names = HashMap::new();
    let mut open: HashMap<u64, Vec<Slice>> = HashMap::new();
    let mut last = 0;
    for packet in &trace.packet {
        assert!(packet.has_trusted_packet_sequence_id());
        assert_eq!(packet.trusted_packet_sequence_id(), 1);
        for name in packet.interned_data.iter().flat_map(|interned| &interned.event_names) {
            names.insert(name.iid.expect("a number"), name.name.clone().expect("a name"));
        }
        if packet.has_track_descriptor() {
            add_track(&mut decoded, packet.track_descriptor());
        }
        if !packet.has_track_event() {
            continue;
        }
        let event = packet.track_event();
        let time = packet.timestamp.expect("events have a time");
        assert!(time >= last, "the packets are in the order of time");
        last = time;
        let uuid = event.track_uuid.expect("events have a track");
        let track = decoded.tracks.get_mut(&uuid).expect("tracks are described first");
        match event.type_.expect("events have a type").enum_value() {
            Ok(Type::TYPE_SLICE_BEGIN) => {
                open.entry(uuid).or_default().push(slice(event, &names, time));
            }
            Ok(Type::TYPE_SLICE_END) => {
                let mut ended = open.entry(uuid).or_default().pop().expect("it was begun");
                ended.end = time;
                track.slices.push(ended);
            }
            Ok(Type::TYPE_INSTANT) => track.instants.push(slice(event, &names, time)),
            other => panic!("an event of type {other:?}"),
        }
    }
    assert!(open.values().all(Vec::is_empty), "all slices have an end");
    decoded
}

/// Every field that was written is one of the schema.
fn assert_known(message: &dyn MessageDyn) {
    let descriptor = message.descriptor_dyn();
    let unknown = message.special_fields_dyn().unknown_fields();
    let unknown: Vec<_> = unknown.iter().map(|(number, _)| number).collect();
    assert!(unknown.is_empty(), "{} has no fields {unknown:?}", descriptor.full_name());
    let assert_value_known = |value: ReflectValueRef<'_>| {
        if let ReflectValueRef::Message(inner) = value {
            assert_known(&*inner);
        }
    };
    for field in descriptor.fields() {
        match field.get_reflect(message) {
            ReflectFieldRef::Optional(value) => {
                value.value().into_iter().for_each(assert_value_known)
            }
            ReflectFieldRef::Repeated(list) => list.into_iter().for_each(assert_value_known),
            ReflectFieldRef::Map(map) => assert!(map.is_empty(), "we write none"),
        }
    }
}

fn add_track(decoded: &mut Decoded, described: &TrackDescriptor) {
    let thread = described.thread.as_ref();
    let name = match thread {
        Some(thread) => {
            assert!(thread.tid.is_some() && thread.pid.is_some());
            thread.thread_name.clone()
        }
        None => described.has_name().then(|| described.name().to_owned()),
    };
    let uuid = described.uuid.expect("a track has an id");
    let track =
        Track { name: name.unwrap_or_default(), is_thread: thread.is_some(), ..Track::default() };
    assert!(decoded.tracks.insert(uuid, track).is_none(), "each track is described once");
}

fn slice(event: &TrackEvent, names: &HashMap<u64, String>, start: u64) -> Slice {
    assert!(event.has_name_iid(), "a name");
    Slice {
        name: names.get(&event.name_iid()).expect("the name was interned").clone(),
        start,
        end: start,
        details: event.debug_annotations.iter().map(detail).collect(),
        flow_from: event.flow_ids.clone(),
        flow_to: event.terminating_flow_ids.clone(),
    }
}

fn detail(annotation: &DebugAnnotation) -> (String, String) {
    assert!(annotation.has_name(), "a name");
    let value = if annotation.has_string_value() {
        annotation.string_value().to_owned()
    } else {
        assert!(annotation.has_uint_value(), "a value");
        annotation.uint_value().to_string()
    };
    (annotation.name().to_owned(), value)
}
