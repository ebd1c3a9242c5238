//! The monitor thread.
//!
//! It looks at every processor, decides by [`policy`](crate::policy), acts through the
//! [`Scheduler`] and sleeps: see `pace.rs` for how long. Four things end its sleep early: the
//! next timer, when every processor is in a poll and nobody else would fire it; [`Monitor::kick`];
//! an event, when every processor is in a long poll; and the first work after a time in which nothing
//! ran at all.
//!
//! When nothing has run for some looks, which is some milliseconds, the monitor sleeps without a limit. Why
//! it is woken in time in each case: `rest.rs`.
//!
//! The monitor holds no lock while it sleeps and allocates nothing in its loop.

use crate::pace::Pace;
use crate::policy::{self, Claims, Decision, Limits, Poll, Preemption, Priority, Waiting};
use crate::rest::{Rest, Wake};
use crate::watch::{Slice, Watch};
use crossbeam_utils::sync::{Parker, Unparker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The shortest sleep that ends with an event; it is counted in milliseconds.
const SHORTEST_POLL: Duration = Duration::from_millis(1);

/// A timer is due, or an event has come, and no processor has got to it: for so long each may be in its
/// poll before the monitor sees to that. Where polls are short, the next one to end is earlier and cheaper.
const PATIENCE: Duration = Duration::from_micros(50);

/// Polls that are no longer than this on average, on every processor, need no watching eight times a
/// grace: whoever waits gets its turn in a moment, and one that is longer is seen soon enough.
const SHORT_POLL: Duration = Duration::from_micros(100);

/// So many looks in a row at which nothing had run since the one before, and the monitor sleeps until
/// something does. Each such sleep costs whoever ends it a system call.
const IDLE_LOOKS: u32 = 12;

/// What the monitor needs of the executor. All of it may be called at any time from the monitor's
/// thread and must not wait for a task.
pub trait Scheduler: Send + Sync + 'static {
    /// How many processors there can ever be.
    fn most_processors(&self) -> usize;
    /// How many of them are looked at, from the first one on.
    fn processors(&self) -> usize;
    /// Whether nobody works on the processor, and nobody will before it is there again.
    fn is_retired(&self, processor: usize) -> bool;
    /// The watch of one processor.
    fn watch(&self, processor: usize) -> &Watch;
    /// Whether no processor is at work. Sequentially consistent, see the proof sketch in `rest.rs`.
    fn is_idle(&self) -> bool;
    /// Who waits for a processor. If some processor is free, wakes it and answers `Nobody`.
    fn waiting(&self) -> Waiting;
    /// Which classes may claim a processor. Asked after [`waiting`](Self::waiting) said that somebody
    /// waits.
    fn claims(&self) -> Claims;
    /// Whether the scheduler itself wants the processor: whatever runs on it is to give way at once.
    fn is_wanted(&self, processor: usize) -> bool;
    /// How soon the monitor is to look again at the latest, even if nobody waits; `None`: as it likes.
    fn longest_look_away(&self) -> Option<Duration>;
    /// Wakes the tasks of all timers that are due.
    fn fire_timers(&self);
    /// When the next timer is due.
    fn next_timer(&self) -> Option<Instant>;
    /// Raises the flag of the poll `slice`, if it is still running.
    fn request(&self, processor: usize, slice: Slice);
    /// How much CPU time the thread that is in the poll `slice` has used; `None`: nobody can tell, or
    /// the poll is over.
    fn cpu_time(&self, processor: usize, slice: Slice) -> Option<Duration>;
    /// Whether the thread that is in the poll `slice` sleeps in the kernel.
    fn is_asleep(&self, processor: usize, slice: Slice) -> bool;
    /// Sends a signal to the thread that is in the poll `slice`.
    fn interrupt(&self, processor: usize, slice: Slice) -> Interrupted;
    /// Wakes whoever waits for an event that has come, if nobody has looked for a while.
    fn poll_events(&self, now: Instant);
    /// Whether somebody waits for events, and no thread sleeps until there is one.
    fn is_unattended(&self) -> bool;
    /// Sleeps until there is an event or a timer is due, and at most until the instant. `false`: some
    /// other thread is about to. `is_kicked` is asked when a kick can end the sleep; if it is true
    /// this returns at once.
    fn sleep_until_event(&self, until: Instant, is_kicked: impl FnOnce() -> bool) -> bool;
    /// Called at every look: the time to make ready what the other calls may need.
    fn prepare(&self);
    /// Gives the processor to another machine. `false`: the poll has ended meanwhile, or there is
    /// no machine to be had. It was first seen in the poll at `since`.
    fn hand_off(&self, processor: usize, slice: Slice, since: Instant) -> bool;
}

