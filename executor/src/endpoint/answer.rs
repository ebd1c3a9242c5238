//! An answer: status, headers, body.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long a client may take to read an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the rest of a request is read that was refused, so that the client reads the answer before
/// it learns that the connection is closed.
const LINGER: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Timeout,
    TooLarge,
    Failed,
    Unavailable,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::Forbidden => "403 Forbidden",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::Timeout => "408 Request Timeout",
            Status::TooLarge => "431 Request Header Fields Too Large",
            Status::Failed => "500 Internal Server Error",
            Status::Unavailable => "503 Service Unavailable",
        }
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    status: Status,
    content_type: &'static str,
    header: Option<(&'static str, Cow<'static, str>)>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Answer { status: Status::Ok, content_type, header: None, body: body.into() }
    }

    pub(super) fn json(body: String) -> Self {
        Self::new("application/json", body)
    }

    /// For a person. It ends with a line's end.
    pub(super) fn text(status: Status, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Answer { status, ..Self::new("text/plain; charset=utf-8", text) }
    }

    /// With one more header.
    pub(super) fn header(self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Answer { header: Some((name, value.into())), ..self }
    }

    #[cfg(any(fuzzing, test))]
    pub(super) fn status(&self) -> Status {
        self.status
    }

    fn head(&self) -> String {
        let (status, length) = (self.status.as_str(), self.body.len());
        let more = self.header.as_ref().map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {length}\r\n{}\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
             Connection: close\r\n\r\n",
            self.content_type,
            more.unwrap_or_default()
        )
    }

    /// Sends it and ends the connection. If the client is gone there is nobody to tell.
    pub(super) fn send(self, stream: &mut TcpStream) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        write_by(deadline, stream, self.head().as_bytes())?;
        write_by(deadline, stream, &self.body)?;
        stream.shutdown(Shutdown::Write)?;
        let deadline = Instant::now() + LINGER;
        let mut rest = [0; 1024];
        loop {
            stream.set_read_timeout(Some(remaining(deadline)?))?;
            if stream.read(&mut rest)? == 0 {
                return Ok(());
            }
        }
    }
}

fn write_by(deadline: Instant, stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let rest = deadline.saturating_duration_since(Instant::now());
    if rest.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(rest) }
}
