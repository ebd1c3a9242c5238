//! The waker of a task: a counted reference to its header.

use super::cell::Header;
use super::state::{Wake, WakeByValue};
use crate::context;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// One place in memory, so that its address tells our wakers from others.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

/// A waker for the duration of a poll, without a reference of its own.
pub(super) struct WakerRef<'a> {
    waker: ManuallyDrop<Waker>,
    _header: PhantomData<&'a Header>,
}

impl Deref for WakerRef<'_> {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.waker
    }
}

/// A waker that borrows the reference of whoever polls.
pub(super) fn waker_ref(header: &Header) -> WakerRef<'_> {
    let data = NonNull::from(header).as_ptr().cast_const().cast();
    // SAFETY: the table keeps the contract of `RawWaker`. `ManuallyDrop` keeps the borrowed
    // reference from being given back, and the lifetime keeps the task alive.
    let waker = ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) });
    WakerRef { waker, _header: PhantomData }
}

/// Whether it is the waker of a task, of this runtime or another, that waits for nobody when it is
/// called.
pub(crate) fn wakes_at_once(waker: &Waker) -> bool {
    if !ptr::eq(waker.vtable(), &VTABLE) {
        return false;
    }
    // SAFETY: the table tells that the waker is ours, and it holds its reference.
    let header = unsafe { header(waker.data()) };
    // SAFETY: as above.
    unsafe { (header.vtable.wakes_at_once)(NonNull::from(header)) }
}

/// # Safety
/// `data` came from a waker whose reference is still held.
unsafe fn header<'a>(data: *const ()) -> &'a Header {
    // SAFETY: the waker's reference keeps the header alive.
    unsafe { &*data.cast::<Header>() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called on a live waker.
    unsafe { header(data) }.state.add_ref();
    RawWaker::new(data, &VTABLE)
}

/// The waker's own reference goes with the runnable where it can: the task may be run, complete and be
/// freed while this thread is still queueing it, see [`Schedule::schedule_alone`]. (Found by
/// `a_busy_set_sees_wake_ups_from_other_threads`: the set went with its only task.)
///
/// [`Schedule::schedule_alone`]: super::Schedule::schedule_alone
unsafe fn wake(data: *const ()) {
    // SAFETY: called on a live waker.
    let header = unsafe { header(data) };
    if context::note_own_wake(header) {
        // SAFETY: the waker's reference is this function's to give back.
        return unsafe { drop(data) };
    }
    match header.state.wake_by_value() {
        WakeByValue::Done => {}
        // SAFETY: that was the last reference.
        WakeByValue::Last => unsafe { (header.vtable.free)(NonNull::from(header)) },
        // SAFETY: the transition made the waker's reference the runnable's.
        WakeByValue::Schedule => unsafe { (header.vtable.schedule_alone)(NonNull::from(header)) },
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called on a live waker.
    let header = unsafe { header(data) };
    if context::note_own_wake(header) {
        return;
    }
    if header.state.wake_by_ref() == Wake::Schedule {
        // SAFETY: the transition made a reference for the runnable.
        unsafe { (header.vtable.schedule)(NonNull::from(header)) };
    }
}

unsafe fn drop(data: *const ()) {
    // SAFETY: called on a live waker for the last time.
    let header = unsafe { header(data) };
    if header.state.drop_refs(1) {
        // SAFETY: that was the last reference.
        unsafe { (header.vtable.free)(NonNull::from(header)) };
    }
}
