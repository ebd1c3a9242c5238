//! Beside other attributes that are macros, in either order, on a real runtime.

use preempt::preemptible;
use std::pin::Pin;
use std::rc::Rc;

#[test]
#[preemptible]
fn below_test() {
    let mut sum = 0;
    for i in 0..3 {
        sum += i;
    }
    assert_eq!(sum, 3);
}

#[preemptible]
#[test]
fn above_test() {
    let mut sum = 0;
    for i in 0..3 {
        sum += i;
    }
    assert_eq!(sum, 3);
}

#[preemptible]
#[test]
#[should_panic(expected = "on purpose")]
fn a_test_that_panics() {
    for i in 0..3 {
        assert!(i < 2, "on purpose");
    }
}

#[preempt::test]
#[preemptible]
async fn below_a_test_of_the_runtime() {
    let mut sum = 0;
    for i in 0..3 {
        sum += preempt::spawn(async move { i }).await.unwrap();
    }
    assert_eq!(sum, 3);
}

#[preemptible]
#[preempt::test(flavor = "multi_thread", worker_threads = 1)]
async fn above_a_test_of_the_runtime() -> Result<(), Box<dyn std::error::Error>> {
    let mut sum = 0;
    while sum < 3 {
        sum += preempt::spawn(async { 1 }).await?;
    }
    assert_eq!(sum, 3);
    Ok(())
}

#[test]
fn beside_main() {
    #[preempt::main(flavor = "current_thread")]
    #[preemptible]
    async fn below(n: u32) -> u32 {
        let mut sum = 0;
        for i in 0..n {
            sum += preempt::spawn(async move { i }).await.unwrap();
        }
        sum
    }

    #[preemptible]
    #[preempt::main(flavor = "current_thread")]
    async fn above(n: u32) -> u32 {
        let mut sum = 0;
        for i in 0..n {
            sum += preempt::spawn(async move { i }).await.unwrap();
        }
        sum
    }

    assert_eq!((below(4), above(4)), (6, 6));
}

/// `derive` and the like stay what they are inside a module, and so do receivers of every type.
#[preemptible]
mod module {
    use super::{Pin, Rc};
    use std::task::{Context, Poll};

    #[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[repr(C)]
    pub(super) struct Countdown {
        pub(super) left: u32,
    }

    impl Future for Countdown {
        type Output = &'static str;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'static str> {
            while self.left > 0 {
                self.left -= 1;
                if self.left % 2 == 0 {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            Poll::Ready("done")
        }
    }

    impl Countdown {
        pub(super) fn counted(self: Rc<Self>) -> u32 {
            let mut r#loop = 0;
            for r#for in 0..self.left {
                r#loop += r#for;
            }
            r#loop
        }

        pub(super) fn pinned(self: Pin<Box<Self>>) -> u32 {
            let mut n = 0;
            while n < self.left {
                n += 2;
            }
            n
        }
    }
}

#[test]
fn an_annotated_module_of_all_sorts() {
    let countdown = module::Countdown { left: 5 };
    assert_eq!(countdown, countdown.clone());
    assert_eq!(crate::support::block_on(countdown.clone()), "done");
    assert_eq!(Rc::new(countdown.clone()).counted(), 10);
    assert_eq!(Box::pin(countdown).pinned(), 6);
}
