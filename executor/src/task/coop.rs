//! The budget of a poll: how much a task may do without waiting before it lets others go first.
//!
//! A task that finds its sockets, timers and handles ready all the time would never return from its
//! poll. It is preempted like any other, but that is dearer than to return by itself: so each poll has
//! a budget, every such resource takes a unit of it when it is ready, and when nothing is left all of
//! them are pending until the next poll. 128 units, as in tokio.
//!
//! The budget is in a thread-local, and so stays with the poll when it is detached. Whoever polls a
//! future for its own sake sets it: the polls of tasks and of `block_on`. Elsewhere, and in blocking
//! code, it is unlimited: nobody would renew it there.
//!
//! # Executors inside a poll
//! Sync code inside a poll may have an executor of its own, `futures::executor::block_on` say. That one
//! polls again at once, in the same poll of the task, and would find everything pending for ever. So a
//! poll that has been refused often enough gets a new budget: it does not return, whatever the reason.
//! Tokio hangs there.

use pin_project_lite::pin_project;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What a poll may spend.
const UNITS_PER_POLL: u8 = 128;

/// How often a poll is refused before it gets a new budget. A task that waits for many resources at a
/// time asks once for each, and then returns.
const MOST_REFUSALS: u8 = 128;

thread_local! {
    static BUDGET: Cell<Budget> = const { Cell::new(Budget::UNLIMITED) };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    is_limited: bool,
    units: u8,
    refusals: u8,
}

impl Budget {
    const UNLIMITED: Budget = Budget { is_limited: false, units: 0, refusals: 0 };
    const OF_A_POLL: Budget = Budget { is_limited: true, units: UNITS_PER_POLL, refusals: 0 };

    fn is_spent(self) -> bool {
        self.is_limited && self.units == 0
    }

    /// What is left when a unit is spent.
    fn spend(self) -> Budget {
        Budget { units: self.units.saturating_sub(1), ..self }
    }

    /// What is left when a unit was refused.
    fn refuse(self) -> Budget {
        if self.refusals + 1 < MOST_REFUSALS {
            Budget { refusals: self.refusals + 1, ..self }
        } else {
            Budget::OF_A_POLL
        }
    }
}

/// Puts the budget back that was there before.
struct Previous(Budget);

impl Drop for Previous {
    #[inline]
    fn drop(&mut self) {
        BUDGET.set(self.0);
    }
}

/// Calls `poll` with a new budget.
#[inline]
pub(crate) fn with_budget<R>(poll: impl FnOnce() -> R) -> R {
    let _previous = Previous(BUDGET.replace(Budget::OF_A_POLL));
    poll()
}

/// Calls `f` without a limit.
#[inline]
pub(crate) fn with_unlimited<R>(f: impl FnOnce() -> R) -> R {
    let _previous = Previous(BUDGET.replace(Budget::UNLIMITED));
    f()
}

/// Whether something is left of the budget of this poll.
#[inline]
#[must_use]
pub fn has_budget_remaining() -> bool {
    !BUDGET.get().is_spent()
}

/// Takes a unit of this poll's budget, for a resource that may be ready. Pending if nothing is left;
/// then the task is woken, to go on in its next poll.
///
/// The unit is given back when the result is dropped, unless the resource was ready: see
/// [`made_progress`](RestoreOnPending::made_progress).
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    let budget = BUDGET.get();
    if budget.is_spent() {
        return refuse(budget, cx);
    }
    BUDGET.set(budget.spend());
    Poll::Ready(RestoreOnPending { before: Cell::new(budget), _not_send: PhantomData })
}

#[cold]
fn refuse(budget: Budget, cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    BUDGET.set(budget.refuse());
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// A unit that was taken by [`poll_proceed`], and is given back when this is dropped, together with
/// all that was taken since.
#[derive(Debug)]
#[must_use = "the unit is given back when this is dropped"]
pub struct RestoreOnPending {
    /// Unlimited: nothing is to be given back.
    before: Cell<Budget>,
    /// The budget is this thread's.
    _not_send: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// The resource was ready: the unit is spent.
    #[inline]
    pub fn made_progress(&self) {
        self.before.set(Budget::UNLIMITED);
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        let before = self.before.get();
        if before.is_limited {
            BUDGET.set(before);
        }
    }
}

/// Spends a unit of this poll's budget, and gives way if nothing is left: for code that computes
/// between awaits which are always ready.
pub async fn consume_budget() {
    poll_fn(|cx| poll_proceed(cx).map(|unit| unit.made_progress())).await;
}

/// Makes a future spend a unit of the budget when it is ready, as the resources of this crate do.
#[inline]
pub fn cooperative<F: Future>(future: F) -> Coop<F> {
    Coop { future }
}

/// Polls a future without a limit: it is never pending only because it has done much already.
pub fn unconstrained<F>(future: F) -> Unconstrained<F> {
    Unconstrained { future }
}

pin_project! {
    /// The future of [`cooperative`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Coop<F: Future> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let unit = ready!(poll_proceed(cx));
        let output = ready!(self.project().future.poll(cx));
        unit.made_progress();
        Poll::Ready(output)
    }
}

