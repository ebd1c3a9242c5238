//! Goal: an application may use the preemption signal itself, before and after the runtime, and
//! choose another one.
//! Method: a handler belongs to the whole process, so each case is a child process.

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use preempt::runtime::{Builder, Runtime};
use std::io::ErrorKind;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

/// What the application's handler has counted.
static HANDLED: AtomicUsize = AtomicUsize::new(0);
/// The `si_code` of the last one, if the handler is told.
static CODE: AtomicI32 = AtomicI32::new(i32::MAX);

extern "C" fn count(_signal: i32) {
    HANDLED.fetch_add(1, SeqCst);
}

extern "C" fn count_with_info(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    assert!(signal == libc::SIGURG && !context.is_null());
    // SAFETY: the kernel, or whoever calls in its place, passes valid information.
    CODE.store(unsafe { (*info).si_code }, SeqCst);
    HANDLED.fetch_add(1, SeqCst);
}

/// What [`count_and_pass_on`] calls.
static PASSED_TO: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_and_pass_on(
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);
    HANDLED.fetch_add(1, SeqCst);
    let next = ptr::with_exposed_provenance::<()>(PASSED_TO.load(SeqCst));
    // SAFETY: the runtime's handler, which takes three arguments.
    let next = unsafe { mem::transmute::<*const (), Handler>(next) };
    next(signal, info, context);
}

/// Makes `handler` that of SIGURG; returns what it was before.
fn install(handler: usize, flags: i32) -> libc::sigaction {
    // SAFETY: all zeros is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags | libc::SA_RESTART | libc::SA_ONSTACK;
    replace(&action)
}

/// That of SIGURG.
fn action() -> libc::sigaction {
    // SAFETY: all zeros is a valid `sigaction`, and nothing is changed.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGURG, ptr::null(), &mut action), 0);
        action
    }
}

fn replace(action: &libc::sigaction) -> libc::sigaction {
    // SAFETY: all zeros is a valid `sigaction`; the handlers here only touch atomics.
    unsafe {
        let mut previous: libc::sigaction = mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGURG, action, &mut previous), 0);
        previous
    }
}

/// The application's signals arrive, each once, while the runtime's own fly about.
fn the_applications_signals_arrive(builder: &mut Builder) {
    const SIGNALS: usize = 300;
    let runtime = builder.build().unwrap();
    let stop = Stop::new();
    for _ in 0..3 {
        let stop = stop.signal();
        runtime.spawn(async move { stop.spin() });
    }
    eventually("the hogs are suspended", || runtime.metrics().detaches > 5);
    assert_eq!(HANDLED.load(SeqCst), 0, "the runtime's own signals");
    // This thread and, if it is another, the harness's do not take it: a worker does.
    block(libc::SIGURG);
    for sent in 1..=SIGNALS {
        // SAFETY: sends a signal that has a handler.
        assert_eq!(unsafe { libc::kill(libc::getpid(), libc::SIGURG) }, 0);
        eventually("it was handled", || HANDLED.load(SeqCst) == sent);
    }
    let detaches = runtime.metrics().detaches;
    eventually("preemption goes on", || runtime.metrics().detaches > detaches + 5);
    assert_eq!(HANDLED.load(SeqCst), SIGNALS);
}

fn block(signal: i32) {
    // SAFETY: a valid set.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigaddset(&mut set, signal);
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut());
    }
}

#[test]
fn a_handler_from_before_the_runtime_is_called() {
    Child::each_backend(
        "a_handler_from_before_the_runtime_is_called",
        |backend| {
            install(count as *const () as usize, 0);
            the_applications_signals_arrive(&mut builder(backend, 2));
        },
        |child| child.succeeded(),
    );
}

#[test]
fn a_handler_with_information_from_before_the_runtime_is_called() {
    Child::each_backend(
        "a_handler_with_information_from_before_the_runtime_is_called",
        |backend| {
            install(count_with_info as *const () as usize, libc::SA_SIGINFO);
            the_applications_signals_arrive(&mut builder(backend, 1));
            assert_eq!(CODE.load(SeqCst), libc::SI_USER);
        },
        |child| child.succeeded(),
    );
}

