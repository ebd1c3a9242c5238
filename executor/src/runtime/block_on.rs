//! Running one future on the calling thread, which runs nothing else.

use crate::scheduler::parker::Parker;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

/// Polls `future` whenever it is woken, until it is ready.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let sleeper = Arc::new(Sleeper::new());
    let waker = Waker::from(sleeper.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        sleeper.parker.park();
    }
}

/// The thread as something to be woken.
pub(super) struct Sleeper {
    pub(super) parker: Parker,
    /// The future was woken; for a thread that is unparked for other reasons as well.
    woken: AtomicBool,
}

impl Sleeper {
    pub(super) fn new() -> Self {
        Sleeper { parker: Parker::new(), woken: AtomicBool::new(true) }
    }

    /// Whether the future is to be polled. True at first, then once after each wake-up.
    pub(super) fn take_wake(&self) -> bool {
        self.woken.swap(false, SeqCst)
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, SeqCst);
        self.parker.unpark();
    }
}
