//! Goal: at each limit, the runtime's own and the system's, what happens is that somebody waits or gets a
//! clear error; nothing is lost, nobody starves, and what was scarce comes back.
//! Method: very many of each thing; and child processes whose limits are lowered, and raised again.
//!
//! Elsewhere: descriptors (`net_limits.rs`); no thread or stack at all for preemptions (`forced_process.rs`).

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use preempt::runtime::{Backend, Builder, Runtime};
use preempt::task::{JoinSet, yield_now};
use preempt::time::{sleep, timeout};
use std::future::pending;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::Duration;
use std::{fs, io, thread};

// ---- places for detached polls ----

/// Each hog counts its rounds.
fn hog(rounds: Count, stop: Signal) {
    while !stop.is_set() {
        rounds.add_one();
        work(100);
    }
}

#[test]
fn more_hogs_than_places_all_make_progress_and_places_come_back() {
    const PLACES: usize = 3;
    const HOGS: usize = 10;
    let _serial = serial();
    for &backend in backends() {
        within(LIMIT, move || {
            let runtime = builder(backend, 1).max_detached(PLACES).build().unwrap();
            for _ in 0..3 {
                let stop = Stop::new();
                let rounds = [(); HOGS].map(|()| Count::default());
                let hogs: Vec<_> = rounds
                    .iter()
                    .map(|rounds| {
                        let (rounds, stop) = (rounds.clone(), stop.signal());
                        runtime.spawn(async move { hog(rounds, stop) })
                    })
                    .collect();
                eventually("all hogs run", || rounds.iter().all(|rounds| rounds.get() > 0));
                for _ in 0..2 {
                    let before = rounds.each_ref().map(Count::get);
                    let goes_on =
                        || rounds.iter().zip(&before).all(|(now, &then)| now.get() > then);
                    eventually("all hogs go on", goes_on);
                    // Beside a task that is no hog.
                    let fresh = runtime.spawn(async { yield_now().await });
                    runtime.block_on(fresh).unwrap();
                }
                stop.stop();
                for hog in hogs {
                    runtime.block_on(hog).unwrap();
                }
            }
            let metrics = runtime.metrics();
            assert!(metrics.detaches > 0 && metrics.hand_offs > 0, "{metrics:?}");
            // All places are free: as many polls as that are detached at the same time, one after the
            // other on the only processor.
            let stop = Stop::new();
            let before = runtime.metrics().detaches;
            for _ in 0..PLACES {
                let stop = stop.signal();
                runtime.spawn(async move { stop.spin() });
            }
            eventually("the places are used again", || {
                runtime.metrics().detaches >= before + PLACES as u64
            });
        });
    }
}

// ---- threads of the system ----

const SKIPPED: &str = "skipped: the limit on threads has no effect here";

fn threads_of_process() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap();
    line.trim().parse().unwrap()
}

/// Allows so many threads more than there are. `false`: the limit has no effect.
fn allow_threads(more: u64) -> bool {
    let limit = threads_of_process() + more;
    // SAFETY: numbers and a valid structure. Root is not limited, so root becomes a user who has no
    // other process.
    unsafe {
        if libc::geteuid() == 0 && libc::setuid(100_000 + std::process::id()) != 0 {
            return false;
        }
        let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NPROC, &mut limits);
        limits.rlim_cur = limit.min(limits.rlim_max);
        libc::setrlimit(libc::RLIMIT_NPROC, &limits) == 0
    }
}

fn can_forbid_threads() -> bool {
    let can = allow_threads(0) && thread::Builder::new().spawn(|| {}).is_err();
    if !can {
        println!("{SKIPPED}");
    }
    can
}

#[test]
fn a_build_with_too_few_threads_works_or_says_what_to_do() {
    Child::each_backend(
        "a_build_with_too_few_threads_works_or_says_what_to_do",
        |backend| {
            if !can_forbid_threads() {
                return;
            }
            // Until there are enough for all: machines, fibers, the monitor.
            let (mut refused, mut built) = (0, 0);
            for allowed in 0..20 {
                assert!(allow_threads(allowed));
                match builder(backend, 2).build() {
                    Ok(runtime) => {
                        let task = runtime.spawn(async { 7 });
                        assert_eq!(runtime.block_on(task).unwrap(), 7);
                        built += 1;
                    }
                    Err(error) => {
                        let text = error.to_string();
                        for part in ["makes no thread", "ulimit -u", "Builder::worker_threads"] {
                            assert!(text.contains(part), "{text}");
                        }
                        refused += 1;
                    }
                }
                eventually("its threads end", || threads() == 0);
            }
            assert!(refused > 0 && built > 0, "{refused} {built}");
        },
        |child| child.succeeded(),
    );
}

