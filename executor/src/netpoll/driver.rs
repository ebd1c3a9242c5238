//! The system's event queue, and who polls it.
//!
//! One thread polls at a time, whoever has the lock of the `Poller`:
//! 1. a machine that has run out of work, or has not looked for a while, in passing;
//! 2. the *keeper*: one of the sleeping processors, whose thread sleeps in the poll instead of in its
//!    parker, until there is an event, the next timer is due or it is unparked;
//! 3. the monitor, as the keeper, when every processor is in a poll that goes on and on; and in
//!    passing, when nobody has looked for too long.
//!
//! So somebody always waits for events, unless all processors are at work, and then one of them looks
//! soon.
//!
//! Who is the keeper, and why no timer and no unpark is missed: `keeper.rs`.
//!
//! # No event is taken for another source's (why tokens have a generation)
//! Between the end of a poll and the look at the table of sources, a source may go and another be
//! registered in its place. Its token then has the same place and another generation, so that the
//! event finds nobody. Otherwise a connection that is being made would seem to be there.
//!
//! # Whose wakers run here
//! None: events are collected into a list of wakers, which the caller wakes when it has given up the
//! lock, see `Scheduler::wake_all`.

use super::alarm::Alarm;
use super::keeper::Keeper;
use super::ready::Ready;
use super::registration::runtime_is_gone;
use super::scheduled_io::ScheduledIo;
use crate::metrics::bump;
use crate::report;
use crate::scheduler::parker::Parker;
use crate::sync::Mutex;
use mio::event::Source;
use mio::{Interest, Token};
use slab::Slab;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::task::Waker;
use std::time::{Duration, Instant};

/// Ends a poll.
const BREAK: Token = Token(usize::MAX);
/// A timer is due.
const ALARM: Token = Token(usize::MAX - 1);

/// How many bits of a token say where in the table its source is; the rest is the generation. At
/// least a million sources, also on 32-bit systems.
const PLACE_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };

/// How many events one poll brings at most; what is left comes with the next.
const EVENTS: usize = 256;

/// How long after the last poll the monitor looks, if nobody else does.
const STALE_AFTER: Duration = Duration::from_micros(100);

pub(crate) struct Netpoll {
    poller: Mutex<Poller>,
    keeper: Keeper,
    sources: Mutex<Sources>,
    /// How many sources there are, to be read without the lock.
    count: AtomicUsize,
    /// When a poll last ended, in nanoseconds after `epoch`.
    last_poll: AtomicU64,
    /// Polls, and events that they brought. Written under the lock of the poller.
    polls: AtomicU64,
    events: AtomicU64,
    registry: mio::Registry,
    alarm: Alarm,
    breaker: mio::Waker,
    epoch: Instant,
}

struct Poller {
    poll: mio::Poll,
    events: mio::Events,
}

#[derive(Default)]
struct Sources {
    ios: Slab<Arc<ScheduledIo>>,
    /// Counts the registrations, and wraps around.
    generation: usize,
    /// The runtime has shut down.
    closed: bool,
}

impl Sources {
    fn add(&mut self) -> Arc<ScheduledIo> {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.ios.vacant_entry();
        let io = Arc::new(ScheduledIo::new(self.generation << PLACE_BITS | entry.key()));
        entry.insert(io.clone());
        io
    }

    /// The source with this token, if it is still there.
    fn get(&self, token: usize) -> Option<&Arc<ScheduledIo>> {
        self.ios.get(place(token)).filter(|io| io.token() == token)
    }

    /// After shutdown it is gone already.
    fn remove(&mut self, token: usize) {
        if self.get(token).is_some() {
            self.ios.remove(place(token));
        }
    }
}

fn place(token: usize) -> usize {
    token & ((1 << PLACE_BITS) - 1)
}

