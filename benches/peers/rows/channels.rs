//! Many tasks that meet in one place. The channels and locks are tokio's on every runtime.

use super::{NANOS, nanos_each};
use crate::peers::Peer;
use crate::turns::Work;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Mutex, Semaphore, mpsc};

const TASKS: usize = 8;

/// Many tasks send to one, through a channel that has room for 64 messages.
pub(crate) struct FanIn;

impl Work for FanIn {
    const NAME: &'static str = "mpsc, 8 senders";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const MESSAGES: usize = 5_000;
        async fn send(sender: mpsc::Sender<usize>) {
            for message in 0..MESSAGES {
                sender.send(message).await.expect("somebody receives");
            }
        }
        peer.run(async {
            let start = Instant::now();
            let (sender, mut receiver) = mpsc::channel(64);
            (0..TASKS).for_each(|_| P::detach(P::spawn(send(sender.clone()))));
            drop(sender);
            let mut count = 0;
            while receiver.recv().await.is_some() {
                count += 1;
            }
            assert_eq!(count, TASKS * MESSAGES);
            nanos_each(start, count)
        })
    }
}

/// Waits for what `contend` returns for each task.
async fn by_all<P: Peer, F>(mut contend: impl FnMut() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<_> = (0..TASKS).map(|_| P::spawn(contend())).collect();
    for task in tasks {
        task.await;
    }
}

/// Tasks that hold a lock over a yield, so that the others have to queue for it.
pub(crate) struct ContendedMutex;

impl Work for ContendedMutex {
    const NAME: &'static str = "mutex, 8 tasks";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const TURNS: usize = 2_000;
        async fn add<P: Peer>(sum: Arc<Mutex<usize>>) {
            for _ in 0..TURNS {
                let mut sum = sum.lock().await;
                P::yield_now().await;
                *sum += 1;
            }
        }
        peer.run(async {
            let start = Instant::now();
            let sum = Arc::new(Mutex::new(0));
            by_all::<P, _>(|| add::<P>(sum.clone())).await;
            assert_eq!(*sum.lock().await, TASKS * TURNS);
            nanos_each(start, TASKS * TURNS)
        })
    }
}

/// The same with a semaphore of two permits.
pub(crate) struct ContendedSemaphore;

impl Work for ContendedSemaphore {
    const NAME: &'static str = "semaphore, 8 tasks, 2 permits";
    const UNITS: &'static [&'static str] = NANOS;

    fn turn<P: Peer>(peer: &P) -> Vec<f64> {
        const TURNS: usize = 2_000;
        async fn pass<P: Peer>(semaphore: Arc<Semaphore>) {
            for _ in 0..TURNS {
                let _permit = semaphore.acquire().await.expect("it is not closed");
                P::yield_now().await;
            }
        }
        peer.run(async {
            let start = Instant::now();
            let semaphore = Arc::new(Semaphore::new(2));
            by_all::<P, _>(|| pass::<P>(semaphore.clone())).await;
            nanos_each(start, TASKS * TURNS)
        })
    }
}