#[test]
fn blocking_work_waits_for_a_thread_when_there_are_no_more() {
    const JOBS: usize = 20;
    Child::each_backend(
        "blocking_work_waits_for_a_thread_when_there_are_no_more",
        |backend| {
            let runtime = builder(backend, 1).build().unwrap();
            let (go_on, waits) = channel::<()>();
            let first = runtime.spawn_blocking(move || waits.recv().is_err());
            if !can_forbid_threads() {
                return;
            }
            let done = Count::default();
            let jobs: Vec<_> = (0..JOBS)
                .map(|_| {
                    let done = done.clone();
                    runtime.spawn_blocking(move || done.add_one())
                })
                .collect();
            assert_eq!(done.get(), 0);
            drop(go_on);
            assert!(runtime.block_on(first).unwrap());
            for job in jobs {
                runtime.block_on(job).unwrap();
            }
            assert_eq!(done.get(), JOBS);
            // And in parallel again, when there are threads.
            assert!(allow_threads(2));
            let (here, there) = (Signal::default(), Signal::default());
            let (is_here, is_there) = (here.clone(), there.clone());
            let both = [
                runtime.spawn_blocking(move || {
                    here.set();
                    is_there.wait("the other job runs");
                }),
                runtime.spawn_blocking(move || {
                    there.set();
                    is_here.wait("the other job runs");
                }),
            ];
            for job in both {
                runtime.block_on(job).unwrap();
            }
        },
        |child| {
            child.succeeded();
            let warnings = child.stderr.matches("no further thread for blocking work").count();
            assert!(child.stdout.contains(SKIPPED) || warnings == 1, "{}", child.describe());
        },
    );
}

#[test]
fn preemption_goes_on_when_there_are_threads_again() {
    Child::each_backend(
        "preemption_goes_on_when_there_are_threads_again",
        |backend| {
            // Long polls are reported, by a thread that cannot be had at first.
            let runtime = builder(backend, 1).stall_threshold(SLICE).build().unwrap();
            if !can_forbid_threads() {
                return;
            }
            // As many hogs as use up the fibers and machines that there are.
            let stop = Stop::new();
            let rounds = [(); 8].map(|()| Count::default());
            for rounds in &rounds {
                let (rounds, stop) = (rounds.clone(), stop.signal());
                runtime.spawn(async move { hog(rounds, stop) });
            }
            eventually("some hog runs", || rounds.iter().any(|rounds| rounds.get() > 1000));
            thread::sleep(Duration::from_millis(100));
            assert!(allow_threads(100));
            eventually("all hogs run", || rounds.iter().all(|rounds| rounds.get() > 0));
        },
        |child| child.succeeded(),
    );
}