impl Netpoll {
    /// # Errors
    /// When the system has no files left.
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let alarm = Alarm::new(&registry, ALARM)?;
        let breaker = mio::Waker::new(&registry, BREAK)?;
        Ok(Netpoll {
            poller: Mutex::new(Poller { poll, events: mio::Events::with_capacity(EVENTS) }),
            keeper: Keeper::new(),
            sources: Mutex::default(),
            count: AtomicUsize::new(0),
            last_poll: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            events: AtomicU64::new(0),
            registry,
            alarm,
            breaker,
            epoch: Instant::now(),
        })
    }

    /// Begins to watch a source. Events are edges: each is told once.
    ///
    /// # Errors
    /// When the runtime has shut down, or the system refuses.
    pub(crate) fn register(
        &self,
        source: &mut impl Source,
        interest: Interest,
    ) -> io::Result<Arc<ScheduledIo>> {
        let io = self.add()?;
        match self.registry.register(source, Token(io.token()), interest) {
            Ok(()) => Ok(io),
            Err(error) => {
                self.remove(&io);
                Err(error)
            }
        }
    }

    /// Ends what [`register`](Self::register) began.
    ///
    /// # Errors
    /// When the system refuses; the source is forgotten all the same.
    pub(crate) fn deregister(
        &self,
        io: &Arc<ScheduledIo>,
        source: &mut impl Source,
    ) -> io::Result<()> {
        let result = self.registry.deregister(source);
        self.remove(io);
        result
    }

    fn add(&self) -> io::Result<Arc<ScheduledIo>> {
        let mut sources = self.sources.lock();
        if sources.closed {
            return Err(runtime_is_gone());
        }
        let io = sources.add();
        self.count.store(sources.ios.len(), SeqCst);
        Ok(io)
    }

    fn remove(&self, io: &Arc<ScheduledIo>) {
        let mut sources = self.sources.lock();
        sources.remove(io.token());
        self.count.store(sources.ios.len(), SeqCst);
    }

    /// The runtime shuts down: whoever waits for a source is told, and nothing is registered any more.
    pub(crate) fn close(&self, wakers: &mut Vec<Waker>) {
        let ios = {
            let mut sources = self.sources.lock();
            sources.closed = true;
            self.count.store(0, SeqCst);
            std::mem::take(&mut sources.ios)
        };
        ios.iter().for_each(|(_, io)| io.shut_down(wakers));
    }

    /// How many polls there were, and how many events of sources.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        (self.polls.load(Relaxed), self.events.load(Relaxed))
    }

    /// How many sources there are.
    pub(crate) fn sources(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Whether somebody sleeps in the poll, or is about to.
    pub(crate) fn has_keeper(&self) -> bool {
        self.keeper.is_there()
    }

    /// Whether there are sources and nobody sleeps in the poll.
    pub(crate) fn is_unattended(&self) -> bool {
        self.count.load(Relaxed) > 0 && !self.has_keeper()
    }

    /// A timer was set that the keeper may not know of.
    pub(crate) fn set_alarm(&self, due: Instant) {
        self.alarm.set(due);
    }

    /// Fetches the keeper out of the poll.
    pub(crate) fn break_poll(&self) {
        wake(&self.breaker);
    }

    /// Sleeps until the processor is unparked; if there is no keeper, as the keeper, until an event or
    /// a timer at the latest. `true`: as the keeper.
    pub(crate) fn sleep_on(
        &self,
        processor: usize,
        parker: &Parker,
        next_timer: impl FnOnce() -> Option<Instant>,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        self.keeper.sleep_on(&self.poller, processor, parker, |poller| {
            self.poll(poller, self.alarm.limit(next_timer()), wakers);
        })
    }

    /// Sleeps in the poll as the monitor, until `until` at the latest. `true`: it was the keeper, and a
    /// processor that went to sleep meanwhile is not; `false`: somebody else polls.
    pub(crate) fn sleep_as_monitor(
        &self,
        until: Instant,
        next_timer: impl FnOnce() -> Option<Instant>,
        is_kicked: impl FnOnce() -> bool,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        self.keeper.sleep_as_monitor(&self.poller, is_kicked, |poller| {
            let left = whole_millis(until.saturating_duration_since(Instant::now()));
            let limit = self.alarm.limit(next_timer()).map_or(left, |limit| limit.min(left));
            self.poll(poller, Some(limit), wakers);
        })
    }

    /// Collects what is ready, unless there is nothing to wait for or somebody else polls.
    pub(crate) fn poll_in_passing(&self, wakers: &mut Vec<Waker>) {
        if self.is_unattended()
            && let Some(mut poller) = self.poller.try_lock()
        {
            self.poll(&mut poller, Some(Duration::ZERO), wakers);
        }
    }

    /// As [`poll_in_passing`](Self::poll_in_passing), if nobody has looked for a while.
    pub(crate) fn poll_if_stale(&self, now: Instant, wakers: &mut Vec<Waker>) {
        let last = self.epoch + Duration::from_nanos(self.last_poll.load(Relaxed));
        if now.saturating_duration_since(last) >= STALE_AFTER {
            self.poll_in_passing(wakers);
        }
    }

    /// Waits for events until the limit, if there is one.
    fn poll(&self, poller: &mut Poller, limit: Option<Duration>, wakers: &mut Vec<Waker>) {
        let Poller { poll, events } = poller;
        bump(&self.polls, 1);
        match poll.poll(events, limit) {
            Ok(()) => self.dispatch(events, wakers),
            // As if nothing had come: whoever waits polls again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => report::abort(format_args!("events cannot be waited for: {error}")),
        }
        let elapsed = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last_poll.store(elapsed, Relaxed);
    }

    fn dispatch(&self, events: &mio::Events, wakers: &mut Vec<Waker>) {
        if events.is_empty() {
            return;
        }
        let is_of_source = |event: &&mio::event::Event| ![BREAK, ALARM].contains(&event.token());
        bump(&self.events, events.iter().filter(is_of_source).count() as u64);
        let sources = self.sources.lock();
        for event in events {
            match event.token() {
                BREAK => {}
                ALARM => self.alarm.rang(),
                Token(token) => {
                    if let Some(io) = sources.get(token) {
                        io.dispatch(Ready::from_mio(event), wakers);
                    }
                }
            }
        }
    }
}

