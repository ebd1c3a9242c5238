//! Goal: what the kernel or glibc ties to the kernel thread is right on a fiber, or documented.
//! Linux with glibc; both backends.

#![cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]

mod common;

use common::{Queue, on_a_fiber, on_every_backend, pool_with};
use preempt_fiber::{Leave, Machine, current, resume, start};
use std::arch::asm;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

fn mxcsr() -> u32 {
    let mut value = 0u32;
    // SAFETY: stores the register.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value) };
    value
}

fn set_mxcsr(value: u32) {
    // SAFETY: valid bits; the test's arithmetic does not depend on the rounding mode.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value) };
}

fn x87_control() -> u16 {
    let mut value = 0u16;
    // SAFETY: stores the register.
    unsafe { asm!("fnstcw [{}]", in(reg) &raw mut value) };
    value
}

fn set_x87_control(value: u16) {
    // SAFETY: valid bits.
    unsafe { asm!("fldcw [{}]", in(reg) &raw const value) };
}

#[test]
fn floating_point_control_belongs_to_the_fiber() {
    const TOWARDS_ZERO: (u32, u16) = (0x7f80, 0x0f7f);
    const DOWN: (u32, u16) = (0x3f80, 0x077f);
    on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let second = pool.take_spare().unwrap();
        on_a_fiber(&pool, move || {
            let (there, back) = (Queue::default(), Queue::default());
            assert_eq!((mxcsr() & 0xffc0, x87_control()), (0x1f80, 0x037f));
            set_mxcsr(TOWARDS_ZERO.0);
            set_x87_control(TOWARDS_ZERO.1);
            let work = {
                let (there, back) = (there.clone(), back.clone());
                move || {
                    assert_eq!((mxcsr() & 0xffc0, x87_control()), (0x1f80, 0x037f));
                    set_mxcsr(DOWN.0);
                    set_x87_control(DOWN.1);
                    resume(back.take(), there.publisher());
                    assert_eq!((mxcsr() & 0xffc0, x87_control()), DOWN);
                    set_mxcsr(0x1f80);
                    set_x87_control(0x037f);
                    Leave::Resume(back.take())
                }
            };
            start(second, work, back.publisher());
            assert_eq!((mxcsr() & 0xffc0, x87_control()), TOWARDS_ZERO);
            resume(there.take(), back.publisher());
            assert_eq!((mxcsr() & 0xffc0, x87_control()), TOWARDS_ZERO);
            set_mxcsr(0x1f80);
            set_x87_control(0x037f);
        });
    });
}

#[test]
fn errno_belongs_to_the_fiber() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let second = pool.take_spare().unwrap();
        on_a_fiber(&pool, move || {
            let queue = Queue::default();
            let publish = queue.publisher();
            let work = move || {
                // SAFETY: closing no file fails with EBADF.
                assert_eq!(unsafe { libc::close(-1) }, -1);
                Leave::Resume(queue.take())
            };
            // SAFETY: this fiber's errno.
            unsafe { *libc::__errno_location() = 1234 };
            start(second, work, publish);
            // SAFETY: as above. The switch itself may change it in the kernel backend.
            let errno = unsafe { *libc::__errno_location() };
            assert_ne!(errno, libc::EBADF);
        });
    });
}

/// Pins the machine's kernel thread to one processor after the other; a stale restartable-sequences
/// area would report the processor that the donor fell asleep on.
#[test]
fn the_processor_number_is_not_stale() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 1);
        on_a_fiber(&pool, || {
            for cpu in 0..thread::available_parallelism().map_or(1, |cpus| cpus.get()) {
                // SAFETY: an empty set, then one processor, for the calling kernel thread.
                unsafe {
                    let mut set: libc::cpu_set_t = std::mem::zeroed();
                    libc::CPU_SET(cpu, &mut set);
                    if libc::sched_setaffinity(0, size_of_val(&set), &set) != 0 {
                        continue; // Not ours to use.
                    }
                    assert_eq!(libc::sched_getcpu(), cpu as i32);
                }
            }
        });
    });
}

