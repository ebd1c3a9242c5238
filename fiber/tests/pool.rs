//! Goal: the pool's memory and threads are bounded, its failures are errors, and dropping it ends
//! what is idle. Threads are counted by `/proc/self/task`, so that each test runs in a process of
//! its own: the test binary runs itself with the test's name.

#![cfg(target_os = "linux")]

mod common;

use common::{Queue, on_a_fiber, on_every_backend, pool_with};
use preempt_fiber::{Backend, Builder, Error, Leave, Machine, Stack, current, start};
use std::cell::RefCell;
use std::error::Error as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const CHILD: &str = "PREEMPT_FIBER_TEST_CHILD";

/// Runs `body` if this is the child, else starts one for the test `name` and checks its success.
fn in_a_process_of_its_own(name: &str, body: impl Fn()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1", "--nocapture"])
        .env(CHILD, name)
        .output()
        .expect("the test binary runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stdout));
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// A joined thread may still be listed for a moment.
fn wait_for_threads(expected: usize) {
    for _ in 0..1000 {
        if threads() == expected {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("{} threads are left, expected {expected}", threads());
}

#[test]
fn the_pool_is_capped() {
    on_every_backend(|builder| {
        let pool = builder.max_fibers(3).build().unwrap();
        assert_eq!(pool.prepare(10).unwrap(), 3);
        assert_eq!((pool.fibers(), pool.spares()), (3, 3));
        let taken: Vec<_> = std::iter::from_fn(|| pool.take_spare()).collect();
        assert_eq!(taken.len(), 3);
        assert_eq!(pool.top_up(1).unwrap(), 0);
        drop(taken);
        assert_eq!(pool.spares(), 3);
    });
}

#[test]
fn dropping_the_pool_ends_its_threads() {
    thread_local! {
        static DROPPED: RefCell<Option<CountsDrop>> = const { RefCell::new(None) };
    }
    struct CountsDrop(Arc<AtomicUsize>);
    impl Drop for CountsDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    in_a_process_of_its_own("dropping_the_pool_ends_its_threads", || {
        let before = threads();
        on_every_backend(|builder| {
            let pool = pool_with(builder, 8);
            assert_eq!(threads(), before + 8);
            let count = Arc::new(AtomicUsize::new(0));
            let theirs = Arc::clone(&count);
            on_a_fiber(&pool, || DROPPED.set(Some(CountsDrop(theirs))));
            assert_eq!(count.load(SeqCst), 0);
            drop(pool);
            assert_eq!(count.load(SeqCst), 1, "thread-local destructors ran");
            wait_for_threads(before);
        });
    });
}

#[test]
fn a_fiber_at_work_ends_when_it_becomes_idle_after_the_pool_is_gone() {
    in_a_process_of_its_own(
        "a_fiber_at_work_ends_when_it_becomes_idle_after_the_pool_is_gone",
        || {
            let before = threads();
            on_every_backend(|builder| {
                let pool = pool_with(builder, 3);
                let (first, second) = (pool.take_spare().unwrap(), pool.take_spare().unwrap());
                let work = move || {
                    drop(pool);
                    let queue = Queue::default();
                    let publish = queue.publisher();
                    start(second, move || Leave::Resume(queue.take()), publish);
                    Leave::Exit
                };
                Machine::new(0).run(first, work).unwrap();
                wait_for_threads(before);
            });
        },
    );
}

#[test]
fn a_dropped_suspended_fiber_is_leaked_and_counted() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let (first, second) = (pool.take_spare().unwrap(), pool.take_spare().unwrap());
        let work = move || {
            start(second, || Leave::Exit, drop);
            unreachable!("nobody can resume it");
        };
        Machine::new(0).run(first, work).unwrap();
        assert_eq!((pool.leaked(), pool.fibers(), pool.spares()), (1, 2, 1));
    });
}

/// An address space of 128 TiB has no room for the stack: `pthread_create` fails as it does when
/// the system has no more threads, with EAGAIN.
#[test]
fn no_more_threads_is_an_error() {
    on_every_backend(|builder| {
        let pool = builder.stack_bytes(1 << 47).build().unwrap();
        for _ in 0..3 {
            let error = pool.top_up(1).expect_err("no address space is that large");
            assert!(matches!(error, Error::Spawn(_)), "{error:?}");
            let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
            assert_eq!(source.unwrap().raw_os_error(), Some(libc::EAGAIN));
            assert_eq!((pool.fibers(), pool.spares()), (0, 0));
        }
        assert!(pool.take_spare().is_none());
    });
}

/// The same by RLIMIT_NPROC, in a process that gives up root, to which the limit does not apply.
#[test]
fn the_limit_on_processes_is_an_error() {
    in_a_process_of_its_own("the_limit_on_processes_is_an_error", || {
        grow_beyond_the_limit();
    });
}

fn grow_beyond_the_limit() {
    let builder = Builder::new().max_fibers(64);
    let pool = pool_with(builder, 2);
    let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
    // SAFETY: plain system calls; the identity changes for all threads, by glibc's protocol.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_NPROC, &limit), 0);
        if libc::geteuid() == 0 {
            assert_eq!(libc::setuid(65_534), 0);
        }
    }
    let error = pool.top_up(10).expect_err("the limit is reached");
    assert!(matches!(error, Error::Spawn(_)), "{error:?}");
    assert_eq!((pool.fibers(), pool.spares()), (2, 2));
    assert_eq!(on_a_fiber(&pool, || 7), 7, "what is there works");
}

