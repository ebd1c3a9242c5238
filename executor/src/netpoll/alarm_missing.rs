//! Where the system has no `timerfd`: the poll is given a limit, and is fetched when an earlier timer
//! is set.

use mio::{Registry, Token};
use std::io;
use std::time::{Duration, Instant};

pub(super) struct Alarm {
    breaker: mio::Waker,
}

impl Alarm {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Alarm { breaker: mio::Waker::new(registry, token)? })
    }

    /// Ends the poll that is under way, so that the next one has the right limit.
    pub(super) fn set(&self, _due: Instant) {
        super::driver::wake(&self.breaker);
    }

    pub(super) fn limit(&self, due: Option<Instant>) -> Option<Duration> {
        due.map(|due| due.saturating_duration_since(Instant::now()))
    }

    pub(super) fn rang(&self) {}
}
