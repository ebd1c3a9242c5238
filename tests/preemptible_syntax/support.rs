//! One text, compiled plain and annotated; running the two and comparing what can be seen of them.

use preempt::preemptible;
use preempt_checkpoint::runtime;
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Each function becomes a test that it is the same plain and annotated. The text goes through as
/// tokens, as if it were written by hand.
macro_rules! both {
    ($($(#[$attr:meta])* fn $test:ident($n:ident: u32) -> $output:ty { $($body:tt)* })*) => {$(
        #[test]
        $(#[$attr])*
        fn $test() {
            fn plain($n: u32) -> $output { $($body)* }
            #[::preempt::preemptible]
            fn annotated($n: u32) -> $output { $($body)* }
            // Strips in every loop, also where the macro would choose otherwise.
            #[::preempt::preemptible(every = 5)]
            fn in_strips($n: u32) -> $output { $($body)* }
            $crate::support::compare(plain, annotated);
            $crate::support::compare(plain, in_strips);
        }
    )*};
}

/// [`both!`] for an `async fn`, run to its end.
macro_rules! both_async {
    ($($(#[$attr:meta])* async fn $test:ident($n:ident: u32) -> $output:ty { $($body:tt)* })*) => {$(
        #[test]
        $(#[$attr])*
        fn $test() {
            async fn plain($n: u32) -> $output { $($body)* }
            #[::preempt::preemptible]
            async fn annotated($n: u32) -> $output { $($body)* }
            #[::preempt::preemptible(every = 5)]
            async fn in_strips($n: u32) -> $output { $($body)* }
            $crate::support::compare(
                |n| $crate::support::block_on(plain(n)),
                |n| $crate::support::block_on(in_strips(n)),
            );
            $crate::support::compare(
                |n| $crate::support::block_on(plain(n)),
                |n| $crate::support::block_on(annotated(n)),
            );
        }
    )*};
}

/// Each module of items, among them `fn run(n: u32)`, becomes a test that `run` is the same in a
/// module without the `#[preemptible]` that stand in front of items, and in one with them.
macro_rules! items {
    ($($(#[$attr:meta])* mod $test:ident { $($items:tt)* })*) => {$(
        mod $test {
            $(#[$attr])*
            pub(super) mod plain {
                #[allow(unused_imports, reason = "some cases need none of it")]
                use super::super::*;
                without_preemptible! { [] $($items)* }
            }
            $(#[$attr])*
            pub(super) mod annotated {
                #[allow(unused_imports, reason = "some cases need none of it")]
                use super::super::*;
                $($items)*
            }
            #[test]
            fn the_same() {
                $crate::support::compare(plain::run, annotated::run);
            }
        }
    )*};
}

macro_rules! without_preemptible {
    ([$($out:tt)*]) => { $($out)* };
    ([$($out:tt)*] #[preemptible] $($rest:tt)*) => {
        without_preemptible! { [$($out)*] $($rest)* }
    };
    ([$($out:tt)*] #[preemptible $args:tt] $($rest:tt)*) => {
        without_preemptible! { [$($out)*] $($rest)* }
    };
    ([$($out:tt)*] $next:tt $($rest:tt)*) => {
        without_preemptible! { [$($out)* $next] $($rest)* }
    };
}

/// Arguments around the lengths of the strips that a loop may be cut into.
const ARGUMENTS: [u32; 25] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 17, 63, 64, 65, 500, 1023, 1024, 1025, 2048,
    2100,
];

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static CHECKS: Cell<u64> = const { Cell::new(0) };
}

/// Makes `entry` part of what is compared.
pub(crate) fn log(entry: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(entry.into()));
}

/// Logs its drop.
#[derive(Clone)]
pub(crate) struct Noisy<T: Debug>(pub(crate) T);

impl<T: Debug> Drop for Noisy<T> {
    fn drop(&mut self) {
        log(format!("drop {:?}", self.0));
    }
}

pub(crate) fn compare<R: Debug + PartialEq>(
    plain: impl Fn(u32) -> R,
    annotated: impl Fn(u32) -> R,
) {
    for n in ARGUMENTS {
        let (expected, checks) = with_request(|| (plain(n), LOG.take()));
        assert_eq!(checks, 0, "the plain one is not plain");
        assert_eq!((annotated(n), LOG.take()), expected, "argument {n}");
        let (requested, _) = with_request(|| (annotated(n), LOG.take()));
        assert_eq!(requested, expected, "argument {n}, under a request");
    }
}

/// Runs `body` with a request that stays up, and says how many checks have seen it.
fn with_request<R>(body: impl FnOnce() -> R) -> (R, u64) {
    struct Installed;
    impl Drop for Installed {
        fn drop(&mut self) {
            runtime::uninstall();
        }
    }
    let _installed = Installed;
    CHECKS.set(0);
    runtime::install(|| CHECKS.set(CHECKS.get() + 1));
    // SAFETY: the flag is this thread's own.
    unsafe { runtime::this_thread().request_remote() };
    let output = body();
    (output, CHECKS.get())
}

/// Polls until `future` is ready: nothing in these tests waits for anybody.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..1_000_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    panic!("the future does not get on");
}

items! {
    mod a_long_loop {
        #[preemptible]
        pub(super) fn run(n: u32) -> u32 {
            let mut sum = 0;
            for i in 0..n {
                sum ^= std::hint::black_box(i);
            }
            sum
        }

        pub(in super::super) fn checks() -> u64 {
            with_request(|| run(1 << 20)).1
        }
    }
}

#[test]
fn only_the_annotated_instance_is_annotated() {
    assert_eq!(a_long_loop::plain::checks(), 0);
    assert!(a_long_loop::annotated::checks() > 10);
}
