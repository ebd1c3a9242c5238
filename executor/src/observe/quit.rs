//! Showing where all tasks are when SIGQUIT comes: a thread that waits for it, so that no worker has to
//! be free.

use super::dump::TaskDump;
use crate::report;
use crate::runtime::block_on;
use crate::scheduler::Scheduler;
use crate::signal::unix::{SignalKind, signal};
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::sync::Notify;

/// The thread ends when this is dropped.
pub(crate) struct DumpOnQuit(Arc<Notify>);

impl DumpOnQuit {
    /// `None`: the runtime is not to do it.
    ///
    /// # Errors
    /// When the system lets nobody handle the signal, or makes no thread.
    pub(crate) fn of(scheduler: &Arc<Scheduler>) -> io::Result<Option<Self>> {
        if !scheduler.config.dump_on_quit {
            return Ok(None);
        }
        let mut quit = signal(SignalKind::quit())?;
        let (scheduler, ended) = (scheduler.downgrade(), Arc::new(Notify::new()));
        let is_ended = ended.clone();
        let wait = async move {
            loop {
                tokio::select! {
                    _ = quit.recv() => {}
                    () = is_ended.notified() => return,
                }
                let Some(scheduler) = scheduler.upgrade() else { return };
                match TaskDump::of(&scheduler) {
                    Ok(dump) => report::warn(format_args!("{dump}")),
                    Err(error) => report::warn(format_args!("no task dump: {error}")),
                }
            }
        };
        thread::Builder::new().name("preempt-quit".to_owned()).spawn(move || block_on(wait))?;
        Ok(Some(DumpOnQuit(ended)))
    }
}

impl Drop for DumpOnQuit {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
