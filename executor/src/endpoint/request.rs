//! Reading a request, and refusing what is none of ours.

use super::answer::{Answer, Status};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, TcpStream};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The longest head of a request. Browsers and Prometheus send less than 1 KiB.
const MOST_BYTES: usize = 8 * 1024;

/// How long a client may take to send it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) query: Query,
}

/// The parameters behind the question mark.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Request {
    /// # Errors
    /// The answer to what cannot be read or is refused; `None`: nobody is there to read one.
    pub(super) fn read(stream: &mut TcpStream, is_local: bool) -> Result<Self, Option<Answer>> {
        let head = read_head(stream)?;
        let head = std::str::from_utf8(&head).map_err(|_| malformed("it is no UTF-8"))?;
        Ok(Self::parse(head, is_local)?)
    }

    /// A head without the empty line at its end. Of the headers only `Host` matters.
    fn parse(head: &str, is_local: bool) -> Result<Self, Answer> {
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default();
        let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(malformed("the first line must be `GET /path HTTP/1.1`"));
        };
        if !version.starts_with("HTTP/1.") {
            return Err(malformed("only HTTP/1 is spoken here"));
        }
        if method != "GET" {
            let text = format!("{method} is not supported, only GET");
            return Err(Answer::text(Status::MethodNotAllowed, text).header("Allow", "GET"));
        }
        let host = lines.filter_map(|line| line.split_once(':'));
        let mut host = host.filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        let first = host.next();
        // RFC 9112, 3.2.
        if host.next().is_some() {
            return Err(malformed("it has more than one `Host`"));
        }
        if let Some((_, host)) = first.filter(|_| is_local)
            && !is_loopback(host.trim())
        {
            let text = format!("{:?} is not this machine's loopback interface", host.trim());
            return Err(Answer::text(Status::Forbidden, text));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Request { path: path.to_owned(), query: Query::parse(query) })
    }
}

fn malformed(why: &str) -> Answer {
    Answer::text(Status::BadRequest, format!("malformed request: {why}"))
}

/// Everything up to the first empty line.
fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>, Option<Answer>> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(Some(Answer::text(Status::Timeout, "the request did not come in time")));
        }
        stream.set_read_timeout(Some(rest)).map_err(|_| None)?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(None),
            Ok(count) => head.extend_from_slice(&buffer[..count]),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => continue,
                _ => return Err(None),
            },
        }
        if head.len() > MOST_BYTES {
            let text = format!("the request is longer than {MOST_BYTES} bytes");
            return Err(Some(Answer::text(Status::TooLarge, text)));
        }
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            head.truncate(end);
            return Ok(head);
        }
    }
}

/// Whether a `Host` is what a client on this machine writes: a name that it cannot have looked up
/// elsewhere.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || IpAddr::from_str(name).is_ok_and(|address| address.is_loopback())
}

impl Query {
    fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Query(pairs.map(|pair| owned(pair.split_once('=').unwrap_or((pair, "")))).collect())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Refuses parameters that mean nothing, which else would be taken for granted.
    pub(super) fn only(&self, known: &[&str]) -> Result<&Self, Answer> {
        match self.0.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            None => Ok(self),
            Some((key, _)) if known.is_empty() => {
                Err(unusable(format!("{key:?}: there are no parameters here")))
            }
            Some((key, _)) => {
                Err(unusable(format!("{key:?} is no parameter of this; there are {known:?}")))
            }
        }
    }

    /// One of several values; the first is the default.
    pub(super) fn one_of<'a>(&self, key: &str, values: &[&'a str]) -> Result<&'a str, Answer> {
        let Some(given) = self.get(key) else { return Ok(values[0]) };
        let found = values.iter().find(|value| **value == given);
        found.copied().ok_or_else(|| unusable(format!("{key} is one of {values:?}, not {given:?}")))
    }

    /// A time in seconds, which may have a fraction.
    pub(super) fn seconds(&self, most: Duration) -> Result<Option<Duration>, Answer> {
        let Some(given) = self.get("seconds") else { return Ok(None) };
        let time = given.parse().ok().and_then(|time| Duration::try_from_secs_f64(time).ok());
        match time.filter(|time| !time.is_zero() && *time <= most) {
            Some(time) => Ok(Some(time)),
            None => Err(unusable(format!(
                "seconds is a number above 0 and up to {}, not {given:?}",
                most.as_secs()
            ))),
        }
    }
}

fn unusable(why: String) -> Answer {
    Answer::text(Status::BadRequest, why)
}

#[cfg(any(fuzzing, test))]
#[path = "../fuzzing/request.rs"]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> Option<Status> {
        Request::parse(head, true).err().map(|answer| answer.status())
    }

    #[test]
    fn a_request_is_taken_apart() {
        let head = "GET /debug/trace?seconds=2&format=json&flag HTTP/1.1\r\nHost: localhost:6060";
        let request = Request::parse(head, true).unwrap();
        assert_eq!(request.path, "/debug/trace");
        let Query(pairs) = &request.query;
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        assert_eq!(pairs, [("seconds", "2"), ("format", "json"), ("flag", "")]);
    }

    #[test]
    fn what_is_no_get_is_refused() {
        assert_eq!(status("GET / HTTP/1.1"), None);
        assert_eq!(status("POST / HTTP/1.1"), Some(Status::MethodNotAllowed));
        for wrong in ["", "GET", "GET /", "GET / HTTP/2", "GET  / HTTP/1.1", "GET / x HTTP/1.1"] {
            assert_eq!(status(wrong), Some(Status::BadRequest), "{wrong:?}");
        }
    }

    #[test]
    fn names_of_other_hosts_are_refused() {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:6060", "127.8.9.1", "[::1]:80", "[::1]"]
        {
            assert_eq!(status(&format!("GET / HTTP/1.1\r\nhost: {host}")), None, "{host}");
        }
        for host in
            ["", "example.org", "localhost.example.org:6060", "10.0.0.1", "[2001:db8::1]:80"]
        {
            let head = format!("GET / HTTP/1.1\r\nAccept: *\r\nHost: {host}");
            assert_eq!(status(&head), Some(Status::Forbidden), "{host}");
            assert!(Request::parse(&head, false).is_ok());
        }
    }

    /// Found by fuzzing: only the first was looked at.
    #[test]
    fn a_second_host_is_refused() {
        for second in ["localhost", "example.org"] {
            let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nhost: {second}");
            assert_eq!(status(&head), Some(Status::BadRequest), "{second}");
            assert!(Request::parse(&head, false).is_err());
        }
    }

    #[test]
    fn parameters_are_checked() {
        let query = Query::parse("seconds=1.5&format=json");
        let most = Duration::from_secs(60);
        assert_eq!(query.seconds(most).unwrap(), Some(Duration::from_millis(1500)));
        assert_eq!(query.one_of("format", &["text", "json"]).unwrap(), "json");
        assert_eq!(query.one_of("other", &["text", "json"]).unwrap(), "text");
        assert!(query.one_of("format", &["text"]).is_err());
        assert!(query.only(&["seconds"]).is_err() && query.only(&[]).is_err());
        assert!(query.only(&["seconds", "format"]).is_ok());
        for wrong in ["", "0", "-1", "61", "nan", "inf", "1e300", "one"] {
            let query = Query::parse(&format!("seconds={wrong}"));
            assert!(query.seconds(most).is_err(), "{wrong:?}");
        }
    }
}