/// What became of an interruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// The signal was sent, or there was nothing to send it to any more.
    Done,
    /// The thread sleeps in the kernel. A signal would only disturb what it waits for.
    Asleep,
}

/// What a kick leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Kicked {
    /// Nothing.
    Done,
    /// The monitor is in [`Scheduler::sleep_until_event`], or about to be: end that.
    InNetpoll,
}

/// A handle to the monitor thread. [`stop`](Monitor::stop) ends it.
#[derive(Debug)]
pub struct Monitor {
    shared: Arc<Shared>,
    unparker: Unparker,
}

#[derive(Debug)]
struct Shared {
    /// Its times are in nanoseconds after `epoch`.
    rest: Rest,
    /// At the last look polls were short.
    unhurried: AtomicBool,
    epoch: Instant,
}

impl Shared {
    fn nanos(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Monitor {
    /// Prepares a monitor and its thread's body. Separate from starting it, as the scheduler needs
    /// the handle before the monitor can look at the scheduler.
    #[must_use]
    pub fn new() -> (Monitor, MonitorThread) {
        let parker = Parker::new();
        let shared = Arc::new(Shared {
            rest: Rest::new(),
            unhurried: AtomicBool::new(false),
            epoch: Instant::now(),
        });
        let monitor = Monitor { shared: shared.clone(), unparker: parker.unparker().clone() };
        (monitor, MonitorThread { shared, parker })
    }

    /// To be called when a processor starts to work after all were idle. Cheap unless the monitor
    /// sleeps.
    #[inline]
    pub fn work_started(&self) {
        if self.shared.rest.work_started() {
            self.unparker.unpark();
        }
    }

    /// Whether polls have been short of late, so that nobody need be told who waits: the monitor looks
    /// some times in a time slice anyway.
    #[inline]
    pub fn is_unhurried(&self) -> bool {
        self.shared.unhurried.load(Relaxed)
    }

    /// Makes sure that the monitor looks at `instant` or before.
    pub fn kick(&self, instant: Instant) -> Kicked {
        match self.shared.rest.kick(self.shared.nanos(instant)) {
            Wake::Done => Kicked::Done,
            Wake::Unpark => {
                self.unparker.unpark();
                Kicked::Done
            }
            Wake::BreakPoll => Kicked::InNetpoll,
        }
    }

    /// Asks the monitor to end. Its thread ends at once: it never waits for a task. If it sleeps until
    /// there is an event, that has to be ended.
    pub fn stop(&self) {
        self.shared.rest.stop();
        self.unparker.unpark();
    }
}

/// The monitor before its thread runs.
#[derive(Debug)]
pub struct MonitorThread {
    shared: Arc<Shared>,
    parker: Parker,
}

impl MonitorThread {
    /// Starts the thread; `prepare` runs first on it.
    ///
    /// # Errors
    /// What the operating system says when it cannot make a thread.
    pub fn start<S: Scheduler>(
        self,
        scheduler: Arc<S>,
        limits: Limits,
        prepare: fn(),
    ) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("preempt-sysmon".to_owned()).spawn(move || {
            prepare();
            let polls = vec![Tracked::default(); scheduler.most_processors()];
            let (pace, last_look) = (Pace::new(), Instant::now());
            Watcher { thread: self, scheduler, limits, polls, pace, last_look, idle_looks: 0 }
                .run();
        })
    }
}

/// What the monitor remembers of one processor between looks.
#[derive(Clone, Copy, Debug, Default)]
struct Tracked {
    poll: Option<TrackedPoll>,
    /// How many polls have begun.
    begun: u64,
}

#[derive(Clone, Copy, Debug)]
struct TrackedPoll {
    slice: Slice,
    first_seen: Instant,
    requested: Option<Instant>,
    interrupted: Option<Instant>,
    interruptions: u32,
    /// When its thread's CPU time was last read, and what it was.
    ran: Option<(Instant, Duration)>,
}

impl Tracked {
    /// Updates the record with what is seen now. Returns how many polls have begun since the last look.
    fn observe(&mut self, watch: &Watch, now: Instant) -> u64 {
        let begun = std::mem::replace(&mut self.begun, watch.polls());
        match (watch.observe(), &self.poll) {
            (Some(slice), Some(known)) if known.slice == slice => {}
            (Some(slice), _) => {
                self.poll = Some(TrackedPoll {
                    slice,
                    first_seen: now,
                    requested: None,
                    interrupted: None,
                    interruptions: 0,
                    ran: None,
                });
            }
            (None, _) => self.poll = None,
        }
        self.begun - begun
    }
}

/// The body of the thread.
struct Watcher<S> {
    thread: MonitorThread,
    scheduler: Arc<S>,
    limits: Limits,
    polls: Vec<Tracked>,
    pace: Pace,
    last_look: Instant,
    /// At how many looks in a row nothing had run since the one before.
    idle_looks: u32,
}

impl<S: Scheduler> Watcher<S> {
    fn run(mut self) {
        while !self.thread.shared.rest.is_stopped() {
            self.thread.shared.rest.begin_look();
            let now = Instant::now();
            self.observe(now);
            if self.all_are_in_polls_of(PATIENCE, now) {
                self.do_the_machines_work(now);
            }
            self.scheduler.prepare();
            let waiting = self.scheduler.waiting();
            if self.look_at_processors(now, waiting) {
                self.pace.quicken();
            }
            if self.idle_looks >= IDLE_LOOKS {
                self.sleep_while_idle();
            } else {
                self.pause(now, waiting);
            }
        }
    }

