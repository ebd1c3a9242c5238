//! Changing the number of processors.

use super::Scheduler;
use std::io;

impl Scheduler {
    pub(crate) fn set_processors(&self, count: usize) -> io::Result<()> {
        if count == self.processors.len() {
            return Ok(());
        }
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
