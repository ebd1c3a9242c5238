//! Waiting for each other: channels, locks, counters.
//!
//! These are the types of [`tokio::sync`], not copies of them: a value of one of them may go into any
//! crate that is written for tokio, and come back. They need no runtime at all, neither tokio's nor
//! this one, so they also work in `block_on`, between runtimes, and on plain threads.
//!
//! | for | there is |
//! |---|---|
//! | many values, one receiver | [`mpsc`]: bounded, with back-pressure, or unbounded |
//! | one value, once | [`oneshot`] |
//! | many values, each for all receivers | [`broadcast`] |
//! | the latest value | [`watch`] |
//! | a signal without a value | [`Notify`] |
//! | so many at a time, in the order in which they asked | [`Semaphore`] |
//! | one at a time, also across awaits | [`Mutex`], [`RwLock`] |
//! | all at the same point | [`Barrier`] |
//! | a value that is made once | [`OnceCell`], [`SetOnce`] |
//!
//! # Beside long polls
//!
//! A task that is suspended in the middle of a poll may hold any lock, one of these or one inside of
//! them, as a thread may that the system does not let run. It is resumed in its turn; whoever waits
//! for it inside a poll loses its worker's place in the meantime, as with every lock of std. A guard
//! that is held across much computing keeps others waiting for as long as here as anywhere.
//!
//! Tokio lets a task that finds these types ready all the time yield now and then. Here that is not
//! known to the types, and not needed: such a task is preempted like any other. What belongs to this
//! runtime (join handles, timers, sockets) does count, see [`task::coop`](crate::task::coop).

pub use tokio::sync::{
    AcquireError, Barrier, BarrierWaitResult, MappedMutexGuard, Mutex, MutexGuard, Notify,
    OnceCell, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedRwLockMappedWriteGuard,
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit,
    SetError, SetOnce, SetOnceError, TryAcquireError, TryLockError, broadcast, futures, mpsc,
    oneshot, watch,
};