#[test]
fn a_handler_from_after_the_runtime_leaves_hand_off() {
    Child::each_backend(
        "a_handler_from_after_the_runtime_leaves_hand_off",
        |backend| {
            let runtime = builder(backend, 1).build().unwrap();
            let stop = Stop::new();
            let progress: Vec<Count> = (0..3).map(|_| Count::default()).collect();
            for count in &progress {
                let (count, stop) = (count.clone(), stop.signal());
                runtime.spawn(async move {
                    while !stop.is_set() {
                        count.add_one();
                        work_slices(1);
                    }
                });
            }
            eventually("the hogs are suspended", || runtime.metrics().detaches > 5);
            install(count as *const () as usize, 0);
            for _ in 0..3 {
                let handed_off = runtime.metrics().hand_offs;
                let before: Vec<usize> = progress.iter().map(Count::get).collect();
                // Another task comes, and somebody has to make way for it.
                let one_more = runtime.spawn(async {});
                runtime.block_on(one_more).unwrap();
                eventually("all go on", || {
                    progress.iter().zip(&before).all(|(count, before)| count.get() > before + 1)
                });
                eventually("processors are handed off", || {
                    runtime.metrics().hand_offs > handed_off
                        || runtime.metrics().detached_polls == 0
                });
            }
        },
        |child| child.succeeded(),
    );
}

/// The action that [`pass_on`] calls.
static REPLACED: AtomicUsize = AtomicUsize::new(0);

/// A handler that calls the one that it has replaced, as signal libraries do.
extern "C" fn pass_on(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    HANDLED.fetch_add(1, SeqCst);
    type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);
    // SAFETY: the runtime's handler, which takes three arguments.
    let replaced = unsafe { mem::transmute::<usize, Handler>(REPLACED.load(SeqCst)) };
    replaced(signal, info, context);
}

/// What the kernel has saved is then on the stack of the poll, where nothing may be injected.
#[test]
fn a_handler_in_front_that_uses_the_polls_stack_leaves_hand_off() {
    Child::each_backend(
        "a_handler_in_front_that_uses_the_polls_stack_leaves_hand_off",
        |backend| {
            let runtime = builder(backend, 1).build().unwrap();
            // SAFETY: all zeros is a valid `sigaction`; the handlers are safe in a signal.
            unsafe {
                let mut action: libc::sigaction = mem::zeroed();
                let mut replaced: libc::sigaction = mem::zeroed();
                assert_eq!(libc::sigaction(libc::SIGURG, ptr::null(), &mut replaced), 0);
                REPLACED.store(replaced.sa_sigaction, SeqCst);
                action.sa_sigaction = pass_on as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
                assert_eq!(libc::sigaction(libc::SIGURG, &action, ptr::null_mut()), 0);
            }
            let stop = Stop::new();
            let hogs: Vec<_> = (0..3)
                .map(|_| {
                    let stop = stop.signal();
                    runtime.spawn(async move { stop.spin() })
                })
                .collect();
            eventually("they are signalled", || HANDLED.load(SeqCst) > 3);
            eventually("they are handed off", || runtime.metrics().hand_offs > 0);
            assert_eq!(runtime.metrics().detaches, 0);
            stop.stop();
            for hog in hogs {
                runtime.block_on(hog).unwrap();
            }
        },
        |child| child.succeeded(),
    );
}

/// What the runtime says of a handler that keeps its signals.
fn warnings(child: &Child) -> usize {
    let tells = |line: &&str| {
        line.contains("does not reach the runtime") && line.contains("`Builder::preemption_signal`")
    };
    child.stderr.lines().filter(tells).count()
}

/// More hogs than processors, so that there is always a reason to send signals.
fn spawn_hogs(runtime: &Runtime, stop: &Stop) {
    for _ in 0..3 {
        let stop = stop.signal();
        runtime.spawn(async move { stop.spin() });
    }
}

/// Polls are suspended again and again, as long as other tasks come.
fn preemption_goes_on(runtime: &Runtime) {
    let detaches = runtime.metrics().detaches;
    eventually("polls are suspended", || {
        runtime.block_on(runtime.spawn(async {})).unwrap();
        runtime.metrics().detaches > detaches + 20
    });
}