    /// Sees which polls are under way.
    fn observe(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(std::mem::replace(&mut self.last_look, now));
        let short = (elapsed.as_nanos() / SHORT_POLL.as_nanos()) as u64 + 1;
        let (mut all_begun, mut are_short) = (0, true);
        let looked_at = self.scheduler.processors();
        for (index, tracked) in self.polls[..looked_at].iter_mut().enumerate() {
            let begun = tracked.observe(self.scheduler.watch(index), now);
            all_begun += begun;
            are_short &= begun > short || self.scheduler.is_retired(index);
        }
        self.thread.shared.unhurried.store(are_short, Relaxed);
        let is_idle = self.scheduler.is_idle() && all_begun == 0;
        self.idle_looks = if is_idle { self.idle_looks.saturating_add(1) } else { 0 };
    }

    /// Fires timers and fetches events that no machine gets to. Machines do that between polls.
    fn do_the_machines_work(&self, now: Instant) {
        if self.scheduler.next_timer().is_some_and(|due| due <= now) {
            self.scheduler.fire_timers();
        }
        self.scheduler.poll_events(now);
    }

    /// Looks at every processor once. Returns whether anything was done.
    fn look_at_processors(&mut self, now: Instant, waiting: Waiting) -> bool {
        let claims = match waiting {
            Waiting::Fresh | Waiting::Background => self.scheduler.claims(),
            _ => Claims::NORMAL,
        };
        let victim = self.wake_up_victim(now, &claims);
        let mut acted = false;
        let looked_at = self.scheduler.processors();
        for (index, tracked) in self.polls[..looked_at].iter_mut().enumerate() {
            let Some(poll) = &mut tracked.poll else { continue };
            let watch = self.scheduler.watch(index);
            let grace = self.limits.grace.filter(|_| victim == Some(index));
            let priority = watch.priority(poll.slice);
            let time_slice =
                claims.time_slice(priority, watch.time_slice(poll.slice), &self.limits);
            let limits = Limits { grace, time_slice, ..self.limits };
            let is_wanted = self.scheduler.is_wanted(index);
            let behind = || claims.behind(priority, waiting);
            let waiting = if is_wanted { Waiting::Scheduler } else { behind() };
            acted |= act(&*self.scheduler, index, poll, waiting, &limits, now);
        }
        acted
    }

