//! What the tests share: pools of both backends, and work on a fiber whose panic fails the test.

#![allow(dead_code, reason = "each test file uses a part of it")]

use preempt_fiber::{Backend, Builder, Leave, Machine, Pool, Suspended};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

/// Runs a test body with every way to switch that works here.
pub(crate) fn on_every_backend(mut body: impl FnMut(Builder)) {
    for backend in [Backend::User, Backend::Kernel] {
        if backend.is_supported() {
            body(Builder::new().backend(backend));
        }
    }
    if Backend::User.is_supported() {
        body(Builder::new().backend(Backend::User).force_fs_syscall(true));
    }
}

pub(crate) fn pool_with(builder: Builder, spares: usize) -> Pool {
    let pool = builder.build().expect("the backend is supported");
    assert_eq!(pool.prepare(spares).expect("threads can be made"), spares);
    pool
}

/// Makes the calling thread a machine, runs `work` on a fiber and gives its result.
pub(crate) fn on_a_fiber<R: Send + 'static>(
    pool: &Pool,
    work: impl FnOnce() -> R + Send + 'static,
) -> R {
    let spare = pool.take_spare().expect("a spare");
    let result = Arc::new(Mutex::new(None));
    let theirs = Arc::clone(&result);
    let body = move || {
        *theirs.lock().unwrap() = Some(catch_unwind(AssertUnwindSafe(work)));
        Leave::Exit
    };
    Machine::new(1).run(spare, body).expect("a machine");
    let outcome = result.lock().unwrap().take().expect("the work is done");
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Where suspended fibers wait.
#[derive(Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<Vec<Suspended>>>);

impl Queue {
    pub(crate) fn push(&self, fiber: Suspended) {
        self.0.lock().unwrap().push(fiber);
    }

    pub(crate) fn pop(&self) -> Option<Suspended> {
        self.0.lock().unwrap().pop()
    }

    /// Takes the fiber that has waited longest.
    pub(crate) fn pop_first(&self) -> Option<Suspended> {
        let mut fibers = self.0.lock().unwrap();
        if fibers.is_empty() { None } else { Some(fibers.remove(0)) }
    }

    /// Waits for a fiber.
    pub(crate) fn take(&self) -> Suspended {
        loop {
            match self.pop_first() {
                Some(fiber) => return fiber,
                None => thread::yield_now(),
            }
        }
    }

    pub(crate) fn publisher(&self) -> impl FnOnce(Suspended) + Send + 'static {
        let queue = self.clone();
        move |fiber| queue.push(fiber)
    }
}
