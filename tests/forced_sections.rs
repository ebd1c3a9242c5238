//! Goal: what must not be suspended is not: code that has blocked signals, code that sleeps in the
//! kernel, `no_preempt` sections, `block_on`'s own future, current-thread runtimes, and a poll that
//! nobody waits behind.
//! Method: the kernel thread's number, which a suspension may change, the runtime's counters, and
//! tasks that run on the only processor in the meantime.

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use preempt::no_preempt;
use preempt::runtime::{Backend, Builder};
use preempt::task::yield_now;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

// ---- code that has changed the signal mask ----

/// Blocks a signal that has nothing to do with the runtime until it is dropped.
struct Blocked;

fn mask(how: i32) {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: a valid set.
    let result = unsafe {
        libc::sigaddset(set.as_mut_ptr(), libc::SIGUSR1);
        libc::pthread_sigmask(how, set.as_ptr(), ptr::null_mut())
    };
    assert_eq!(result, 0);
}

impl Blocked {
    fn new() -> Self {
        mask(libc::SIG_BLOCK);
        Blocked
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        mask(libc::SIG_UNBLOCK);
    }
}

#[test]
fn a_section_with_blocked_signals_is_not_suspended() {
    on_one_processor(|runtime| {
        let others = Others::spawn(runtime.handle());
        let their = others.others();
        let handle = runtime.handle().clone();
        let task = runtime.spawn(async move {
            for _ in 0..20 {
                // On both sides of the section it may be, and is.
                their.spin_until_resumed();
                let refused = handle.metrics().refusals.masked;
                let blocked = Blocked::new();
                let before = kernel_thread();
                let polls = their.polls();
                let deadline = Instant::now() + LIMIT;
                while handle.metrics().refusals.masked == refused {
                    assert!(Instant::now() < deadline, "no signal was refused");
                    work_slices(1);
                }
                work_slices(3);
                assert_eq!(their.polls(), polls, "something else ran on the only processor");
                assert_eq!(kernel_thread(), before);
                drop(blocked);
            }
        });
        runtime.block_on(task).unwrap();
    });
}

/// Threads inherit the signal mask of those that make them.
#[test]
fn a_runtime_that_is_built_with_all_signals_blocked_suspends_polls_all_the_same() {
    Child::each_backend(
        "a_runtime_that_is_built_with_all_signals_blocked_suspends_polls_all_the_same",
        |backend| {
            let mut all = MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: the set is filled before it is used.
            unsafe {
                libc::sigfillset(all.as_mut_ptr());
                libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
            }
            let runtime = builder(backend, 1).hand_off(false).build().unwrap();
            let others = Others::spawn(runtime.handle());
            let their = others.others();
            let task = runtime.spawn(async move {
                for _ in 0..20 {
                    their.spin_until_resumed();
                }
            });
            runtime.block_on(task).unwrap();
        },
        |child| child.succeeded(),
    );
}

// ---- code that sleeps in the kernel ----

/// A task blocks in the kernel on the only processor, another one ends the wait.
#[test]
fn a_blocking_read_is_handed_off_and_not_interrupted() {
    on_each(|builder| {
        const ROUNDS: usize = 30;
        let runtime = builder.build().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let (reader_2, writer_2) = io::pipe().unwrap();
        let read = |from: i32| {
            let mut byte = 0_u8;
            // SAFETY: a valid buffer of one byte.
            let length = unsafe { libc::read(from, (&raw mut byte).cast(), 1) };
            assert_eq!(length, 1, "{}", io::Error::last_os_error());
            byte
        };
        let write = |into: i32, byte: u8| {
            // SAFETY: a valid buffer of one byte.
            let length = unsafe { libc::write(into, (&raw const byte).cast(), 1) };
            assert_eq!(length, 1, "{}", io::Error::last_os_error());
        };
        let ping = runtime.spawn(async move {
            for round in 0..ROUNDS {
                write(writer.as_raw_fd(), round as u8);
                assert_eq!(read(reader_2.as_raw_fd()), round as u8);
                work_slices(2);
            }
        });
        let pong = runtime.spawn(async move {
            for round in 0..ROUNDS {
                assert_eq!(read(reader.as_raw_fd()), round as u8);
                work_slices(2);
                write(writer_2.as_raw_fd(), round as u8);
            }
        });
        runtime.block_on(async {
            ping.await.unwrap();
            pong.await.unwrap();
        });
    });
}

/// `nanosleep` is never restarted after a handler has run, so `EINTR` shows each signal that hits
/// it. The monitor looks before it sends one; that the thread falls asleep right in between is
/// possible, so each poll here begins with its sleep. Not `poll`: woken by its timeout it fails if
/// a signal comes before it has a processor again.
#[test]
fn what_sleeps_is_left_alone() {
    on_each(|builder| {
        const ROUNDS: usize = 30;
        let runtime = builder.build().unwrap();
        let stop = Stop::new();
        let served = Count::default();
        let (theirs, stopped) = (served.clone(), stop.signal());
        runtime.spawn(async move {
            while !stopped.is_set() {
                theirs.add_one();
                preempt::time::sleep(Duration::from_micros(300)).await;
            }
        });
        let sleeper = runtime.spawn(async move {
            let mut interrupted = 0;
            for _ in 0..ROUNDS {
                yield_now().await;
                let time = libc::timespec { tv_sec: 0, tv_nsec: 4_000_000 };
                // SAFETY: a valid time, and no wish to know what is left of it.
                let result = unsafe { libc::nanosleep(&time, ptr::null_mut()) };
                interrupted += usize::from(result != 0);
            }
            interrupted
        });
        let interrupted = runtime.block_on(sleeper).unwrap();
        assert!(interrupted <= ROUNDS / 5, "{interrupted} of {ROUNDS} were interrupted");
        assert!(served.get() > ROUNDS, "the other task ran {} times", served.get());
        let metrics = runtime.metrics();
        assert!(metrics.hand_offs > 0 || metrics.processors > 1, "{metrics:?}");
    });
}

