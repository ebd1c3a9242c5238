//! Shared by the examples that measure servers: arguments, a server in a process of its own, and
//! latencies.
//!
//! The load must not share a runtime with what is measured, nor its threads or its allocator: so the
//! server is this same program, started again as a child.

#![allow(dead_code, reason = "each example uses a part of it")]

use std::env;
use std::fmt::Display;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

/// What runs the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Preempt,
    Tokio,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Preempt => "preempt",
            Kind::Tokio => "tokio",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "preempt" => Ok(Kind::Preempt),
            "tokio" => Ok(Kind::Tokio),
            _ => Err(format!("{name:?} is neither preempt nor tokio")),
        }
    }
}

/// The arguments of the program: words, then `--name value` pairs.
pub(crate) struct Arguments {
    words: Vec<String>,
    pairs: Vec<(String, String)>,
}

impl Arguments {
    pub(crate) fn of_the_program() -> Result<Self, String> {
        let mut arguments = Arguments { words: Vec::new(), pairs: Vec::new() };
        let mut rest = env::args().skip(1);
        while let Some(argument) = rest.next() {
            match argument.strip_prefix("--") {
                Some(name) => {
                    let value = rest.next().ok_or(format!("{argument} needs a value"))?;
                    arguments.pairs.push((name.to_owned(), value));
                }
                None => arguments.words.push(argument),
            }
        }
        Ok(arguments)
    }

    /// Whether this word was given.
    pub(crate) fn has(&mut self, word: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|given| given != word);
        self.words.len() < before
    }

    pub(crate) fn take<T>(&mut self, name: &str, default: T) -> Result<T, String>
    where
        T: FromStr<Err: Display>,
    {
        let Some(at) = self.pairs.iter().position(|(given, _)| given == name) else {
            return Ok(default);
        };
        let (_, value) = self.pairs.remove(at);
        value.parse().map_err(|error| format!("--{name} {value}: {error}"))
    }

    /// To be called last: what nobody has taken is a mistake.
    pub(crate) fn finish(self) -> Result<(), String> {
        let pairs = self.pairs.into_iter().map(|(name, _)| format!("--{name}"));
        match self.words.into_iter().chain(pairs).next() {
            Some(unknown) => Err(format!("unknown: {unknown}; see the head of this example")),
            None => Ok(()),
        }
    }
}

/// What a server prints when it is ready, before its address.
const READY: &str = "listening on ";

/// Tells whoever started this server where it is.
pub(crate) fn announce(addr: SocketAddr) {
    println!("{READY}{addr}");
}

/// This program as a server, in a process of its own, which ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// Starts the program again with these arguments and waits until it has announced itself.
    pub(crate) fn start(arguments: &[String]) -> io::Result<Server> {
        let mut child =
            Command::new(env::current_exe()?).args(arguments).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        match line.trim().strip_prefix(READY).map(str::parse) {
            Some(Ok(addr)) => Ok(Server { child, addr }),
            _ => {
                child.kill()?;
                child.wait()?;
                Err(io::Error::other(format!("the server did not start: {line:?}")))
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long each of many things took.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn append(&mut self, mut others: Latencies) {
        self.0.append(&mut others.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds, the values that so many percent of all do not exceed.
    pub(crate) fn percentiles<const N: usize>(&self, percents: [f64; N]) -> [f64; N] {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        percents.map(|percent| {
            let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, |it| it.as_secs_f64() * 1e3)
        })
    }
}
