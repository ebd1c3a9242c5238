//! Stand-in.
use std::task::Waker;
pub(crate) struct ScheduledIo {
    token: usize,
}
pub(crate) struct Ready;
impl Ready {
    pub(crate) fn from_mio(_e: &mio::event::Event) -> Self {
        Ready
    }
}
impl ScheduledIo {
    pub(crate) fn new(token: usize) -> Self {
        ScheduledIo { token }
    }
    pub(crate) fn token(&self) -> usize {
        self.token
    }
    pub(crate) fn dispatch(&self, _r: Ready, _w: &mut Vec<Waker>) {}
    pub(crate) fn shut_down(&self, _w: &mut Vec<Waker>) {}
}
