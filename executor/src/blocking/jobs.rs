//! The jobs of a pool of threads, and which thread does them.
//!
//! # No job is left behind (proof sketch)
//! All of it is under one lock. Whoever queues a job sees to it that as many threads wait, or are being
//! made, as there are jobs in the queue, up to the limit; a thread that waits and is told, or whose time is
//! up, looks at the queue before it goes. So a job waits only while as many threads as there may be are at
//! work, or while the one that was made for it is on its way.
//!
//! Models: `loom_*` at the end of this file.

use crate::sync::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(crate) struct Jobs<T> {
    inner: Mutex<Inner<T>>,
    /// A job was queued, or there will be no more.
    changed: Condvar,
    one_left: Condvar,
    most_threads: usize,
}

struct Inner<T> {
    queue: VecDeque<(T, AtClose)>,
    /// Threads that take jobs.
    threads: usize,
    /// Threads that have not ended: also those that take no more jobs and run the stop hook.
    alive: usize,
    /// Threads that wait; the queued jobs are for the first of them.
    idle: usize,
    closed: bool,
}

/// What becomes of a job that no thread has begun when the pool closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtClose {
    Cancel,
    /// It is done first. For writes: their callers were told that the bytes were taken.
    Run,
}

/// What is left to do for a job.
#[must_use]
pub(super) enum Pushed<T> {
    /// Some thread will come to it.
    Queued,
    /// It is queued, and whoever queued it is to make a thread, which is counted already.
    ThreadNeeded,
    /// There are no more jobs. It was not queued.
    Closed(T),
}

impl<T> Jobs<T> {
    pub(super) fn new(most_threads: usize) -> Self {
        let inner = Inner { queue: VecDeque::new(), threads: 0, alive: 0, idle: 0, closed: false };
        Jobs {
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            one_left: Condvar::new(),
            most_threads,
        }
    }

    /// How many threads there are, how many of them wait, and how many jobs do.
    pub(super) fn numbers(&self) -> [usize; 3] {
        let inner = self.inner.lock();
        [inner.threads, inner.idle, inner.queue.len()]
    }

