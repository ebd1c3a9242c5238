//! A job server: an application as one would write it for tokio, with all that such a thing has.
//!
//! The files `job_server_tokio.rs` and `job_server.rs` are the same program on tokio and on preempt.
//! They differ in the `use` lines and in the attribute of `main`, and in nothing else; the test
//! `port_from_tokio` compares them line by line, runs both, and wants the same answers.
//!
//! ```text
//! cargo run --release --example job_server -- 127.0.0.1:5000
//! nc 127.0.0.1 5000
//! ```
//!
//! A line is a command, and is answered by a line:
//!
//! | command | answer |
//! |---|---|
//! | `submit inline\|blocking WORK NUMBER` | `job ID`. WORK is `primes` below NUMBER, so many rounds of `hash`, `sleep` for so many ms, or `panic` |
//! | `status ID` | `ID` and `queued`, `running`, `done RESULT`, `failed`, `cancelled` or `timed out` |
//! | `wait ID` | the same, once it is over |
//! | `cancel ID` | as `status` |
//! | `set parallel\|timeout NUMBER` | `ok`. How many jobs run at the same time; their time limit in ms. For jobs that begin after it |
//! | `stats` | how many jobs there have been, and how they ended |
//! | `shutdown` | `draining`. No more connections and commands; jobs are waited for. Ctrl-c does the same |
//!
//! `inline` computes in a task, `blocking` on a thread for blocking work. On tokio jobs that compute
//! inline hold up everybody else, which is why one would not do that; the answers are the same.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, Id as TaskId, JoinError, JoinSet, spawn_blocking};
use tokio::time::{Duration, MissedTickBehavior, interval, sleep, timeout};
use tokio::{select, signal, spawn};

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::Arc;

/// How many commands may wait for the dispatcher before connections wait.
const BACKLOG: usize = 64;

/// How often the state is reported on standard error.
const REPORT_EVERY: Duration = Duration::from_secs(1);

#[tokio::main(worker_threads = 2)]
async fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(addr).await?;
    println!("listening on {}", listener.local_addr()?);
    let (shutdown, _) = broadcast::channel(1);
    let (config, _) = watch::channel(Config::default());
    let (commands, inbox) = mpsc::channel(BACKLOG);
    let dispatcher = spawn(Dispatcher::new(commands.downgrade(), config.subscribe()).run(inbox));
    let server = Server { commands, config: Arc::new(config), shutdown };
    server.run(listener).await?;
    // The last sender of commands is gone, so the dispatcher ends when the last job has.
    let stats = dispatcher.await?;
    println!("{stats}");
    Ok(())
}

// ---- what there is to talk about ----

type JobId = u64;

/// What is set while the server runs.
#[derive(Clone, Copy)]
struct Config {
    parallel: usize,
    timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config { parallel: 2, timeout: Duration::from_secs(60) }
    }
}

#[derive(Clone, Copy)]
enum Work {
    Primes,
    Hash,
    Sleep,
    Panic,
}

#[derive(Clone, Copy)]
struct Job {
    work: Work,
    number: u64,
    is_blocking: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    Running,
    Done(u64),
    Failed,
    Cancelled,
    TimedOut,
}

impl State {
    fn is_final(self) -> bool {
        !matches!(self, State::Queued | State::Running)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Queued => f.write_str("queued"),
            State::Running => f.write_str("running"),
            State::Done(result) => write!(f, "done {result}"),
            State::Failed => f.write_str("failed"),
            State::Cancelled => f.write_str("cancelled"),
            State::TimedOut => f.write_str("timed out"),
        }
    }
}

/// How many jobs there have been, and how they ended.
#[derive(Clone, Copy, Default)]
struct Stats {
    submitted: u64,
    done: u64,
    failed: u64,
    cancelled: u64,
    timed_out: u64,
}