// ---- no_preempt ----

#[test]
fn a_no_preempt_section_is_not_suspended_and_gives_way_afterwards() {
    on_one_processor(|runtime| {
        let others = Others::spawn(runtime.handle());
        let their = others.others();
        let handle = runtime.handle().clone();
        let task = runtime.spawn(async move {
            for round in 0..20 {
                let detaches = no_preempt(|| {
                    // Within: right before it the poll may be suspended.
                    let detaches = handle.metrics().detaches;
                    let (before, polls) = (kernel_thread(), their.polls());
                    work_slices(5);
                    // Sections nest, and checkpoints in them do nothing.
                    no_preempt(|| work_slices(1));
                    preempt::checkpoint();
                    work_slices(5);
                    assert_eq!(their.polls(), polls, "something else ran on the only processor");
                    assert_eq!(kernel_thread(), before);
                    assert_eq!(handle.metrics().detaches, detaches, "round {round}");
                    detaches
                });
                their.spin_until_resumed();
                assert!(handle.metrics().detaches > detaches);
            }
        });
        runtime.block_on(task).unwrap();
        assert!(runtime.metrics().refusals.no_preempt > 0, "{:?}", runtime.metrics());
    });
}

/// With hand-off the processor may go, but the section stays where it is.
#[test]
fn a_no_preempt_section_keeps_its_kernel_thread() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                runtime.spawn(async {
                    for _ in 0..10 {
                        no_preempt(|| {
                            let before = kernel_thread();
                            work_slices(10);
                            assert_eq!(kernel_thread(), before);
                        });
                        work_slices(2);
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}

// ---- what is tied to its thread ----

#[test]
fn the_future_of_block_on_stays_on_its_thread() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let stop = Stop::new();
        for _ in 0..4 {
            let stop = stop.signal();
            runtime.spawn(async move { stop.spin() });
        }
        runtime.block_on(async {
            let here = || (thread::current().id(), kernel_thread());
            let start = here();
            for _ in 0..30 {
                work_slices(3);
                assert_eq!(here(), start);
                yield_now().await;
                assert_eq!(here(), start);
                preempt::time::sleep(Duration::from_micros(200)).await;
                assert_eq!(here(), start);
            }
        });
        eventually("the hogs are suspended", || runtime.metrics().detaches > 0);
    });
}

#[test]
fn a_current_thread_runtime_never_suspends() {
    let _serial = serial();
    for &backend in backends() {
        within(LIMIT, move || {
            let mut builder = Builder::new_current_thread();
            let runtime = builder.backend(backend).time_slice(SLICE).build().unwrap();
            let here = || (thread::current().id(), kernel_thread());
            let start = here();
            runtime.block_on(async move {
                let tasks: Vec<_> = (0..5)
                    .map(|_| {
                        preempt::spawn(async move {
                            for _ in 0..10 {
                                work_slices(5);
                                // Nor at a checkpoint.
                                preempt::checkpoint();
                                assert_eq!(here(), start);
                                yield_now().await;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            let metrics = runtime.metrics();
            let counts = (metrics.detaches, metrics.signals, metrics.hand_offs, metrics.fibers);
            assert_eq!(counts, (0, 0, 0, 0));
        });
    }
}

// ---- nobody waits ----

#[test]
fn a_lone_hog_is_left_alone() {
    on_each(|builder| {
        let runtime = builder.build().unwrap();
        let stop = Stop::new();
        let (started, stopped) = (Signal::default(), stop.signal());
        let theirs = started.clone();
        runtime.spawn(async move {
            theirs.set();
            stopped.spin();
        });
        eventually("the hog runs", || started.is_set());
        thread::sleep(Duration::from_millis(300));
        let metrics = runtime.metrics();
        assert_eq!((metrics.signals, metrics.requests, metrics.hand_offs), (0, 0, 0));
    });
}

/// The backend is the one that was asked for, or these tests test half of what they say.
#[test]
fn both_backends_are_tested() {
    for &backend in backends() {
        within(LIMIT, move || {
            let runtime = builder(backend, 1).build().unwrap();
            let others = Others::spawn(runtime.handle());
            let their = others.others();
            let fixed = runtime.spawn(async move {
                // With the kernel backend a fiber never changes its kernel thread.
                let before = kernel_thread();
                for _ in 0..50 {
                    their.spin_until_resumed();
                }
                kernel_thread() == before
            });
            let fixed = runtime.block_on(fixed).unwrap();
            assert!(fixed || backend == Backend::User);
        });
    }
}
