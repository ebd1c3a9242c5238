//! Running one future on the calling thread, which runs nothing else.

use crate::coop;
use crate::scheduler::parker::Parker;
use std::future::Future;
use std::pin::pin;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};

/// Polls `future` whenever it is woken, until it is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let sleeper = Arc::new(Sleeper::new());
    let waker = waker(&sleeper);
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = coop::with_budget(|| future.as_mut().poll(&mut cx)) {
            return output;
        }
        sleeper.parker.park();
    }
}

/// The only place that makes such wakers, so that they have one table of functions, whose address
/// tells them from others.
#[inline(never)]
pub(super) fn waker(sleeper: &Arc<Sleeper>) -> Waker {
    Waker::from(sleeper.clone())
}

/// One of them, to compare others with.
static KNOWN: LazyLock<Waker> = LazyLock::new(|| waker(&Arc::new(Sleeper::new())));

/// To be called before anything can be suspended: a poll that is suspended while it makes the waker
/// would hold up the monitor.
pub(super) fn prepare() {
    LazyLock::force(&KNOWN);
}

/// Whether it is the waker of a thread in `block_on`.
pub(crate) fn is_block_on_waker(candidate: &Waker) -> bool {
    ptr::eq(candidate.vtable(), KNOWN.vtable())
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
        let _done = self.parker.unpark();
    }
}