impl Stats {
    fn count(&mut self, state: State) {
        match state {
            State::Queued | State::Running => {}
            State::Done(_) => self.done += 1,
            State::Failed => self.failed += 1,
            State::Cancelled => self.cancelled += 1,
            State::TimedOut => self.timed_out += 1,
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stats { submitted, done, failed, cancelled, timed_out } = self;
        write!(f, "submitted {submitted}, done {done}, failed {failed}, ")?;
        write!(f, "cancelled {cancelled}, timed out {timed_out}")
    }
}

/// What the dispatcher is told. It owns all jobs; nobody shares them, and nothing is locked.
enum Command {
    Submit(Job, oneshot::Sender<JobId>),
    /// A job has got its permit.
    Started(JobId),
    Status(JobId, oneshot::Sender<Option<State>>),
    Wait(JobId, oneshot::Sender<Option<State>>),
    Cancel(JobId, oneshot::Sender<Option<State>>),
    Stats(oneshot::Sender<Stats>),
}

// ---- jobs ----

impl Job {
    async fn run(self) -> u64 {
        match (self.work, self.is_blocking) {
            (Work::Sleep, _) => sleep(Duration::from_millis(self.number)).await,
            (_, false) => return self.compute(),
            (_, true) => {
                let computed = spawn_blocking(move || self.compute()).await;
                return computed.expect("the computation panicked");
            }
        }
        self.number
    }

    fn compute(self) -> u64 {
        match self.work {
            Work::Primes => count_primes(self.number),
            Work::Hash => hash(self.number),
            Work::Sleep => unreachable!("that is nothing to compute"),
            Work::Panic => panic!("as the client wants it"),
        }
    }
}

/// By trial division: this is to take its time.
fn count_primes(below: u64) -> u64 {
    let is_prime = |n: &u64| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    (2..below).filter(is_prime).count() as u64
}

/// FNV-1a, over and over.
fn hash(rounds: u64) -> u64 {
    let mix = |hash: u64, round: u64| (hash ^ (round & 0xff)).wrapping_mul(0x0100_0000_01b3);
    (0..rounds).fold(0xcbf2_9ce4_8422_2325, mix)
}

// ---- the dispatcher ----

/// A job as the dispatcher knows it.
struct Entry {
    state: State,
    task: AbortHandle,
    waiting: Vec<oneshot::Sender<Option<State>>>,
}

struct Dispatcher {
    jobs: HashMap<JobId, Entry>,
    tasks: JoinSet<State>,
    /// Which job a task is for.
    job_of: HashMap<TaskId, JobId>,
    permits: Arc<Semaphore>,
    /// How many permits there are, taken or not.
    parallel: usize,
    config: watch::Receiver<Config>,
    /// For the jobs. Weak, or the channel would never close.
    commands: mpsc::WeakSender<Command>,
    stats: Stats,
}

impl Dispatcher {
    fn new(commands: mpsc::WeakSender<Command>, config: watch::Receiver<Config>) -> Self {
        let parallel = config.borrow().parallel;
        Dispatcher {
            jobs: HashMap::new(),
            tasks: JoinSet::new(),
            job_of: HashMap::new(),
            permits: Arc::new(Semaphore::new(parallel)),
            parallel,
            config,
            commands,
            stats: Stats::default(),
        }
    }

    /// Until nobody can send commands any more and all jobs are over.
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) -> Stats {
        let mut report = interval(REPORT_EVERY);
        report.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut is_open = true;
        while is_open || !self.tasks.is_empty() {
            select! {
                command = inbox.recv(), if is_open => match command {
                    Some(command) => self.obey(command),
                    None => is_open = false,
                },
                Some(ended) = self.tasks.join_next_with_id() => self.note_end(ended),
                Ok(()) = self.config.changed() => self.reconfigure(),
                _ = report.tick() => self.report(),
            }
        }
        self.stats
    }