/// The default action of SIGURG is to do nothing.
#[test]
fn an_action_that_replaces_the_runtimes_handler_is_reported_and_gets_no_more_signals() {
    Child::each_backend(
        "an_action_that_replaces_the_runtimes_handler_is_reported_and_gets_no_more_signals",
        |backend| {
            let runtime = builder(backend, 1).build().unwrap();
            let stop = Stop::new();
            spawn_hogs(&runtime, &stop);
            preemption_goes_on(&runtime);
            for action in [count as *const () as usize, libc::SIG_DFL, libc::SIG_IGN].repeat(2) {
                let ours = install(action, 0);
                eventually("signals are sent no more", || {
                    let signals = runtime.metrics().signals;
                    // Each gives the monitor a reason to look after the hogs.
                    for _ in 0..30 {
                        runtime.block_on(runtime.spawn(async {})).unwrap();
                        thread::sleep(Duration::from_millis(1));
                    }
                    runtime.metrics().signals == signals
                });
                replace(&ours);
                preemption_goes_on(&runtime);
            }
            assert!(HANDLED.load(SeqCst) > 0, "as long as it was not clear that it keeps them");
        },
        |child| {
            child.succeeded();
            assert_eq!(warnings(&child), 1, "{}", child.describe());
        },
    );
}

/// Libraries that share a signal do so: they call what was installed before them.
#[test]
fn a_handler_that_calls_the_runtimes_changes_nothing() {
    Child::each_backend(
        "a_handler_that_calls_the_runtimes_changes_nothing",
        |backend| {
            let runtime = builder(backend, 2).build().unwrap();
            let stop = Stop::new();
            spawn_hogs(&runtime, &stop);
            preemption_goes_on(&runtime);
            PASSED_TO.store(action().sa_sigaction, SeqCst);
            install(count_and_pass_on as *const () as usize, libc::SA_SIGINFO);
            for _ in 0..20 {
                let handled = HANDLED.load(SeqCst);
                preemption_goes_on(&runtime);
                assert!(HANDLED.load(SeqCst) > handled);
            }
        },
        |child| {
            child.succeeded();
            assert_eq!(warnings(&child), 0, "{}", child.describe());
        },
    );
}

#[test]
fn another_signal_can_be_chosen_once() {
    Child::each_backend(
        "another_signal_can_be_chosen_once",
        |backend| {
            install(count as *const () as usize, 0);
            let choose = |signal| builder(backend, 1).preemption_signal(signal).build();
            for wrong in [0, -1, 65, libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGFPE] {
                let error = choose(wrong).expect_err("no such choice");
                let text = error.to_string();
                assert!(text.contains(&format!("{wrong} ")) && text.contains("signal"), "{text}");
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            }
            let runtime = choose(libc::SIGUSR2).unwrap();
            let others = Others::spawn(runtime.handle());
            let their = others.others();
            let task = runtime.spawn(async move {
                for _ in 0..20 {
                    their.spin_until_resumed();
                }
            });
            runtime.block_on(task).unwrap();
            let error = choose(libc::SIGURG).expect_err("it is chosen once");
            let text = error.to_string();
            for word in ["once", &libc::SIGUSR2.to_string(), &libc::SIGURG.to_string()] {
                assert!(text.contains(word), "{text}");
            }
            assert!(choose(libc::SIGUSR2).is_ok(), "but the same one again and again");
            // SIGURG is the application's alone.
            assert_eq!(HANDLED.load(SeqCst), 0);
            // SAFETY: it has a handler.
            unsafe { libc::raise(libc::SIGURG) };
            assert_eq!(HANDLED.load(SeqCst), 1);
        },
        |child| child.succeeded(),
    );
}

/// A signal of the application for one thread, in the middle of the runtime's.
#[test]
fn a_signal_for_a_worker_thread_crashes_nothing() {
    Child::each_backend(
        "a_signal_for_a_worker_thread_crashes_nothing",
        |backend| {
            install(count as *const () as usize, 0);
            let runtime = builder(backend, 2).build().unwrap();
            let stop = Stop::new();
            for _ in 0..4 {
                let stop = stop.signal();
                runtime.spawn(async move { stop.spin() });
            }
            eventually("the hogs are suspended", || runtime.metrics().detaches > 5);
            for _ in 0..200 {
                let tasks = std::fs::read_dir("/proc/self/task").unwrap();
                for task in tasks {
                    let thread: i32 = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
                    // SAFETY: a signal with a handler, to a thread of this process or none.
                    unsafe {
                        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGURG)
                    };
                }
                thread::sleep(Duration::from_micros(100));
            }
            let detaches = runtime.metrics().detaches;
            eventually("preemption goes on", || runtime.metrics().detaches > detaches + 5);
            assert!(HANDLED.load(SeqCst) > 0);
        },
        |child| child.succeeded(),
    );
}
