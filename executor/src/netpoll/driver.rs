//! A stand-in for the poller: one thread per runtime that does nothing else.

use super::ready::Ready;
use super::registration::runtime_is_gone;
use super::scheduled_io::ScheduledIo;
use crate::report;
use crate::sync::Mutex;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use slab::Slab;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;

const WAKE: Token = Token(usize::MAX);

/// The poller of a runtime.
#[derive(Default)]
pub(crate) struct Netpoll {
    started: OnceLock<Started>,
    shared: Arc<Mutex<Shared>>,
}

struct Started {
    registry: Registry,
    waker: Waker,
}

#[derive(Default)]
struct Shared {
    ios: Slab<Arc<ScheduledIo>>,
    closed: bool,
}

impl Netpoll {
    fn started(&self) -> io::Result<&Started> {
        if self.started.get().is_none() {
            let poll = Poll::new()?;
            let registry = poll.registry().try_clone()?;
            let waker = Waker::new(&registry, WAKE)?;
            // Another thread may have been faster; then this one's poller ends at once.
            if self.started.set(Started { registry, waker }).is_ok() {
                let shared = self.shared.clone();
                thread::Builder::new()
                    .name("preempt-netpoll".to_owned())
                    .spawn(move || run(poll, &shared))?;
            }
        }
        self.started.get().ok_or_else(runtime_is_gone)
    }

    pub(crate) fn register(
        &self,
        source: &mut impl mio::event::Source,
        interest: Interest,
    ) -> io::Result<Arc<ScheduledIo>> {
        let started = self.started()?;
        let io = {
            let mut shared = self.shared.lock();
            if shared.closed {
                return Err(runtime_is_gone());
            }
            let entry = shared.ios.vacant_entry();
            let io = Arc::new(ScheduledIo::new(entry.key()));
            entry.insert(io.clone());
            io
        };
        if let Err(error) = started.registry.register(source, Token(io.token()), interest) {
            self.shared.lock().ios.remove(io.token());
            return Err(error);
        }
        Ok(io)
    }

    pub(crate) fn deregister(
        &self,
        io: &Arc<ScheduledIo>,
        source: &mut impl mio::event::Source,
    ) -> io::Result<()> {
        let result = self.started()?.registry.deregister(source);
        let removed = self.shared.lock().ios.try_remove(io.token());
        drop(removed);
        result
    }

    pub(crate) fn close(&self) {
        let mut wakers = Vec::new();
        {
            let mut shared = self.shared.lock();
            shared.closed = true;
            for (_, io) in &shared.ios {
                io.shut_down(&mut wakers);
            }
        }
        wake_all(wakers);
        if let Some(started) = self.started.get() {
            drop(started.waker.wake());
        }
    }
}

fn wake_all(wakers: Vec<std::task::Waker>) {
    for waker in wakers {
        report::contain("a waker", || waker.wake());
    }
}

fn run(mut poll: Poll, shared: &Mutex<Shared>) {
    let mut events = Events::with_capacity(256);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            _ => {}
        }
        let mut wakers = Vec::new();
        for event in &events {
            let io = shared.lock().ios.get(event.token().0).cloned();
            if let Some(io) = io {
                io.dispatch(Ready::from_mio(event), &mut wakers);
            }
        }
        wake_all(wakers);
        if shared.lock().closed {
            return;
        }
    }
}