    /// That the asker has gone is nothing to care about.
    fn obey(&mut self, command: Command) {
        match command {
            Command::Submit(job, reply) => {
                let _ = reply.send(self.submit(job));
            }
            Command::Started(id) => {
                if let Some(entry) = self.jobs.get_mut(&id).filter(|it| it.state == State::Queued) {
                    entry.state = State::Running;
                }
            }
            Command::Status(id, reply) => {
                let _ = reply.send(self.state(id));
            }
            Command::Wait(id, reply) => match self.jobs.get_mut(&id) {
                Some(entry) if !entry.state.is_final() => entry.waiting.push(reply),
                _ => {
                    let _ = reply.send(self.state(id));
                }
            },
            Command::Cancel(id, reply) => {
                if self.state(id).is_some_and(|state| !state.is_final()) {
                    self.jobs[&id].task.abort();
                    self.end(id, State::Cancelled);
                }
                let _ = reply.send(self.state(id));
            }
            Command::Stats(reply) => {
                let _ = reply.send(self.stats);
            }
        }
    }

    fn state(&self, id: JobId) -> Option<State> {
        self.jobs.get(&id).map(|entry| entry.state)
    }

    fn submit(&mut self, job: Job) -> JobId {
        self.stats.submitted += 1;
        let id = self.stats.submitted;
        let (permits, config) = (self.permits.clone(), self.config.clone());
        let commands = self.commands.clone();
        let task = self.tasks.spawn(async move {
            let _permit = permits.acquire_owned().await.expect("it is never closed");
            if let Some(commands) = commands.upgrade() {
                // Nobody is left to be told once the dispatcher has closed its inbox.
                let _ = commands.send(Command::Started(id)).await;
            }
            let limit = config.borrow().timeout;
            match timeout(limit, job.run()).await {
                Ok(result) => State::Done(result),
                Err(_) => State::TimedOut,
            }
        });
        self.job_of.insert(task.id(), id);
        self.jobs.insert(id, Entry { state: State::Queued, task, waiting: Vec::new() });
        id
    }

    /// Jobs end here, unless they were cancelled before.
    fn note_end(&mut self, ended: Result<(TaskId, State), JoinError>) {
        let (task, state) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => (error.id(), State::Failed),
            Err(error) => (error.id(), State::Cancelled),
        };
        if let Some(id) = self.job_of.remove(&task) {
            self.end(id, state);
        }
    }

    fn end(&mut self, id: JobId, state: State) {
        let Some(entry) = self.jobs.get_mut(&id).filter(|entry| !entry.state.is_final()) else {
            return;
        };
        entry.state = state;
        self.stats.count(state);
        for waiting in entry.waiting.drain(..) {
            let _ = waiting.send(Some(state));
        }
    }

    /// More permits at once, fewer as they come back.
    fn reconfigure(&mut self) {
        let wanted = self.config.borrow_and_update().parallel;
        let permits = self.permits.clone();
        if let Some(more) = wanted.checked_sub(self.parallel) {
            permits.add_permits(more);
        } else {
            let fewer = (self.parallel - wanted) as u32;
            spawn(async move {
                if let Ok(taken) = permits.acquire_many_owned(fewer).await {
                    taken.forget();
                }
            });
        }
        self.parallel = wanted;
    }

    fn report(&self) {
        let running = self.jobs.values().filter(|job| job.state == State::Running).count();
        let queued = self.jobs.values().filter(|job| job.state == State::Queued).count();
        eprintln!("{} ({running} running, {queued} queued)", self.stats);
    }
}

// ---- connections ----

#[derive(Clone)]
struct Server {
    commands: mpsc::Sender<Command>,
    config: Arc<watch::Sender<Config>>,
    shutdown: broadcast::Sender<()>,
}

