//! One request to the endpoint, and what can go wrong with it.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(3);

/// How long an answer may take beyond the time that is recorded: a first look at symbols takes a while.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    addr: String,
}

#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no such address.
    Address(String, io::Error),
    /// Nobody listens there, or nobody who answers.
    Connect(String, io::Error),
    /// Whoever listens says no.
    Refused {
        target: String,
        status: String,
        why: String,
    },
    /// What came is not what an endpoint says.
    Strange(String, String),
    Output(io::Error),
    File(PathBuf, io::Error),
    Terminal,
    /// Of a server of ours.
    #[cfg(feature = "console")]
    Listen(SocketAddr, io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Address(addr, error) => write!(f, "{addr:?} is no HOST:PORT: {error}"),
            Failure::Connect(addr, error) if error.kind() == ErrorKind::ConnectionRefused => {
                write!(
                    f,
                    "nothing listens on {addr}. Does the program run, and does it call \
                 `Builder::debug_endpoint`? `--addr` is for other addresses"
                )
            }
            Failure::Connect(addr, error) => write!(f, "no answer from {addr}: {error}"),
            Failure::Refused { target, status, why } => {
                write!(f, "{target}: {status}: {}", why.trim_end())
            }
            Failure::Strange(addr, what) => {
                write!(f, "what listens on {addr} is no debug endpoint of preempt: {what}")
            }
            Failure::Output(error) => write!(f, "standard output: {error}"),
            Failure::File(path, error) => write!(f, "{}: {error}", path.display()),
            #[cfg(feature = "console")]
            Failure::Listen(addr, error) => write!(f, "cannot serve on {addr}: {error}"),
            Failure::Terminal => f.write_str("this is nothing for a terminal; use -o FILE"),
        }
    }
}

impl Client {
    pub(crate) fn new(addr: String) -> Self {
        Client { addr }
    }

    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// The body of the answer, which takes that long by itself.
    pub(crate) fn get(&self, target: &str, takes: Duration) -> Result<Vec<u8>, Failure> {
        let answer = self.exchange(target, takes)?;
        let strange = |what: &str| Failure::Strange(self.addr.clone(), what.to_owned());
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let end = end.ok_or_else(|| strange("it does not speak HTTP"))?;
        let head = std::str::from_utf8(&answer[..end]).map_err(|_| strange("headers of bytes"))?;
        let body = &answer[end + 4..];
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split_once(' '));
        let (_, status) = status.ok_or_else(|| strange("it does not speak HTTP"))?;
        if !status.starts_with("200") {
            let (target, status) = (target.to_owned(), status.to_owned());
            let why = String::from_utf8_lossy(body).into_owned();
            return Err(Failure::Refused { target, status, why });
        }
        let length = lines.filter_map(|line| line.split_once(": "));
        let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.next().and_then(|(_, length)| length.parse::<usize>().ok());
        if length != Some(body.len()) {
            return Err(strange("the answer is not complete"));
        }
        Ok(body.to_vec())
    }

    /// Everything that comes back.
    fn exchange(&self, target: &str, takes: Duration) -> Result<Vec<u8>, Failure> {
        let failed = |error| Failure::Connect(self.addr.clone(), error);
        let mut stream = self.connect()?;
        let host = &self.addr;
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let mut talk = || {
            stream.set_read_timeout(Some(takes + PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        };
        talk().map_err(failed)
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let addrs = self.addr.to_socket_addrs();
        let addrs = addrs.map_err(|error| Failure::Address(self.addr.clone(), error))?;
        let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for addr in addrs.collect::<Vec<SocketAddr>>() {
            match TcpStream::connect_timeout(&addr, CONNECT) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(Failure::Connect(self.addr.clone(), last))
    }
}