/// glibc's set*id protocol signals every thread and waits for each: machines in the middle of
/// switches, donors, home threads.
#[test]
fn set_id_calls_reach_machines_and_donors() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 2);
        let (first, second) = (pool.take_spare().unwrap(), pool.take_spare().unwrap());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let machine = thread::spawn(move || {
            Machine::new(0).run(first, move || ping_pong(second, stopped)).unwrap();
        });
        thread::sleep(Duration::from_millis(5));
        let begin = Instant::now();
        for _ in 0..50 {
            // SAFETY: the identity that the process has already.
            unsafe { assert_eq!(libc::setuid(libc::getuid()), 0) };
        }
        stop.store(true, SeqCst);
        machine.join().unwrap();
        // From a fiber as well.
        on_a_fiber(&pool, || {
            // SAFETY: as above.
            unsafe { assert_eq!(libc::setgid(libc::getgid()), 0) };
        });
        assert!(begin.elapsed() < Duration::from_secs(30));
    });
}

fn ping_pong(second: preempt_fiber::Spare, stop: Arc<AtomicBool>) -> Leave {
    let (there, back) = (Queue::default(), Queue::default());
    let work = {
        let (there, back, stop) = (there.clone(), back.clone(), Arc::clone(&stop));
        move || {
            while !stop.load(SeqCst) {
                resume(back.take(), there.publisher());
            }
            Leave::Resume(back.take())
        }
    };
    start(second, work, back.publisher());
    while let Some(other) = there.pop() {
        resume(other, back.publisher());
    }
    Leave::Exit
}

static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_signal(_: i32) {
    SIGNALS.fetch_add(1, SeqCst);
}

#[test]
fn a_machine_can_be_interrupted() {
    on_every_backend(|builder| {
        // SAFETY: the handler adds to an atomic.
        unsafe { libc::signal(libc::SIGUSR2, count_signal as *const () as usize) };
        let pool = pool_with(builder, 1);
        let machine = Arc::new(Machine::new(0));
        assert!(machine.interrupt(libc::SIGUSR2).is_err(), "it does not run");
        let (theirs, stop) = (Arc::clone(&machine), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let spare = pool.take_spare().unwrap();
        let runs = thread::spawn(move || {
            let work = move || {
                while !stopped.load(SeqCst) {
                    std::hint::spin_loop();
                }
                // SAFETY: no arguments.
                let here = unsafe { libc::syscall(libc::SYS_gettid) };
                assert!(here > 0 && current().is_some());
                Leave::Exit
            };
            theirs.run(spare, work).unwrap();
        });
        let before = SIGNALS.load(SeqCst);
        while machine.interrupt(libc::SIGUSR2).is_err() || SIGNALS.load(SeqCst) == before {
            thread::yield_now();
        }
        stop.store(true, SeqCst);
        runs.join().unwrap();
    });
}

/// Runs this test in a child that overflows a fiber's stack, and reads what std prints about it.
#[test]
fn stack_overflow_on_a_fiber_reports_itself() {
    const CHILD: &str = "PREEMPT_FIBER_OVERFLOW";
    const NAME: &str = "stack_overflow_on_a_fiber_reports_itself";
    if std::env::var_os(CHILD).is_some() {
        let pool = pool_with(preempt_fiber::Builder::new().thread_name("fiber-of-test"), 1);
        on_a_fiber(&pool, || recurse(0));
        return;
    }
    for backend in ["user", "kernel"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--test-threads=1", "--nocapture"])
            .env(CHILD, "1")
            .env("PREEMPT_FIBER_BACKEND", backend)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("'fiber-of-test'"), "{text}");
        assert!(text.contains("has overflowed its stack"), "{text}");
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    }
}

#[allow(unconditional_recursion, reason = "the stack is to overflow")]
fn recurse(depth: u64) -> u64 {
    recurse(std::hint::black_box(depth + 1)) + 1
}

#[test]
fn processes_can_be_started_on_a_fiber() {
    on_every_backend(|builder| {
        let pool = pool_with(builder, 1);
        let status = on_a_fiber(&pool, || Command::new("true").status());
        assert!(status.unwrap().success());
        on_a_fiber(&pool, || {
            // SAFETY: the child only exits.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: ends the child.
                unsafe { libc::_exit(i32::from(current().is_none())) };
            }
            let mut status = 0;
            // SAFETY: waits for the child made above.
            unsafe { assert_eq!(libc::waitpid(child, &mut status, 0), child) };
            assert_eq!(status, 0);
        });
    });
}
