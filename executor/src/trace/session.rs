//! Recording for a while, for somebody who looks from outside.

use super::activity::Activity;
use super::snapshot::Trace;
use crate::scheduler::Scheduler;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the rings are read until something is known of all of them.
const TRIES: u32 = 5;

/// Has the runtime record as long as it lives, whoever else has it record or not.
pub(crate) struct Session {
    scheduler: Arc<Scheduler>,
    began: Instant,
}

impl Session {
    pub(crate) fn begin(scheduler: &Arc<Scheduler>) -> Self {
        scheduler.recorder.begin_session();
        Session { scheduler: scheduler.clone(), began: Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What was recorded since it began.
    pub(crate) fn trace(&self) -> Trace {
        Trace::of(&self.scheduler, Some(self.elapsed()))
    }

    /// What each task did since then.
    pub(crate) fn activity(&self) -> Activity {
        let look = || {
            let elapsed = self.elapsed();
            Activity::of(&Trace::of(&self.scheduler, Some(elapsed)), elapsed)
        };
        // Small rings may be written anew while they are read.
        let mut tries = (0..TRIES).map(|_| look());
        tries.find(|activity| !activity.window().is_zero()).unwrap_or_else(look)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.scheduler.recorder.end_session();
    }
}
