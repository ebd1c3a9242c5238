//! Reading traces with decoders that are not ours: Perfetto's by a copy of its schema, JSON's by
//! serde_json.

#![allow(dead_code, reason = "each test file uses a part of it")]

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::OnceLock;

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

fn schema() -> MessageDescriptor {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace_support");
        let files = protox::compile(["perfetto_trace.proto"], [folder]).expect("a valid schema");
        DescriptorPool::from_file_descriptor_set(files).expect("a complete schema")
    });
    pool.get_message_by_name("perfetto.protos.Trace").expect("the schema has it")
}

fn field(message: &DynamicMessage, name: &str) -> Option<Value> {
    message.has_field_by_name(name).then(|| message.get_field_by_name(name).unwrap().into_owned())
}

fn number(message: &DynamicMessage, name: &str) -> Option<u64> {
    field(message, name).map(|value| match value {
        Value::U64(number) => number,
        Value::U32(number) => number.into(),
        Value::I32(number) => number as u64,
        Value::I64(number) => number as u64,
        Value::EnumNumber(number) => number as u64,
        other => panic!("{name} is no number: {other:?}"),
    })
}

fn text(message: &DynamicMessage, name: &str) -> Option<String> {
    field(message, name).map(|value| value.as_str().expect("a text").to_owned())
}

fn inner(message: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    field(message, name).map(|value| value.as_message().expect("a message").clone())
}

fn list(message: &DynamicMessage, name: &str) -> Vec<Value> {
    field(message, name).map_or_else(Vec::new, |value| value.as_list().expect("a list").to_vec())
}

/// Decodes a Perfetto trace, and checks on the way what a viewer relies on: nothing that the schema
/// does not know, the time does not go back, slices are closed in the order in which viewers close
/// them, interned names are known, flows that end have begun.
pub(crate) fn decode_perfetto(bytes: &[u8]) -> Decoded {
    let trace = DynamicMessage::decode(schema(), bytes).expect("it follows the schema");
    assert_known(&trace);
    let mut decoded = Decoded::default();
    let mut names = HashMap::new();
    let mut open: HashMap<u64, Vec<Slice>> = HashMap::new();
    let mut last = 0;
    for packet in list(&trace, "packet") {
        let packet = packet.as_message().expect("a packet").clone();
        assert_eq!(number(&packet, "trusted_packet_sequence_id"), Some(1));
        if let Some(interned) = inner(&packet, "interned_data") {
            for name in list(&interned, "event_names") {
                let name = name.as_message().expect("a name");
                names.insert(number(name, "iid").unwrap(), text(name, "name").unwrap());
            }
        }
        if let Some(track) = inner(&packet, "track_descriptor") {
            add_track(&mut decoded, &track);
        }
        let Some(event) = inner(&packet, "track_event") else { continue };
        let time = number(&packet, "timestamp").expect("events have a time");
        assert!(time >= last, "the packets are in the order of time");
        last = time;
        let uuid = number(&event, "track_uuid").expect("events have a track");
        let track = decoded.tracks.get_mut(&uuid).expect("tracks are described first");
        match number(&event, "type") {
            Some(1) => open.entry(uuid).or_default().push(slice(&event, &names, time)),
            Some(2) => {
                let mut ended = open.entry(uuid).or_default().pop().expect("it was begun");
                ended.end = time;
                track.slices.push(ended);
            }
            Some(3) => track.instants.push(slice(&event, &names, time)),
            other => panic!("an event of type {other:?}"),
        }
    }
    assert!(open.values().all(Vec::is_empty), "all slices have an end");
    decoded
}

/// Every field that was written is one of the schema.
fn assert_known(message: &DynamicMessage) {
    assert_eq!(message.unknown_fields().count(), 0, "{}", message.descriptor().full_name());
    for (_, value) in message.fields() {
        match value {
            Value::Message(inner) => assert_known(inner),
            Value::List(list) => list.iter().filter_map(Value::as_message).for_each(assert_known),
            _ => {}
        }
    }
}

fn add_track(decoded: &mut Decoded, described: &DynamicMessage) {
    let thread = inner(described, "thread");
    let name = match &thread {
        Some(thread) => {
            assert!(number(thread, "tid").is_some() && number(thread, "pid").is_some());
            text(thread, "thread_name")
        }
        None => text(described, "name"),
    };
    let uuid = number(described, "uuid").expect("a track has an id");
    let track =
        Track { name: name.unwrap_or_default(), is_thread: thread.is_some(), ..Track::default() };
    assert!(decoded.tracks.insert(uuid, track).is_none(), "each track is described once");
}

fn slice(event: &DynamicMessage, names: &HashMap<u64, String>, start: u64) -> Slice {
    let iid = number(event, "name_iid").expect("a name");
    let numbers = |name| list(event, name).iter().map(|flow| flow.as_u64().unwrap()).collect();
    let details = list(event, "debug_annotations").into_iter().map(|annotation| {
        let annotation = annotation.as_message().expect("an annotation");
        let value = text(annotation, "string_value")
            .or_else(|| number(annotation, "uint_value").map(|number| number.to_string()));
        (text(annotation, "name").expect("a name"), value.expect("a value"))
    });
    Slice {
        name: names.get(&iid).expect("the name was interned").clone(),
        start,
        end: start,
        details: details.collect(),
        flow_from: numbers("flow_ids"),
        flow_to: numbers("terminating_flow_ids"),
    }
}