    /// The processor that gives way to a fresh task: one in a poll of a lower class, or else the one in
    /// the longest poll that is not in a promised turn and may be expected to, provided that each has
    /// been in its poll for longer than the grace.
    fn wake_up_victim(&self, now: Instant, claims: &Claims) -> Option<usize> {
        let grace = self.limits.grace?;
        let (mut lowest, mut longest) = (Longest::default(), Longest::default());
        let mut is_one_young = false;
        for (index, tracked) in self.looked_at() {
            let poll = tracked.poll?;
            let age = now.saturating_duration_since(poll.first_seen);
            let watch = self.scheduler.watch(index);
            is_one_young |= !watch.is_background(poll.slice) && age < grace;
            if will_not_give_way(watch, &poll, now, grace) {
                continue;
            }
            let priority = watch.priority(poll.slice);
            match claims.behind(priority, Waiting::Fresh) {
                Waiting::Higher => lowest.add(index, priority, poll.first_seen),
                // A turn is promised to the preempted tasks of its own class.
                Waiting::Fresh
                    if !watch.is_promised_turn(poll.slice) || age >= self.limits.turn =>
                {
                    longest.add(index, Priority::default(), poll.first_seen);
                }
                _ => {}
            }
        }
        lowest.index().or_else(|| longest.index().filter(|_| !is_one_young))
    }

    fn pause(&mut self, now: Instant, waiting: Waiting) {
        let is_unattended = self.scheduler.is_unattended();
        let is_unhurried = self.thread.shared.unhurried.load(Relaxed);
        // Somebody may begin to wait, and would not say so.
        let somebody_waits = waiting != Waiting::Nobody || is_unhurried;
        let is_idle = self.idle_looks > 0;
        let mut wait =
            self.pace.next(somebody_waits, is_unattended, is_idle, self.shortest_time_slice());
        if waiting == Waiting::Fresh
            && !is_unhurried
            && let Some(grace) = self.limits.grace
        {
            wait = wait.min(grace);
        }
        if let Some(longest) = self.scheduler.longest_look_away() {
            wait = wait.min(longest);
        }
        // Before the timers are read.
        let shared = &self.thread.shared;
        shared.rest.look_again_at(shared.nanos(now + wait));
        if is_unattended
            && wait >= SHORTEST_POLL
            && self.all_are_in_polls_of(SHORTEST_POLL, now)
            && self.sleep_until_event(now + wait)
        {
            return;
        }
        // Left to the machines for a while, if they are likely to get to it.
        let patience = match self.all_are_in_polls_of(PATIENCE, now) {
            true => Duration::ZERO,
            false => PATIENCE,
        };
        let timer = self.scheduler.next_timer().map(|due| due.max(now) + patience);
        let until = timer.map_or(now + wait, |timer| timer.min(now + wait));
        self.thread.parker.park_deadline(until);
    }

    /// Of the polls that are under way.
    fn shortest_time_slice(&self) -> Duration {
        let own = self.polls.iter().enumerate().filter_map(|(index, tracked)| {
            self.scheduler.watch(index).time_slice(tracked.poll?.slice)
        });
        own.fold(self.limits.time_slice, Duration::min)
    }

    /// `false`: somebody else does, and nobody has kicked the monitor meanwhile.
    fn sleep_until_event(&self, until: Instant) -> bool {
        let rest = &self.thread.shared.rest;
        rest.in_netpoll(|is_kicked| self.scheduler.sleep_until_event(until, is_kicked))
    }

    /// The processors that somebody works on, or will.
    fn looked_at(&self) -> impl Iterator<Item = (usize, &Tracked)> {
        let looked_at = self.scheduler.processors();
        let polls = self.polls[..looked_at].iter().enumerate();
        polls.filter(|&(index, _)| !self.scheduler.is_retired(index))
    }

    /// Whether every processor has been in its poll for so long, or is in one that had to be preempted
    /// before: none of them will look for events and timers soon.
    fn all_are_in_polls_of(&self, age: Duration, now: Instant) -> bool {
        self.looked_at().all(|(index, tracked)| {
            tracked.poll.as_ref().is_some_and(|poll| {
                now.saturating_duration_since(poll.first_seen) >= age
                    || self.scheduler.watch(index).is_background(poll.slice)
            })
        })
    }