/// Rounded down, so that the monitor is not late; it goes on looking more often then.
fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Makes the poll that is under way, or the next one, return.
pub(super) fn wake(breaker: &mio::Waker) {
    if let Err(error) = breaker.wake() {
        // The thread that sleeps there could never be woken again.
        report::abort(format_args!("a thread that waits for events cannot be woken: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// It went to sleep for good, and no processor was left that would have waited for events.
    #[test]
    fn a_monitor_that_finds_somebody_polling_is_not_the_keeper_for_a_moment() {
        let netpoll = Netpoll::new().unwrap();
        let someone_polls = netpoll.poller.lock();
        thread::scope(|scope| {
            let monitor = scope.spawn(|| {
                let until = Instant::now() + Duration::from_millis(1);
                netpoll.sleep_as_monitor(until, || None, || false, &mut Vec::new())
            });
            while !monitor.is_finished() {
                assert!(!netpoll.has_keeper());
            }
            assert!(!monitor.join().unwrap());
        });
        drop(someone_polls);
        let until = Instant::now() + Duration::from_millis(1);
        assert!(netpoll.sleep_as_monitor(until, || None, || false, &mut Vec::new()));
        assert!(!netpoll.has_keeper());
    }

    #[test]
    fn an_event_of_before_finds_nobody() {
        let mut sources = Sources::default();
        let first = sources.add();
        sources.remove(first.token());
        let second = sources.add();
        assert_eq!(place(first.token()), place(second.token()), "the place is free again");
        assert!(sources.get(first.token()).is_none());
        assert!(sources.get(second.token()).is_some_and(|io| Arc::ptr_eq(io, &second)));
        // A second time it takes nothing from the other.
        sources.remove(first.token());
        assert!(sources.get(second.token()).is_some());
        assert!([BREAK, ALARM].iter().all(|token| sources.get(token.0).is_none()));
    }
}
