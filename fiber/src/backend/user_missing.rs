//! In the place of `user.rs` on platforms for which it has not been written: nothing can be made.

use std::convert::Infallible;
use std::io;

use crate::fiber::Record;
use crate::switch::Handoff;

pub(crate) fn is_supported() -> bool {
    false
}

/// Nothing to prepare.
pub(crate) struct Machinery;

impl Machinery {
    pub(crate) fn new(_force_syscall: bool) -> Self {
        Machinery
    }

    pub(crate) fn first_donor_runs(&self) {}
}

pub(crate) struct Context(Infallible);

impl Context {
    pub(crate) fn of_this_thread(_machinery: &Machinery) -> Self {
        crate::abort("no user backend on this platform")
    }

    pub(crate) fn fs_base(&self) -> usize {
        match self.0 {}
    }

    pub(crate) unsafe fn lend_out(
        &self,
        _record: &Record,
        _stack: ParkStack,
        _publish: fn(&Record),
    ) -> *const Handoff {
        match self.0 {}
    }

    pub(crate) unsafe fn switch(&self, _to: &Context, _handoff: *const Handoff) -> *const Handoff {
        match self.0 {}
    }

    pub(crate) fn release(&self) {
        match self.0 {}
    }
}

pub(crate) struct ParkStack(Infallible);

impl ParkStack {
    pub(crate) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
