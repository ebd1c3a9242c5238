//! Load for a server: a closed loop on the thread that calls it, which is none of a runtime's.
//!
//! Each connection sends its request again as soon as the response has come back whole. A round trip
//! costs one read, one write, one look at the clock, and its part of an `epoll_wait`, so that it is the
//! server that is measured. What comes back is checked. All errors panic.
//!
//! Noise: nearly all of a round trip is the kernel's work, and as much of it is done for the load as for
//! the server. With one worker on two cores both threads are busy all the time, so a server that is
//! better still looks the same. With two workers three threads want two cores.

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::time::{Duration, Instant};

/// Before this has passed nothing counts.
const WARM_UP: Duration = Duration::from_millis(50);
/// For what takes no time unless something hangs.
const LIMIT: Duration = Duration::from_secs(10);

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 ";

/// What is sent and has to come back.
#[derive(Clone, Copy)]
pub(crate) enum Exchange {
    /// The same so many bytes, others on each connection.
    Echo { bytes: usize },
    /// Status 200, and always the length of the first response.
    Http,
}

impl Exchange {
    fn request(self, connection: usize) -> Vec<u8> {
        match self {
            Exchange::Echo { bytes } => {
                connection.to_le_bytes().into_iter().chain(0..=255).cycle().take(bytes).collect()
            }
            Exchange::Http => GET.to_vec(),
        }
    }

    /// `stream` still blocks.
    fn response_len(self, stream: &mut net::TcpStream) -> usize {
        match self {
            Exchange::Echo { bytes } => bytes,
            Exchange::Http => first_response_len(stream),
        }
    }

    fn is_right(self, request: &[u8], response: &[u8]) -> bool {
        match self {
            Exchange::Echo { .. } => request == response,
            Exchange::Http => response.starts_with(OK),
        }
    }
}

/// Asks once. The length is that of the head and of the body that it announces.
fn first_response_len(stream: &mut net::TcpStream) -> usize {
    stream.write_all(GET).expect("the first request is sent");
    let (mut response, mut chunk) = (Vec::new(), [0; 1024]);
    loop {
        let count = stream.read(&mut chunk).expect("the first response comes");
        assert_ne!(count, 0, "the server has closed the connection");
        response.extend_from_slice(&chunk[..count]);
        if let Some(len) = announced_len(&response)
            && len <= response.len()
        {
            assert_eq!(len, response.len(), "nothing is behind the response");
            return len;
        }
    }
}

/// `None`: the head is not whole.
fn announced_len(response: &[u8]) -> Option<usize> {
    const END: &str = "\r\n\r\n";
    const BODY: &str = "content-length: ";
    let text = str::from_utf8(response).expect("the response is text");
    let (head, _) = text.split_once(END)?;
    let body = head.lines().find_map(|line| line.strip_prefix(BODY)).expect("a content-length");
    Some(head.len() + END.len() + body.parse::<usize>().expect("a number"))
}

struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    /// Has room for one byte more than the response has.
    response: Vec<u8>,
    received: usize,
    sent: Instant,
}

impl Client {
    fn send(&mut self, now: Instant) {
        self.sent = now;
        let count = self.stream.write(&self.request).expect("a request is sent");
        assert_eq!(count, self.request.len(), "a small request is sent in one piece");
    }

    /// Whether the response is whole now.
    fn receive(&mut self, exchange: Exchange) -> bool {
        let len = self.response.len() - 1;
        while self.received < len {
            match self.stream.read(&mut self.response[self.received..]) {
                Ok(0) => panic!("the server has closed a connection"),
                Ok(count) => self.received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("a response is not received: {error}"),
            }
        }
        assert_eq!(self.received, len, "a response is too long");
        let response = &self.response[..len];
        let right = exchange.is_right(&self.request, response);
        assert!(right, "wrong response: {:?}", String::from_utf8_lossy(response));
        self.received = 0;
        true
    }
}

/// The connections, and what they have seen.
pub(crate) struct Load {
    exchange: Exchange,
    clients: Vec<Client>,
    /// Clients whose response is not whole.
    waiting: usize,
    poll: Poll,
    events: Events,
    /// What comes back before this does not count.
    from: Instant,
    /// What comes back after this is not sent again.
    until: Instant,
    round_trips: usize,
    latencies: Vec<Duration>,
}

impl Load {
    /// A few connections need nobody who accepts them: they wait in the kernel. For HTTP the server has to
    /// answer once.
    pub(crate) fn connect(addr: SocketAddr, connections: usize, exchange: Exchange) -> Self {
        let poll = Poll::new().expect("a poll");
        let mut response_len = None;
        let client = |number| {
            let mut stream =
                net::TcpStream::connect_timeout(&addr, LIMIT).expect("the server is connected to");
            stream.set_nodelay(true).expect("no delay");
            stream.set_read_timeout(Some(LIMIT)).expect("a limit");
            let len = *response_len.get_or_insert_with(|| exchange.response_len(&mut stream));
            stream.set_nonblocking(true).expect("a stream that does not block");
            let mut stream = TcpStream::from_std(stream);
            let registered =
                poll.registry().register(&mut stream, Token(number), Interest::READABLE);
            registered.expect("the poll takes a stream");
            Client {
                stream,
                request: exchange.request(number),
                response: vec![0; len + 1],
                received: 0,
                sent: Instant::now(),
            }
        };
        let clients = (0..connections).map(client).collect();
        Load {
            exchange,
            clients,
            waiting: 0,
            poll,
            events: Events::with_capacity(1024),
            from: Instant::now(),
            until: Instant::now(),
            round_trips: 0,
            latencies: Vec::with_capacity(1 << 18),
        }
    }

    /// Ends in time, whatever the server does. Returns how many round trips there were within `time`,
    /// which begins after a warm-up.
    pub(crate) fn run(&mut self, time: Duration) -> usize {
        let start = Instant::now();
        self.from = start + WARM_UP;
        self.until = self.from + time;
        self.clients.iter_mut().for_each(|client| client.send(Instant::now()));
        self.waiting = self.clients.len();
        self.exchange_until(self.until);
        self.round_trips
    }

    /// Waits for what has not come back yet, then closes the connections. The latencies are of all
    /// requests that came back after the warm-up.
    pub(crate) fn finish(mut self) -> Latencies {
        self.exchange_until(Instant::now() + LIMIT);
        assert_eq!(self.waiting, 0, "so many got no response within {LIMIT:?}");
        self.latencies.sort_unstable();
        Latencies(self.latencies)
    }

    fn exchange_until(&mut self, deadline: Instant) {
        while self.waiting > 0
            && let Some(left) = deadline.checked_duration_since(Instant::now())
        {
            match self.poll.poll(&mut self.events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled.expect("a poll"),
            }
            for event in &self.events {
                let client = &mut self.clients[event.token().0];
                if !client.receive(self.exchange) {
                    continue;
                }
                let now = Instant::now();
                if now >= self.from {
                    self.latencies.push(now - client.sent);
                }
                if now < self.until {
                    self.round_trips += usize::from(now >= self.from);
                    client.send(now);
                } else {
                    self.waiting -= 1;
                }
            }
        }
    }
}

/// In order.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// In microseconds, the value that so many percent of all do not exceed.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let rank = (self.0.len() as f64 * percent / 100.0).ceil() as usize;
        self.0[rank.saturating_sub(1)].as_secs_f64() * 1e6
    }
}
