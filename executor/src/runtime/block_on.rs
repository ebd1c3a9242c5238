//! Running one future on the calling thread, which runs nothing else.

use crate::coop;
use crate::scheduler::Scheduler;
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
pub(crate) fn waker(sleeper: &Arc<Sleeper>) -> Waker {
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
pub(crate) struct Sleeper {
    pub(crate) parker: Parker,
    /// The future was woken; for a thread that is unparked for other reasons as well.
    woken: AtomicBool,
    /// The seeded runtime whose only machine gives the thread its turns.
    seeded: Option<Arc<Scheduler>>,
}

impl Sleeper {
    pub(super) fn new() -> Self {
        Sleeper { parker: Parker::new(), woken: AtomicBool::new(true), seeded: None }
    }

    /// For a thread that takes turns with the machine of a seeded runtime.
    pub(crate) fn of_seeded(scheduler: &Arc<Scheduler>) -> Self {
        Sleeper { seeded: Some(scheduler.clone()), ..Self::new() }
    }

    /// Whether [`take_wake`](Self::take_wake) would find a wake-up.
    pub(crate) fn has_wake(&self) -> bool {
        self.woken.load(SeqCst)
    }

    /// Whether the future is to be polled. True at first, then once after each wake-up.
    pub(crate) fn take_wake(&self) -> bool {
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
        if let Some(scheduler) = &self.seeded {
            scheduler.unpark(0);
        }
    }
}