#[test]
fn without_a_thread_the_debug_endpoint_says_so() {
    Child::each_backend(
        "without_a_thread_the_debug_endpoint_says_so",
        |backend| {
            let runtime = builder(backend, 1).build().unwrap();
            let server =
                runtime.handle().serve_debug(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            let ask = || {
                let mut stream = TcpStream::connect(server.local_addr()).unwrap();
                // It may be closed already, with the answer in it.
                let _sent = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
                let mut answer = Vec::new();
                let read = stream.read_to_end(&mut answer);
                let is_reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
                assert!(read.is_ok() || read.as_ref().is_err_and(is_reset), "{read:?}");
                String::from_utf8(answer).unwrap()
            };
            assert!(ask().starts_with("HTTP/1.1 200"));
            eventually("the thread of the answer ends", || threads_named("preempt-debug") == 1);
            if !can_forbid_threads() {
                return;
            }
            let answer = ask();
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
            assert!(answer.contains("no thread for the answer"), "{answer}");
            assert!(allow_threads(1));
            assert!(ask().starts_with("HTTP/1.1 200"));
        },
        |child| child.succeeded(),
    );
}

fn threads_named(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}

// ---- threads of the pool ----

#[test]
fn jobs_beyond_the_blocking_threads_queue_and_none_is_lost() {
    const THREADS: usize = 3;
    const JOBS: usize = 200;
    within(LIMIT, || {
        let runtime =
            Builder::new_multi_thread().worker_threads(2).max_blocking_threads(THREADS).build();
        let runtime = runtime.unwrap();
        let (running, done) = (Arc::new(AtomicUsize::new(0)), Count::default());
        let jobs: Vec<_> = (0..JOBS)
            .map(|_| {
                let (running, done) = (running.clone(), done.clone());
                runtime.spawn_blocking(move || {
                    assert!(running.fetch_add(1, SeqCst) < THREADS);
                    thread::sleep(Duration::from_micros(200));
                    running.fetch_sub(1, SeqCst);
                    done.add_one()
                })
            })
            .collect();
        for job in jobs {
            runtime.block_on(job).unwrap();
        }
        assert_eq!(done.get(), JOBS);
    });
}

#[test]
fn a_shutdown_cancels_jobs_that_wait_for_a_thread() {
    within(LIMIT, || {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().unwrap();
        let (go_on, waits) = channel::<()>();
        let begun = Signal::default();
        let begins = begun.clone();
        let first = runtime.spawn_blocking(move || {
            begins.set();
            waits.recv().is_err()
        });
        begun.wait("the first job");
        let drops = Count::default();
        let queued: Vec<_> = (0..10)
            .map(|_| {
                let counts = CountsDrop(drops.clone());
                runtime.spawn_blocking(move || drop(counts))
            })
            .collect();
        let handle = thread::spawn(move || drop(runtime));
        eventually("they are cancelled", || drops.get() == 10);
        drop(go_on);
        handle.join().unwrap();
        let other = current_thread();
        for job in queued {
            assert!(other.block_on(job).unwrap_err().is_cancelled());
        }
        assert!(other.block_on(first).unwrap(), "what had begun went on to its end");
    });
}

// ---- very many ----

/// What the process holds, in bytes.
fn resident() -> u64 {
    // SAFETY: no arguments that matter. What the allocator keeps is not the runtime's.
    unsafe { libc::malloc_trim(0) };
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

const MANY: usize = 1_000_000;
/// Of the memory that a million take, so much may stay.
const STAYS: u64 = 10;

/// Runs `many` twice in a child process, and looks whether the memory that it takes comes back.
#[track_caller]
fn memory_comes_back(name: &str, many: fn(&Runtime, &mut dyn FnMut())) {
    Child::each_backend(
        name,
        |backend| {
            if backend == Backend::Kernel {
                // It makes no difference here.
                return;
            }
            let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
            runtime.block_on(async { preempt::spawn(sleep(Duration::ZERO)).await.unwrap() });
            let before = resident();
            for _ in 0..2 {
                let mut peak = 0;
                many(&runtime, &mut || peak = resident());
                let taken = peak.saturating_sub(before);
                assert!(taken > 50 << 20, "a million take more than {taken} bytes");
                let stays = || resident().saturating_sub(before);
                println!("{} MiB, {} MiB stay", taken >> 20, stays() >> 20);
                eventually("the memory comes back", || stays() < taken / STAYS);
            }
        },
        |child| {
            println!("{}", child.stdout);
            child.succeeded();
        },
    );
}

#[test]
fn a_million_idle_tasks() {
    memory_comes_back("a_million_idle_tasks", |runtime, at_peak| {
        let alive = Count::default();
        let mut tasks = JoinSet::new();
        runtime.block_on(async {
            for _ in 0..MANY {
                let counts = CountsDrop(alive.clone());
                tasks.spawn(async move {
                    let _counts = counts;
                    pending::<()>().await;
                });
            }
            // All others have been queued before.
            preempt::spawn(yield_now()).await.unwrap();
            at_peak();
            tasks.shutdown().await;
        });
        eventually("all are dropped", || alive.get() == MANY);
    });
}

#[test]
fn a_million_timers_of_which_half_are_taken_back() {
    memory_comes_back("a_million_timers_of_which_half_are_taken_back", |runtime, at_peak| {
        let fired = Count::default();
        runtime.block_on(async {
            let start = preempt::time::Instant::now();
            let mut set = Vec::new();
            for number in 0..MANY {
                // Near ones, far ones, and one in ten million years.
                let after = match number % 4 {
                    0 => Duration::from_millis(number as u64 % 1000),
                    1 => Duration::from_secs(number as u64),
                    2 => Duration::from_millis(10_000),
                    _ => Duration::MAX,
                };
                let mut timer = Box::pin(sleep(after));
                // Sets it.
                if timeout(Duration::ZERO, &mut timer).await.is_err() {
                    set.push((number, timer));
                } else {
                    fired.add_one();
                }
            }
            at_peak();
            set.retain(|(number, _)| number % 2 == 0);
            for (number, timer) in set {
                if number % 4 == 0 {
                    timer.await;
                    fired.add_one();
                    assert!(start.elapsed() >= Duration::from_millis(number as u64 % 1000));
                }
            }
        });
        assert_eq!(fired.get(), MANY / 4);
    });
}
