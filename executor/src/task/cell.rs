//! The allocation of a task: one `Cell`, and its type-erased front part, the `Header`.
//!
//! ```text
//!   Task, Runnable, JoinHandle, AbortHandle, Waker
//!                │ one reference each
//!                ▼
//!   ┌ Header ───────────────────────────────────────────┐┬──────────┬──────────────┐
//!   │ state │ vtable │ id │ link │ links │ join_waker …  ││ schedule │ stage        │
//!   └───────────────────────────────────────────────────┘┴──────────┴──────────────┘
//!     Cell<F, S>, #[repr(C)]: a pointer to it is a pointer to its Header
//! ```
//!
//! | field | who may touch it |
//! |---|---|
//! | `state` | anyone |
//! | `queue_link`, `queued_at` | the holder of the `Runnable`, or the list that it is in |
//! | `registry_links` | the registry, under its shard's lock |
//! | `stage` | see `state.rs`: RUNNING owns the future, JOINED and COMPLETE the output |

use super::raw::{self, Vtable};
use super::state::State;
use super::{Id, JoinError, Schedule, Terms};
use atomic_waker::AtomicWaker;
use preempt_sysmon::policy::Preemption;
use std::cell::UnsafeCell;
use std::future::Future;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    pub(super) id: Id,
    /// The next task of the list that this task's `Runnable` is in.
    pub(super) queue_link: UnsafeCell<Option<NonNull<Header>>>,
    /// The neighbours in the registry.
    pub(super) registry_links: UnsafeCell<Links>,
    /// Woken when the task completes.
    pub(super) join_waker: AtomicWaker,
    pub(super) spawned_at: &'static Location<'static>,
    /// When the task was last queued, if that is observed, by `trace::clock`; else zero.
    pub(super) queued_at: AtomicU64,
}

impl Header {
    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// Whether it was aborted, or its runtime shuts down.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.state.is_cancelled()
    }

    /// When it was queued; zero: nobody has said so.
    pub(crate) fn queued_at(&self) -> u64 {
        self.queued_at.load(Relaxed)
    }

    pub(crate) fn set_queued_at(&self, ticks: u64) {
        self.queued_at.store(ticks, Relaxed);
    }

    /// What the task is called. Signal-safe.
    pub(crate) fn name(&self) -> Option<&str> {
        // SAFETY: a header is the start of its cell, and alive.
        let name = unsafe { (self.vtable.name)(NonNull::from(self)) };
        // SAFETY: the name is as old as the task and never changes.
        name.map(|name| unsafe { name.as_ref() })
    }
}

impl Header {
    /// How its polls are treated.
    #[cold]
    pub(super) fn terms(&self) -> Terms {
        // SAFETY: a header is the start of its cell, and alive.
        let time_slice = || unsafe { (self.vtable.time_slice)(NonNull::from(self)) };
        Terms {
            preemption: self.state.preemption(),
            priority: self.state.priority(),
            time_slice: self.state.is_timed().then(time_slice).flatten(),
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Links {
    pub(super) previous: Option<NonNull<Header>>,
    pub(super) next: Option<NonNull<Header>>,
}

impl Links {
    /// Of a task that is in no list. No header is at this address.
    pub(super) const NONE: Links = Links { previous: Some(NonNull::dangling()), next: None };

    pub(super) fn is_linked(&self) -> bool {
        self.previous != Links::NONE.previous
    }
}

#[repr(C)]
pub(super) struct Cell<F: Future, S> {
    pub(super) header: Header,
    pub(super) schedule: S,
    pub(super) stage: UnsafeCell<Stage<F>>,
}

pub(super) enum Stage<F: Future> {
    Running(F),
    Finished(Result<F::Output, JoinError>),
    Consumed,
}

impl<F: Future + 'static, S: Schedule> Cell<F, S> {
    /// Allocates the task with its three references, see `State::new`.
    pub(super) fn allocate(
        future: F,
        schedule: S,
        preemption: Preemption,
        spawned_at: &'static Location<'static>,
    ) -> NonNull<Header> {
        let cell = Box::new(Cell {
            header: Header {
                state: State::new(preemption, schedule.priority(), schedule.time_slice().is_some()),
                vtable: raw::vtable::<F, S>(),
                id: Id::next(),
                queue_link: UnsafeCell::new(None),
                registry_links: UnsafeCell::new(Links::NONE),
                join_waker: AtomicWaker::new(),
                spawned_at,
                queued_at: AtomicU64::new(0),
            },
            schedule,
            stage: UnsafeCell::new(Stage::Running(future)),
        });
        NonNull::from(Box::leak(cell)).cast()
    }
}
