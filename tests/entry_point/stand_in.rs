//! The part of a runtime that `#[preempt::main]` calls, so that the macro is tested without one.

#![allow(dead_code, unreachable_pub, reason = "each case uses a part of it")]

pub mod runtime {
    use std::cell::RefCell;
    use std::future::Future;
    use std::io;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    thread_local! {
        /// What was called on the builder, in order.
        pub static CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn note(call: impl Into<String>) {
        CALLS.with_borrow_mut(|calls| calls.push(call.into()));
    }

    pub struct Builder(());

    impl Builder {
        pub fn new_multi_thread() -> Self {
            note("multi_thread");
            Builder(())
        }

        pub fn new_current_thread() -> Self {
            note("current_thread");
            Builder(())
        }

        pub fn worker_threads(&mut self, n: usize) -> &mut Self {
            note(format!("worker_threads {n}"));
            self
        }

        pub fn enable_all(&mut self) -> &mut Self {
            note("enable_all");
            self
        }

        pub fn build(&mut self) -> io::Result<Runtime> {
            Ok(Runtime(()))
        }
    }

    pub struct Runtime(());

    impl Runtime {
        pub fn block_on<F: Future>(&self, future: F) -> F::Output {
            let mut pinned = pin!(future);
            let mut cx = Context::from_waker(Waker::noop());
            loop {
                if let Poll::Ready(output) = pinned.as_mut().poll(&mut cx) {
                    return output;
                }
            }
        }
    }
}