    fn sleep_while_idle(&mut self) {
        let MonitorThread { shared, parker } = &self.thread;
        shared.rest.while_idle(|| self.scheduler.is_idle(), || parker.park());
        self.idle_looks = 0;
        self.pace.quicken();
    }
}

/// The poll of the lowest class, and of these the one that has run for longest.
#[derive(Default)]
struct Longest(Option<(usize, Priority, Instant)>);

impl Longest {
    fn add(&mut self, index: usize, priority: Priority, since: Instant) {
        let goes_before = |&(_, other, other_since): &(usize, Priority, Instant)| {
            (priority as usize, other_since) > (other as usize, since)
        };
        if self.0.as_ref().is_none_or(goes_before) {
            self.0 = Some((index, priority, since));
        }
    }

    fn index(self) -> Option<usize> {
        self.0.map(|(index, ..)| index)
    }
}

/// Whether the poll keeps its processor for its whole slice: it is left alone, or it was asked a
/// grace ago and may not be forced.
fn will_not_give_way(watch: &Watch, poll: &TrackedPoll, now: Instant, grace: Duration) -> bool {
    let has_not_answered =
        || poll.requested.is_some_and(|asked| now.saturating_duration_since(asked) >= grace);
    match watch.preemption(poll.slice) {
        Preemption::Forced => false,
        Preemption::Cooperative => has_not_answered(),
        Preemption::Never => true,
    }
}

/// Whether the poll has kept its processor busy since the last look. A thread that the system has not
/// let run has not; it is no hog, and would be taken for one just when the machine is overloaded. One
/// that sleeps in the kernel keeps its processor as well.
fn has_run<S: Scheduler>(
    scheduler: &S,
    index: usize,
    poll: &mut TrackedPoll,
    now: Instant,
) -> Option<bool> {
    let Some(cpu_time) = scheduler.cpu_time(index, poll.slice) else { return Some(true) };
    let (since, before) = poll.ran.replace((now, cpu_time))?;
    let ran = cpu_time.saturating_sub(before);
    let has_run = ran * 2 >= now.saturating_duration_since(since);
    Some(has_run || scheduler.is_asleep(index, poll.slice))
}

fn request<S: Scheduler>(
    scheduler: &S,
    index: usize,
    poll: &mut TrackedPoll,
    now: Instant,
) -> bool {
    poll.requested = Some(now);
    scheduler.request(index, poll.slice);
    true
}

/// Decides about one poll and does it. Returns whether anything was done.
fn act<S: Scheduler>(
    scheduler: &S,
    index: usize,
    poll: &mut TrackedPoll,
    waiting: Waiting,
    limits: &Limits,
    now: Instant,
) -> bool {
    let age = |since: Instant| now.saturating_duration_since(since);
    let seen = Poll {
        age: age(poll.first_seen),
        requested: poll.requested.map(age),
        interrupted: poll.interrupted.map(age),
        interruptions: poll.interruptions,
        is_background: scheduler.watch(index).is_background(poll.slice),
        is_silent: scheduler.watch(index).is_silent(poll.slice),
        preemption: scheduler.watch(index).preemption(poll.slice),
    };
    match policy::decide(seen, waiting, limits) {
        Decision::Leave => false,
        Decision::Request
            if !matches!(waiting, Waiting::Scheduler | Waiting::Higher)
                && !seen.is_background
                && seen.age < limits.time_slice =>
        {
            match has_run(scheduler, index, poll, now) {
                // Known at the next look.
                None => true,
                Some(false) => false,
                Some(true) => request(scheduler, index, poll, now),
            }
        }
        Decision::Request => request(scheduler, index, poll, now),
        Decision::Interrupt => {
            if poll.requested.is_none() {
                request(scheduler, index, poll, now);
            }
            poll.interrupted = Some(now);
            poll.interruptions = poll.interruptions.saturating_add(1);
            match scheduler.interrupt(index, poll.slice) {
                Interrupted::Done => true,
                Interrupted::Asleep => {
                    limits.patience.is_some()
                        && scheduler.hand_off(index, poll.slice, poll.first_seen)
                }
            }
        }
        Decision::HandOff => {
            let handed_off = scheduler.hand_off(index, poll.slice, poll.first_seen);
            if !handed_off {
                // The poll ended, or no thread could be had: start over, do not insist at once.
                poll.requested = Some(now);
            }
            handed_off
        }
    }
}

#[cfg(test)]
#[path = "monitor_tests.rs"]
mod tests;
