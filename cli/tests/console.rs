//! The server for tokio-console.
//!
//! Goal: what tokio-console decodes is what the program does. Method: the client of console-api, which is
//! tokio-console's own, is connected to the server, which is attached to an example in a process of its
//! own.

mod support;

use console_api::field::{Name, Value};
use console_api::instrument::instrument_client::InstrumentClient;
use console_api::instrument::{
    InstrumentRequest, PauseRequest, ResumeRequest, StateRequest, TaskDetailsRequest, Temporality,
    Update,
};
use console_api::tasks::{Stats, Task};
use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;
use support::{Listening, Observed};
use tokio::time::timeout;
use tonic::transport::Channel;

const LIMIT: Duration = Duration::from_secs(60);

/// As tokio-console keeps them.
#[derive(Default)]
struct Screen {
    metadata: HashMap<u64, Vec<String>>,
    tasks: HashMap<u64, Task>,
    stats: HashMap<u64, Stats>,
}

impl Screen {
    fn update(&mut self, update: Update) {
        for new in update.new_metadata.into_iter().flat_map(|new| new.metadata) {
            let names = new.metadata.expect("it is described").field_names;
            self.metadata.insert(new.id.expect("an id").id, names);
        }
        let update = update.task_update.expect("tasks");
        for task in update.new_tasks {
            let meta = task.metadata.expect("a kind").id;
            assert!(self.metadata.contains_key(&meta));
            let id = task.id.expect("an id").id;
            assert!(update.stats_update.contains_key(&id), "without, a console drops the task");
            self.tasks.insert(id, task);
        }
        for (id, stats) in update.stats_update {
            assert!(self.tasks.contains_key(&id));
            assert!(stats.created_at.is_some() && stats.poll_stats.is_some());
            self.stats.insert(id, stats);
        }
    }

    #[track_caller]
    fn task(&self, name: &str) -> (&Task, &Stats) {
        let is_it = |task: &&Task| text(task, "task.name") == Some(name);
        let task = self.tasks.values().find(is_it).expect("the task");
        (task, &self.stats[&task.id.expect("an id").id])
    }

    #[track_caller]
    fn busy_ms(&self, name: &str) -> u128 {
        let polls = self.task(name).1.poll_stats.expect("polls");
        let busy = polls.busy_time.expect("a time");
        Duration::try_from(busy).expect("none below zero").as_millis()
    }
}

fn text<'a>(task: &'a Task, name: &str) -> Option<&'a str> {
    let field =
        task.fields.iter().find(|field| field.name == Some(Name::StrName(name.to_owned())))?;
    match field.value.as_ref()? {
        Value::StrVal(text) => Some(text),
        _ => None,
    }
}

fn serve(observed: &Observed) -> Listening {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preempt"));
    command.args(["--addr", &observed.addr, "console", "--listen", "127.0.0.1:0"]);
    Listening::start(command.args(["--interval", "0.3"]))
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(LIMIT, future).await.expect("it hangs") });
}

async fn connect(server: &Listening) -> InstrumentClient<Channel> {
    InstrumentClient::connect(format!("http://{}", server.addr)).await.expect("it serves")
}

#[test]
fn a_console_lists_the_tasks() {
    let observed = Observed::start();
    let server = serve(&observed);
    block_on(async {
        let mut client = connect(&server).await;
        let mut updates = client.watch_updates(InstrumentRequest {}).await.unwrap().into_inner();
        let mut screen = Screen::default();
        for _ in 0..4 {
            screen.update(updates.message().await.unwrap().expect("it goes on"));
        }
        assert_eq!(screen.tasks.len(), 5);
        let (hog, _) = screen.task("plain hog");
        let place = hog.location.clone().expect("a place");
        assert_eq!(place.file.as_deref(), Some("examples/debug_endpoint.rs"));
        assert!(place.line.is_some() && place.column.is_some());
        assert!(screen.busy_ms("plain hog") > screen.busy_ms("waits for ever"));
        assert_eq!(screen.busy_ms("waits for ever"), 0);
        let ticker = screen.task("ticker").1;
        assert!(ticker.poll_stats.expect("polls").polls > 0 && ticker.wakes > 0);
        // A second console gets all as well.
        let mut other = connect(&server).await;
        let mut updates = other.watch_updates(InstrumentRequest {}).await.unwrap().into_inner();
        let mut screen = Screen::default();
        screen.update(updates.message().await.unwrap().expect("it goes on"));
        assert_eq!(screen.tasks.len(), 5);
        let id = screen.task("ticker").0.id;
        let request = TaskDetailsRequest { id };
        let mut details = client.watch_task_details(request).await.unwrap().into_inner();
        let details = details.message().await.unwrap().expect("a first one");
        assert!(details.task_id == id && details.poll_times_histogram.is_none());
    });
}

#[test]
fn a_console_may_pause() {
    let observed = Observed::start();
    let server = serve(&observed);
    block_on(async {
        let mut client = connect(&server).await;
        let mut states = client.watch_state(StateRequest {}).await.unwrap().into_inner();
        let mut is = async |expected: Temporality| {
            let state = states.message().await.unwrap().expect("it goes on");
            assert_eq!(state.temporality(), expected);
        };
        is(Temporality::Live).await;
        client.pause(PauseRequest {}).await.unwrap();
        is(Temporality::Paused).await;
        client.resume(ResumeRequest {}).await.unwrap();
        is(Temporality::Live).await;
        let mut updates = client.watch_updates(InstrumentRequest {}).await.unwrap().into_inner();
        for _ in 0..2 {
            assert!(updates.message().await.unwrap().is_some());
        }
    });
}

#[test]
fn it_ends_with_the_program() {
    let observed = Observed::start();
    let server = serve(&observed);
    drop(observed);
    let (status, complaint) = server.finish();
    assert_eq!(status.code(), Some(1));
    assert!(complaint.starts_with("preempt: "), "{complaint}");
}