pin_project! {
    /// The future of [`unconstrained`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        with_unlimited(|| self.project().future.poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::{Wake, Waker};

    const ALL: usize = UNITS_PER_POLL as usize;

    fn proceed() -> Poll<RestoreOnPending> {
        poll_proceed(&mut Context::from_waker(Waker::noop()))
    }

    /// Spends a unit, if there is one.
    fn spend_one() -> bool {
        let unit = proceed().map(|unit| unit.made_progress());
        unit.is_ready()
    }

    /// Spends units while there are some, at most `most`.
    fn spend(most: usize) -> usize {
        (0..most).take_while(|_| spend_one()).count()
    }

    #[test]
    fn a_poll_has_so_many_units_and_others_have_no_limit() {
        assert_eq!(spend(10 * ALL), 10 * ALL);
        with_budget(|| {
            assert!(has_budget_remaining());
            assert_eq!(spend(10 * ALL), ALL);
            assert!(!has_budget_remaining());
            with_unlimited(|| assert_eq!(spend(10 * ALL), 10 * ALL));
            with_budget(|| assert_eq!(spend(10 * ALL), ALL));
            assert!(!has_budget_remaining() && proceed().is_pending());
        });
        assert!(has_budget_remaining());
        with_budget(|| assert_eq!(spend(10 * ALL), ALL));
    }

    #[test]
    fn what_made_no_progress_costs_nothing() {
        with_budget(|| {
            let untouched = BUDGET.get();
            drop(proceed());
            assert_eq!(BUDGET.get(), untouched);
            let outer = proceed();
            assert_eq!(spend(5), 5);
            // With all that was taken since.
            drop(outer);
            assert_eq!(BUDGET.get(), untouched);
            assert_eq!(spend(10 * ALL), ALL);
        });
    }

    #[test]
    fn a_unit_without_a_limit_restores_none() {
        let unit = with_unlimited(proceed);
        with_budget(|| {
            assert_eq!(spend(5), 5);
            drop(unit);
            assert_eq!(spend(10 * ALL), ALL - 5);
        });
    }

    #[test]
    fn a_panic_leaves_the_budget_of_before() {
        let result = catch_unwind(AssertUnwindSafe(|| with_budget(|| panic!("on purpose"))));
        assert!(result.is_err());
        assert_eq!(BUDGET.get(), Budget::UNLIMITED);
    }

    #[test]
    fn whoever_is_refused_is_woken() {
        struct Counts(AtomicUsize);
        impl Wake for Counts {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let wakes = Arc::new(Counts(AtomicUsize::new(0)));
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(async {
            for _ in 0..=ALL {
                consume_budget().await;
            }
        });
        with_budget(|| assert!(future.as_mut().poll(&mut cx).is_pending()));
        assert_eq!(wakes.0.load(SeqCst), 1);
        with_budget(|| {
            assert!(future.as_mut().poll(&mut cx).is_ready());
            assert_eq!(spend(10 * ALL), ALL - 1);
        });
    }

    #[test]
    fn a_poll_that_does_not_return_gets_a_new_budget() {
        with_budget(|| {
            assert_eq!(spend(10 * ALL), ALL);
            let refused = (0..).take_while(|_| proceed().is_pending()).count();
            // The one that told that there is a unit again has given it back.
            assert_eq!(refused, usize::from(MOST_REFUSALS) - 1);
            assert_eq!(spend(10 * ALL), ALL);
        });
    }

    #[test]
    fn wrappers_spend_or_do_not() {
        with_budget(|| {
            let mut cx = Context::from_waker(Waker::noop());
            let waits = pin!(cooperative(std::future::pending::<()>()));
            assert!(waits.poll(&mut cx).is_pending());
            let is_ready = pin!(cooperative(std::future::ready(())));
            assert!(is_ready.poll(&mut cx).is_ready());
            let unlimited = pin!(unconstrained(async {
                for _ in 0..10 * ALL {
                    consume_budget().await;
                }
            }));
            assert!(unlimited.poll(&mut cx).is_ready());
            assert_eq!(spend(10 * ALL), ALL - 1);
        });
    }
}
