//! What others may know of a machine's thread while it runs.

use crate::context;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Where a machine is. Written by the machine whenever a loop or a suspended poll goes on on it, read
/// by whoever looks at it.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// Address of the variable in which the code that runs on it notes its task. May be out of date,
    /// so that only the kernel may read it (`kernel.rs`).
    task: AtomicUsize,
    /// Likewise of the variable that says whether a switch is under way.
    switching: AtomicUsize,
    /// Likewise of the number of `no_preempt` sections that are open.
    sections: AtomicUsize,
    /// The kernel thread, of a machine without fibers.
    #[cfg(target_os = "linux")]
    thread: AtomicUsize,
    /// How many polls have lost their processor to the monitor here.
    losses: AtomicU64,
}

impl Place {
    /// The calling thread or fiber is on the machine.
    pub(crate) fn arrive(&self) {
        self.task.store(context::current_task_place(), Relaxed);
        self.switching.store(preempt_fiber::injecting_place(), Relaxed);
        self.sections.store(preempt_checkpoint::runtime::no_preempt_depth_place(), Relaxed);
        #[cfg(target_os = "linux")]
        if preempt_fiber::current().is_none() {
            // SAFETY: asks for a number.
            let thread = unsafe { libc::gettid() };
            self.thread.store(usize::try_from(thread).unwrap_or(0), Relaxed);
        }
    }

    /// The machine is about to go over to another fiber, which arrives in its turn. Until then nobody can
    /// tell where it is.
    pub(crate) fn depart(&self) {
        self.switching.store(0, Relaxed);
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn task(&self) -> usize {
        self.task.load(Relaxed)
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn switching(&self) -> usize {
        self.switching.load(Relaxed)
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn sections(&self) -> usize {
        self.sections.load(Relaxed)
    }

    /// The thread, if the machine has no fibers.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    pub(crate) fn thread(&self) -> Option<usize> {
        Some(self.thread.load(Relaxed)).filter(|&thread| thread != 0)
    }

    /// A poll is about to lose its processor. For the monitor.
    pub(crate) fn lose(&self) {
        self.losses.fetch_add(1, Relaxed);
    }

    pub(crate) fn losses(&self) -> u64 {
        self.losses.load(Relaxed)
    }
}
