//! The threads of the endpoint: one accepts, one for each connection answers.

use super::answer::{Answer, Status};
use super::request::Request;
use super::routes::{self, Visit};
use super::{DebugEndpoint, StartError};
use crate::report;
use crate::runtime::Handle;
use crate::scheduler::Scheduler;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// How many connections there may be at a time.
const MOST_CONNECTIONS: usize = 16;

/// How long nothing is accepted after the system could not: of descriptors for example there may be
/// some more then.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// How often a request that records looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

const LISTENER: Token = Token(0);
const STOP: Token = Token(1);

/// A debug endpoint that listens, see [`Handle::serve_debug`]. It ends when this is dropped.
#[must_use = "the endpoint ends when this is dropped"]
pub struct DebugServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    waker: Waker,
    acceptor: Option<thread::JoinHandle<()>>,
}

/// What the threads know.
pub(super) struct Shared {
    scheduler: Weak<Scheduler>,
    is_local: bool,
    stopped: AtomicBool,
    connections: AtomicUsize,
}

impl DebugServer {
    pub(crate) fn start(handle: &Handle, endpoint: DebugEndpoint) -> io::Result<DebugServer> {
        let asked = endpoint.addr;
        let is_local = endpoint.is_local();
        if is_local && !asked.ip().is_loopback() {
            return Err(StartError::NotLoopback(asked).into());
        }
        let listen = || {
            let mut listener = TcpListener::bind(asked)?;
            let addr = listener.local_addr()?;
            let poll = Poll::new()?;
            poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
            let waker = Waker::new(poll.registry(), STOP)?;
            Ok((listener, addr, poll, waker))
        };
        let (listener, addr, poll, waker) =
            listen().map_err(|error| StartError::Listen(asked, error))?;
        let shared = Arc::new(Shared {
            scheduler: handle.scheduler().downgrade(),
            is_local,
            stopped: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        });
        let accepting = shared.clone();
        let thread = thread::Builder::new().name("preempt-debug".to_owned());
        let acceptor = thread.spawn(move || accept_all(&accepting, &listener, poll))?;
        Ok(DebugServer { addr, shared, waker, acceptor: Some(acceptor) })
    }

    /// As the environment variable says. If it cannot be done, the program goes on without: it does not
    /// know of the variable. Of several runtimes the first one has the address.
    pub(crate) fn start_by_variable(handle: &Handle, addr: SocketAddr) -> Option<DebugServer> {
        let id = handle.id();
        match Self::start(handle, addr.into()) {
            Ok(server) => {
                let addr = server.addr;
                report::warn(format_args!("the debug endpoint of runtime {id}: http://{addr}"));
                Some(server)
            }
            Err(error) => {
                report::warn(format_args!("runtime {id} has no debug endpoint: {error}"));
                None
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for DebugServer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        // It fails only without a descriptor, which it has.
        let _ = self.waker.wake();
        if let Some(acceptor) = self.acceptor.take() {
            // It waits for nobody, and says what it has to say itself.
            let _ = acceptor.join();
        }
    }
}

impl fmt::Debug for DebugServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugServer").field("local_addr", &self.addr).finish_non_exhaustive()
    }
}

impl Shared {
    /// The endpoint is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    /// Waits so long. `false`: the endpoint or the runtime has ended.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            if self.is_stopped() || rest.is_zero() {
                return !self.is_stopped();
            }
            thread::sleep(rest.min(LOOK));
        }
    }
}

fn accept_all(shared: &Arc<Shared>, listener: &TcpListener, mut poll: Poll) {
    let mut events = Events::with_capacity(2);
    while !shared.is_stopped() {
        match listener.accept() {
            Ok((stream, _)) => admit(shared, stream.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if let Err(error) = poll.poll(&mut events, None)
                    && error.kind() != ErrorKind::Interrupted
                {
                    return report::warn(format_args!("the debug endpoint has ended: {error}"));
                }
            }
            // Somebody was there and is gone, or there are no descriptors.
            Err(_) => drop(poll.poll(&mut events, Some(PAUSE_AFTER_ERROR))),
        }
    }
}

/// A place among the connections.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// Gives a connection its thread, or refuses it.
fn admit(shared: &Arc<Shared>, mut stream: TcpStream) {
    // Only this thread adds.
    let is_full = shared.connections.fetch_add(1, Relaxed) >= MOST_CONNECTIONS;
    let place = Place(shared.clone());
    if is_full || stream.set_nonblocking(false).is_err() {
        let text = format!("there are {MOST_CONNECTIONS} connections already");
        return refuse(&mut stream, text);
    }
    let thread = thread::Builder::new().name("preempt-debug".to_owned());
    let (give, take) = channel();
    let body = move || {
        // It fails only if this function panics.
        if let Ok(stream) = take.recv() {
            serve(&place, stream);
        }
    };
    match thread.spawn(body) {
        // It waits for it.
        Ok(_) => drop(give.send(stream)),
        Err(error) => refuse(&mut stream, format!("there is no thread for the answer: {error}")),
    }
}

/// Without a thread, and so without waiting for the request.
fn refuse(stream: &mut TcpStream, text: String) {
    // Whoever is gone needs no answer.
    let _ = stream.set_nonblocking(true);
    let _ = Answer::text(Status::Unavailable, text).send(stream);
}

fn serve(place: &Place, mut stream: TcpStream) {
    let answer = match Request::read(&mut stream, place.0.is_local) {
        Ok(request) => answer(&place.0, &request),
        Err(Some(answer)) => answer,
        Err(None) => return,
    };
    // Whoever is gone needs no answer.
    let _ = answer.send(&mut stream);
}

fn answer(shared: &Shared, request: &Request) -> Answer {
    let Some(scheduler) = shared.scheduler.upgrade() else {
        return Answer::text(Status::Unavailable, "the runtime has ended");
    };
    let visit = Visit { handle: Handle::of(&scheduler), query: &request.query, shared };
    let found = catch_unwind(AssertUnwindSafe(|| routes::answer(&request.path, &visit)));
    found.unwrap_or_else(|_| Answer::text(Status::Failed, "a panic; see standard error"))
}