    pub(super) fn push(&self, job: T, at_close: AtClose) -> Pushed<T> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Pushed::Closed(job);
        }
        inner.queue.push_back((job, at_close));
        if inner.idle >= inner.queue.len() {
            // Who is woken takes the lock first.
            drop(inner);
            self.changed.notify_one();
        } else if inner.threads < self.most_threads {
            inner.threads += 1;
            inner.alive += 1;
            return Pushed::ThreadNeeded;
        }
        Pushed::Queued
    }

    /// Has somebody else take the job, unless there are no more: then it is given back.
    pub(super) fn divert(&self, job: T, take: impl FnOnce(T)) -> Pushed<T> {
        let inner = self.inner.lock();
        if inner.closed {
            return Pushed::Closed(job);
        }
        take(job);
        Pushed::Queued
    }

    /// The thread that was counted already cannot be made. `Some`: it was to be the only one, and nobody
    /// would do these jobs.
    pub(super) fn thread_missing(&self) -> Option<impl Iterator<Item = T> + use<T>> {
        let mut inner = self.inner.lock();
        inner.threads -= 1;
        let stuck = inner.threads == 0;
        let abandoned = stuck.then(|| std::mem::take(&mut inner.queue));
        drop(inner);
        self.left();
        abandoned.map(|jobs| jobs.into_iter().map(|(job, _)| job))
    }

    /// A thread has ended.
    pub(super) fn left(&self) {
        self.inner.lock().alive -= 1;
        self.one_left.notify_all();
    }

    /// The next job; `None`: the thread has waited for so long, or there are no more. It no longer counts
    /// then.
    pub(super) fn next(&self, keep_alive: Duration) -> Option<T> {
        let mut inner = self.inner.lock();
        let deadline = Instant::now() + keep_alive;
        let mut in_time = true;
        loop {
            if let Some((job, _)) = inner.queue.pop_front() {
                return Some(job);
            }
            if inner.closed || !in_time {
                inner.threads -= 1;
                return None;
            }
            inner.idle += 1;
            in_time = self.changed.wait_until(&mut inner, Some(deadline));
            inner.idle -= 1;
        }
    }

    /// Takes no more jobs. Returns those to be cancelled, see [`AtClose`].
    pub(super) fn close(&self) -> impl Iterator<Item = T> + use<T> {
        let mut inner = self.inner.lock();
        inner.closed = true;
        let (run, cancel): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut inner.queue)
            .into_iter()
            .partition(|(_, at_close)| *at_close == AtClose::Run);
        // Whoever queued them has seen to a thread, and no thread ends before the queue does.
        inner.queue = run;
        drop(inner);
        self.changed.notify_all();
        cancel.into_iter().map(|(job, _)| job)
    }

    /// Waits until all threads have ended. `false`: not before the deadline.
    pub(super) fn wait_until_gone(&self, deadline: Option<Instant>) -> bool {
        let mut inner = self.inner.lock();
        while inner.alive > 0 {
            if !self.one_left.wait_until(&mut inner, deadline) {
                return inner.alive == 0;
            }
        }
        true
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    const EVER: Duration = Duration::from_secs(1);

    /// What a thread of the pool does.
    fn work(jobs: &Jobs<Job>) {
        while let Some(job) = jobs.next(EVER) {
            job();
        }
        jobs.left();
    }

    type Job = Box<dyn FnOnce() + Send>;

    fn start(jobs: &Arc<Jobs<Job>>) -> thread::JoinHandle<()> {
        let jobs = jobs.clone();
        thread::spawn(move || work(&jobs))
    }

    /// Queues a job, and makes a thread if one is needed.
    fn push(jobs: &Arc<Jobs<Job>>, job: impl FnOnce() + Send + 'static) -> bool {
        match jobs.push(Box::new(job), AtClose::Cancel) {
            Pushed::Queued => false,
            Pushed::ThreadNeeded => {
                start(jobs);
                true
            }
            Pushed::Closed(_) => panic!("nobody has closed it"),
        }
    }

    /// Something that happens once.
    #[derive(Default)]
    struct Signal(Mutex<bool>, Condvar);

    impl Signal {
        fn set(&self) {
            *self.0.lock() = true;
            self.1.notify_all();
        }

        fn wait(&self) {
            let mut is_set = self.0.lock();
            while !*is_set {
                assert!(self.1.wait_until(&mut is_set, None));
            }
        }
    }

    /// The first job waits for the second: each has a thread, also if only one was idle. A job that is left
    /// behind shows as a deadlock of the model.
    #[test]
    fn loom_a_burst_of_jobs_has_a_thread_for_each() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let jobs = Arc::new(Jobs::<Job>::new(2));
            let (second, both) = (Arc::new(Signal::default()), Arc::new(Signal::default()));
            // A thread that becomes idle, sooner or later.
            assert!(push(&jobs, || {}));
            let (waits, ends) = (second.clone(), both.clone());
            push(&jobs, move || {
                waits.wait();
                ends.set();
            });
            let sets = second.clone();
            push(&jobs, move || sets.set());
            both.wait();
            jobs.close().for_each(|_job| panic!("it was begun"));
            assert!(jobs.wait_until_gone(None));
        });
    }

    /// A job that is promised is done and another is done or cancelled, while the pool closes.
    #[test]
    fn loom_jobs_against_the_end_of_the_pool() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let jobs = Arc::new(Jobs::<Job>::new(1));
            let (promised, other) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
            let closes = thread::spawn({
                let jobs = jobs.clone();
                move || jobs.close().count()
            });
            let count = |times: &Arc<Mutex<usize>>| -> Job {
                let times = times.clone();
                Box::new(move || *times.lock() += 1)
            };
            let mut not_begun = 0;
            let mut queued = [false; 2];
            let both = [(count(&promised), AtClose::Run), (count(&other), AtClose::Cancel)];
            for (queued, (job, at_close)) in queued.iter_mut().zip(both) {
                match jobs.push(job, at_close) {
                    Pushed::Queued => *queued = true,
                    Pushed::ThreadNeeded => {
                        *queued = true;
                        start(&jobs);
                    }
                    Pushed::Closed(_) => not_begun += 1,
                }
            }
            not_begun += closes.join().unwrap();
            assert!(jobs.wait_until_gone(None));
            assert_eq!(*promised.lock() == 1, queued[0]);
            assert_eq!(*promised.lock() + *other.lock() + not_begun, 2);
        });
    }
}