impl Server {
    /// Until somebody says `shutdown`, or ctrl-c is pressed, and all connections have ended.
    async fn run(self, listener: TcpListener) -> io::Result<()> {
        let mut shutdown = self.shutdown.subscribe();
        let mut connections = JoinSet::new();
        // One listener for all turns of the loop, or a signal between two of them would be missed.
        let mut interrupted = pin!(signal::ctrl_c());
        loop {
            select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    // Here, and not in the task: it is not to miss a shutdown before it begins.
                    let shutdown = self.shutdown.subscribe();
                    connections.spawn(self.clone().talk(stream, shutdown));
                }
                Some(ended) = connections.join_next() => {
                    if let Ok(Err(error)) = ended {
                        eprintln!("a client was lost: {error}");
                    }
                }
                _ = shutdown.recv() => break,
                interrupted = &mut interrupted => {
                    interrupted?;
                    // It reaches the connections; this loop ends itself.
                    let _ = self.shutdown.send(());
                    break;
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
        Ok(())
    }

    /// Answers line by line. A shutdown is looked at between two of them.
    async fn talk(
        self,
        mut stream: TcpStream,
        mut shutdown: broadcast::Receiver<()>,
    ) -> io::Result<()> {
        let (read, mut write) = stream.split();
        let mut lines = BufReader::new(read).lines();
        loop {
            let line = select! {
                line = lines.next_line() => line?,
                _ = shutdown.recv() => {
                    write.write_all(b"bye\n").await?;
                    return Ok(());
                }
            };
            let Some(line) = line else { return Ok(()) };
            let answer = match self.answer(&line).await {
                Ok(answer) => answer,
                Err(complaint) => format!("error: {complaint}"),
            };
            write.write_all(format!("{answer}\n").as_bytes()).await?;
        }
    }

    async fn answer(&self, line: &str) -> Result<String, &'static str> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["submit", how, work, number] => {
                let job = parse_job(how, work, number)?;
                let id = self.ask(|reply| Command::Submit(job, reply)).await?;
                Ok(format!("job {id}"))
            }
            ["status", id] => self.ask_about(id, Command::Status).await,
            ["wait", id] => self.ask_about(id, Command::Wait).await,
            ["cancel", id] => self.ask_about(id, Command::Cancel).await,
            ["set", name, number] => self.set(name, parse(number)?),
            ["stats"] => Ok(self.ask(Command::Stats).await?.to_string()),
            ["shutdown"] => {
                let _ = self.shutdown.send(());
                Ok("draining".to_owned())
            }
            _ => Err("what is that?"),
        }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, &'static str> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| "the dispatcher is gone")?;
        answer.await.map_err(|_| "the dispatcher is gone")
    }

    async fn ask_about(
        &self,
        id: &str,
        command: fn(JobId, oneshot::Sender<Option<State>>) -> Command,
    ) -> Result<String, &'static str> {
        let id = parse(id)?;
        let state = self.ask(|reply| command(id, reply)).await?.ok_or("there is no such job")?;
        Ok(format!("{id} {state}"))
    }

    fn set(&self, name: &str, number: u64) -> Result<String, &'static str> {
        match (name, number) {
            ("parallel", 1..=1000) => {
                self.config.send_modify(|config| config.parallel = number as usize);
            }
            ("timeout", 1..) => {
                self.config.send_modify(|config| config.timeout = Duration::from_millis(number));
            }
            _ => return Err("set parallel to 1 to 1000, or timeout to at least 1"),
        }
        Ok("ok".to_owned())
    }
}

fn parse(number: &str) -> Result<u64, &'static str> {
    number.parse().map_err(|_| "that is no number")
}

fn parse_job(how: &str, work: &str, number: &str) -> Result<Job, &'static str> {
    let work = match work {
        "primes" => Work::Primes,
        "hash" => Work::Hash,
        "sleep" => Work::Sleep,
        "panic" => Work::Panic,
        _ => return Err("work is primes, hash, sleep or panic"),
    };
    let is_blocking = match how {
        "inline" => false,
        "blocking" => true,
        _ => return Err("work is done inline or blocking"),
    };
    Ok(Job { work, number: parse(number)?, is_blocking })
}
