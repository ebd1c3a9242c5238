//! The thread that asks the endpoint again and again, for all consoles together.

use super::translate::Known;
use crate::client::{Client, Failure};
use crate::dump::Dump;
use console_api::instrument::Update;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};
use tokio::sync::{broadcast, oneshot, watch};

/// How many updates a console may be behind.
const BACKLOG: usize = 32;

/// What is known of the tasks, and who wants to hear of it.
pub(super) struct Observer {
    known: Mutex<Known>,
    updates: broadcast::Sender<Update>,
    paused: watch::Sender<bool>,
}

impl Observer {
    /// Fails if the endpoint does not answer now; the future, when it does not any more.
    pub(super) fn start(
        client: Client,
        interval: Duration,
    ) -> Result<(Arc<Self>, impl Future<Output = Failure>), Failure> {
        let mut known = Known::default();
        known.update(&Dump::get(&client, None)?, SystemTime::now());
        let (updates, _) = broadcast::channel(BACKLOG);
        let (paused, _) = watch::channel(false);
        let observer = Arc::new(Observer { known: Mutex::new(known), updates, paused });
        let observing = observer.clone();
        let (tell, told) = oneshot::channel();
        thread::spawn(move || {
            let failure = observing.observe(&client, interval);
            // Nobody listens when the server has failed first.
            let _ = tell.send(failure);
        });
        let gone = || Failure::Output(io::Error::other("the observing thread has panicked"));
        Ok((observer, async move { told.await.unwrap_or_else(|_| gone()) }))
    }

    fn observe(&self, client: &Client, interval: Duration) -> Failure {
        loop {
            if *self.paused.borrow() {
                thread::sleep(interval);
                continue;
            }
            let dump = match Dump::get(client, Some(interval)) {
                Ok(dump) => dump,
                Err(failure) => return failure,
            };
            let mut known = self.known();
            let update = known.update(&dump, SystemTime::now());
            // Nobody may be there. Under the lock, so that it comes after a newcomer's first update.
            let _ = self.updates.send(update);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything, and then what changes.
    pub(super) fn subscribe(&self) -> (Update, broadcast::Receiver<Update>) {
        let known = self.known();
        (known.all(SystemTime::now()), self.updates.subscribe())
    }

    /// Whether nobody looks for the time being.
    pub(super) fn paused(&self) -> watch::Receiver<bool> {
        self.paused.subscribe()
    }

    pub(super) fn pause(&self, yes: bool) {
        self.paused.send_replace(yes);
    }
}