#[test]
fn idle_stacks_beyond_the_warm_ones_are_given_back() {
    const DEEP_BYTES: usize = 4 << 20;

    fn deep(levels: usize) -> u64 {
        let block = std::hint::black_box([levels as u8; 4096]);
        if levels == 0 { u64::from(block[17]) } else { deep(levels - 1) + u64::from(block[9]) }
    }

    fn resident_bytes(stack: Stack) -> usize {
        const PAGE: usize = 4096;
        let mut pages = vec![0u8; (stack.hi - stack.lo) / PAGE];
        let base = std::ptr::without_provenance_mut(stack.lo.next_multiple_of(PAGE));
        // SAFETY: asks about the pages of a stack that is mapped; one byte for each.
        let result = unsafe { libc::mincore(base, (pages.len() - 1) * PAGE, pages.as_mut_ptr()) };
        assert_eq!(result, 0);
        pages.iter().filter(|&&page| page & 1 == 1).count() * PAGE
    }

    on_every_backend(|builder| {
        let resident = |warm_spares| {
            let builder = builder.clone().warm_spares(warm_spares).stack_bytes(4 * DEEP_BYTES);
            let pool = pool_with(builder, 1);
            let stack = on_a_fiber(&pool, || {
                deep(DEEP_BYTES / 4096);
                current().unwrap().stack()
            });
            resident_bytes(stack)
        };
        assert!(resident(1) > DEEP_BYTES, "it was used and kept");
        assert!(resident(0) < DEEP_BYTES / 10, "it was used and given back");
    });
}

#[test]
fn the_environment_chooses_the_backend() {
    in_a_process_of_its_own("the_environment_chooses_the_backend", || {
        for (name, backend) in [("user", Backend::User), ("kernel", Backend::Kernel)] {
            // SAFETY: the process has one thread that looks at the environment.
            unsafe { std::env::set_var("PREEMPT_FIBER_BACKEND", name) };
            let other = if name == "user" { Backend::Kernel } else { Backend::User };
            let built = Builder::new().backend(other).build();
            match built {
                Ok(pool) => assert_eq!(pool.backend(), backend),
                Err(error) => assert!(matches!(error, Error::Unsupported(Some(_)))),
            }
        }
        // SAFETY: as above.
        unsafe { std::env::set_var("PREEMPT_FIBER_BACKEND", "magic") };
        let error = Builder::new().build().unwrap_err();
        assert!(error.to_string().contains("magic"));
    });
}
