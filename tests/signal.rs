//! Goal: signals reach each listener, whatever the runtimes do with signals of their own.
//! Method: real signals, sent to the process. Each test has a signal number of its own, of which only
//! Linux has enough; what ends or changes the process for good is done in another one.

#![cfg(target_os = "linux")]

mod files_support;

use files_support::*;
use preempt::runtime::{Backend, Builder};
use preempt::signal::ctrl_c;
use preempt::signal::unix::{Signal, SignalKind, signal};
use std::io::{ErrorKind, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

/// The signal of a test's own.
fn own(number: i32) -> SignalKind {
    SignalKind::from_raw(libc::SIGRTMIN() + number)
}

/// Sends it to this process.
fn send(kind: SignalKind) {
    // SAFETY: the signal has a handler.
    assert_eq!(unsafe { libc::kill(libc::getpid(), kind.as_raw_value()) }, 0);
}

fn is_pending(signal: &mut Signal) -> bool {
    let mut recv = Box::pin(signal.recv());
    poll_once(&mut recv).is_pending()
}

#[test]
fn each_listener_gets_each_signal() {
    beside_a_hog(|| async {
        let kind = own(0);
        let mut listeners: Vec<Signal> = (0..5).map(|_| signal(kind).unwrap()).collect();
        for _ in 0..20 {
            send(kind);
            for listener in &mut listeners {
                assert_eq!(listener.recv().await, Some(()));
            }
        }
        for listener in &mut listeners {
            assert!(is_pending(listener));
        }
        // One that goes takes nobody else's.
        drop(listeners.swap_remove(0));
        send(kind);
        for listener in &mut listeners {
            listener.recv().await;
        }
    });
}

#[test]
fn tasks_wait_each_with_its_listener() {
    beside_a_hog(|| async {
        let kind = own(1);
        let (ready, mut tasks) = (Count::default(), preempt::task::JoinSet::new());
        for _ in 0..20 {
            let ready = ready.clone();
            tasks.spawn(async move {
                let mut listener = signal(kind).unwrap();
                ready.add_one();
                listener.recv().await;
            });
        }
        while ready.get() < 20 {
            preempt::task::yield_now().await;
        }
        send(kind);
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}

#[test]
fn signals_that_nobody_looks_at_are_one() {
    beside_a_hog(|| async {
        let kind = own(2);
        let mut slow = signal(kind).unwrap();
        // It comes later in the list, so what it has got the other has.
        let mut prompt = signal(kind).unwrap();
        for _ in 0..5 {
            send(kind);
            prompt.recv().await;
        }
        slow.recv().await;
        assert!(is_pending(&mut slow));
    });
}

#[test]
fn a_cancelled_wait_loses_nothing() {
    beside_a_hog(|| async {
        let kind = own(3);
        let (mut listener, mut prompt) = (signal(kind).unwrap(), signal(kind).unwrap());
        for _ in 0..10 {
            assert!(is_pending(&mut listener));
            send(kind);
            prompt.recv().await;
            listener.recv().await;
        }
    });
}

#[test]
fn a_listener_hears_only_what_comes_after_it() {
    beside_a_hog(|| async {
        let kind = own(4);
        let mut first = signal(kind).unwrap();
        send(kind);
        first.recv().await;
        let mut second = signal(kind).unwrap();
        assert!(is_pending(&mut second));
    });
}

#[test]
fn signals_are_told_apart() {
    beside_a_hog(|| async {
        let (a, b) = (own(5), own(6));
        let (mut on_a, mut on_b) = (signal(a).unwrap(), signal(b).unwrap());
        send(a);
        on_a.recv().await;
        assert!(is_pending(&mut on_b));
        send(b);
        on_b.recv().await;
        assert!(is_pending(&mut on_a));
    });
}

#[test]
fn a_listener_outlives_its_runtime() {
    on_each_flavor(|mut builder| {
        let kind = own(7);
        let runtime = builder.build().unwrap();
        let mut listener = runtime.block_on(async {
            let mut listener = signal(kind).unwrap();
            assert!(is_pending(&mut listener));
            listener
        });
        drop(runtime);
        send(kind);
        builder.build().unwrap().block_on(listener.recv());
        // Nor does it need one.
        send(kind);
        futures::executor::block_on(listener.recv());
    });
}

#[test]
fn a_task_is_woken_while_its_runtime_shuts_down() {
    on_each_flavor(|mut builder| {
        let kind = own(8);
        for _ in 0..20 {
            let runtime = builder.build().unwrap();
            for _ in 0..5 {
                runtime.spawn(async move {
                    let mut listener = signal(kind).unwrap();
                    loop {
                        listener.recv().await;
                    }
                });
            }
            let _keeps_the_handler = signal(kind).unwrap();
            send(kind);
            drop(runtime);
            send(kind);
        }
    });
}

#[test]
fn a_signal_stays_harmless_when_nobody_listens_any_more() {
    Played::each_flavor(
        "a_signal_stays_harmless_when_nobody_listens_any_more",
        |mut builder| {
            builder.build().unwrap().block_on(async {
                drop(signal(SignalKind::terminate()).unwrap());
            });
            send(SignalKind::terminate());
        },
        |played| drop(played.end().succeeded()),
    );
}

#[test]
fn what_cannot_be_listened_to_is_named() {
    let none = [0, -1, i32::MIN, 32, 33, 127, 128, 1000, i32::MAX];
    let forbidden = [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGILL, libc::SIGFPE];
    for number in forbidden.into_iter().chain(none) {
        for _ in 0..2 {
            let error = signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(
                text.starts_with(&format!("signal {number} cannot be listened to: ")),
                "{text}"
            );
        }
    }
}

#[test]
fn kinds_are_numbers() {
    for (kind, number) in [
        (SignalKind::alarm(), libc::SIGALRM),
        (SignalKind::child(), libc::SIGCHLD),
        (SignalKind::hangup(), libc::SIGHUP),
        (SignalKind::interrupt(), libc::SIGINT),
        (SignalKind::io(), libc::SIGIO),
        (SignalKind::pipe(), libc::SIGPIPE),
        (SignalKind::quit(), libc::SIGQUIT),
        (SignalKind::terminate(), libc::SIGTERM),
        (SignalKind::user_defined1(), libc::SIGUSR1),
        (SignalKind::user_defined2(), libc::SIGUSR2),
        (SignalKind::window_change(), libc::SIGWINCH),
    ] {
        assert_eq!(kind.as_raw_value(), number);
        assert_eq!(kind, SignalKind::from(number));
        assert_eq!(i32::from(kind), number);
    }
}

/// What the application's own handler has counted.
static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: i32) {
    HANDLED.fetch_add(1, SeqCst);
}

fn install(kind: SignalKind, handler: extern "C" fn(i32)) {
    // SAFETY: all zeros is a valid `sigaction`; the handlers only touch atomics.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        let signal = kind.as_raw_value();
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

#[test]
fn a_handler_from_before_is_called_as_well() {
    Played::each_flavor(
        "a_handler_from_before_is_called_as_well",
        |mut builder| {
            let kind = SignalKind::user_defined1();
            install(kind, count);
            builder.build().unwrap().block_on(async {
                let mut listener = signal(kind).unwrap();
                for sent in 1..10 {
                    send(kind);
                    listener.recv().await;
                    assert_eq!(HANDLED.load(SeqCst), sent);
                }
            });
        },
        |played| drop(played.end().succeeded()),
    );
}

#[test]
fn a_signal_arrives_also_if_every_thread_blocks_it() {
    Played::each_flavor_of(
        "a_signal_arrives_also_if_every_thread_blocks_it",
        |mut builder| {
            let kind = SignalKind::user_defined1();
            // SAFETY: a place for a set.
            let is_blocked = unsafe {
                let mut mask = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
                libc::sigismember(&mask, kind.as_raw_value()) == 1
            };
            assert!(is_blocked, "the test must have inherited that");
            builder.build().unwrap().block_on(async {
                let mut listener = signal(kind).unwrap();
                for _ in 0..10 {
                    send(kind);
                    listener.recv().await;
                }
            });
        },
        |command| {
            // SAFETY: the closure makes one system call.
            unsafe {
                command.pre_exec(|| {
                    let mut set = std::mem::zeroed();
                    libc::sigaddset(&mut set, libc::SIGUSR1);
                    libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
                    Ok(())
                });
            }
            Played::start(command).end().succeeded();
        },
    );
}

// ---- ctrl-c ----

#[test]
fn ctrl_c_is_waited_for() {
    Played::each_flavor_of(
        "ctrl_c_is_waited_for",
        |mut builder| {
            builder.build().unwrap().block_on(async {
                let mut kept = signal(SignalKind::interrupt()).unwrap();
                for text in ["one", "two"] {
                    let mut waits = Box::pin(ctrl_c());
                    assert!(poll_once(&mut waits).is_pending());
                    eprint!("!");
                    waits.await.unwrap();
                    kept.recv().await;
                    println!("{text}");
                }
            });
        },
        |command| {
            let (mut ready, to) = std::io::pipe().unwrap();
            let played = Played::start(command.stderr(to));
            command.stderr(std::process::Stdio::null());
            for _ in 0..2 {
                std::io::Read::read_exact(&mut ready, &mut [0]).unwrap();
                // SAFETY: a child that has not been waited for.
                unsafe { libc::kill(played.process.id().cast_signed(), libc::SIGINT) };
            }
            let end = played.end().succeeded();
            let text = String::from_utf8_lossy(&end.stdout).into_owned();
            assert!(text.contains("one\ntwo\n"), "{text}");
        },
    );
}

#[test]
fn without_ctrl_c_being_waited_for_it_ends_the_process() {
    Played::each_flavor_of(
        "without_ctrl_c_being_waited_for_it_ends_the_process",
        |mut builder| {
            builder.build().unwrap().block_on(async {
                // Not polled.
                let _waits = ctrl_c();
                send(SignalKind::interrupt());
                preempt::time::sleep(LIMIT).await;
            });
        },
        |command| {
            let end = Played::start(command).end();
            assert_eq!(end.status.signal(), Some(libc::SIGINT), "{}", end.describe());
        },
    );
}

// ---- beside the signals of the runtime ----

fn backends() -> &'static [Backend] {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        println!("skipped: this platform has no forced preemption");
        &[]
    } else if Backend::User.is_supported() {
        &[Backend::User, Backend::Kernel]
    } else {
        &[Backend::Kernel]
    }
}

/// Hogs that are suspended all the time, until the result is dropped.
fn with_hogs(builder: &mut Builder, backend: Backend) -> (preempt::runtime::Runtime, Stop) {
    builder.backend(backend).time_slice(Duration::from_micros(200));
    let runtime = builder.build().unwrap();
    let stop = Stop::new();
    for _ in 0..3 {
        let stop = stop.signal();
        runtime.spawn(async move { stop.spin() });
    }
    eventually("the hogs are suspended", || runtime.metrics().detaches > 5);
    (runtime, stop)
}

#[test]
fn a_storm_of_signals_in_a_storm_of_preemptions() {
    for &backend in backends() {
        within(LIMIT, move || {
            const SIGNALS: usize = 5_000;
            let kind = own(9);
            let mut builder = Builder::new_multi_thread();
            let (runtime, stop) = with_hogs(builder.worker_threads(2), backend);
            let mut last = signal(kind).unwrap();
            let seen = Count::default();
            let waiting = runtime.spawn({
                let (seen, stop) = (seen.clone(), stop.signal());
                let mut listener = signal(kind).unwrap();
                async move {
                    while !stop.is_set() {
                        listener.recv().await;
                        seen.add_one();
                    }
                }
            });
            let before = runtime.metrics().detaches;
            for _ in 0..SIGNALS {
                send(kind);
            }
            eventually("preemption goes on", || runtime.metrics().detaches > before + 5);
            eventually("some are seen", || seen.get() > 0);
            // What comes last arrives as well.
            eventually("all is quiet", || is_pending(&mut last));
            assert!(seen.get() <= SIGNALS);
            let before = seen.get();
            send(kind);
            eventually("it was seen", || seen.get() > before);
            stop.stop();
            send(kind);
            runtime.block_on(waiting).unwrap();
        });
    }
}

/// The number of signals is exact, so the runtime's own are not among them.
fn listens_to_the_preemption_signal(listener: &mut Signal, runtime: &preempt::runtime::Runtime) {
    let kind = SignalKind::from_raw(libc::SIGURG);
    let detaches = runtime.metrics().detaches;
    eventually("preemption goes on", || runtime.metrics().detaches > detaches + 50);
    assert!(is_pending(listener));
    for _ in 0..50 {
        send(kind);
        runtime.block_on(listener.recv());
    }
    let detaches = runtime.metrics().detaches;
    eventually("preemption goes on", || runtime.metrics().detaches > detaches + 50);
    assert!(is_pending(listener));
}

#[test]
fn the_preemption_signal_is_listened_to_before_the_runtime() {
    Played::each_flavor(
        "the_preemption_signal_is_listened_to_before_the_runtime",
        |_| {
            install(SignalKind::from_raw(libc::SIGURG), count);
            let mut listener = signal(SignalKind::from_raw(libc::SIGURG)).unwrap();
            for &backend in backends() {
                let mut builder = Builder::new_multi_thread();
                let (runtime, _stop) = with_hogs(builder.worker_threads(1), backend);
                listens_to_the_preemption_signal(&mut listener, &runtime);
                // A second one does not change how they come.
                let mut second = signal(SignalKind::from_raw(libc::SIGURG)).unwrap();
                listens_to_the_preemption_signal(&mut second, &runtime);
                runtime.block_on(listener.recv());
            }
            assert!(HANDLED.load(SeqCst) > 0);
        },
        |played| drop(played.end().succeeded()),
    );
}

#[test]
fn the_preemption_signal_is_listened_to_after_the_runtime() {
    Played::each_flavor(
        "the_preemption_signal_is_listened_to_after_the_runtime",
        |_| {
            install(SignalKind::from_raw(libc::SIGURG), count);
            for &backend in backends() {
                let mut builder = Builder::new_multi_thread();
                let (runtime, _stop) = with_hogs(builder.worker_threads(1), backend);
                let mut listener = signal(SignalKind::from_raw(libc::SIGURG)).unwrap();
                listens_to_the_preemption_signal(&mut listener, &runtime);
                assert_eq!(HANDLED.swap(0, SeqCst), 50);
            }
        },
        |played| drop(played.end().succeeded()),
    );
}

#[test]
fn a_waker_that_panics_stops_nobody() {
    struct Panics;
    impl std::task::Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("this waker always does");
        }
    }
    let kind = own(10);
    let (mut listener, mut other) = (signal(kind).unwrap(), signal(kind).unwrap());
    let waker = std::sync::Arc::new(Panics).into();
    let mut cx = std::task::Context::from_waker(&waker);
    assert_eq!(listener.poll_recv(&mut cx), Poll::Pending);
    for _ in 0..3 {
        send(kind);
        futures::executor::block_on(other.recv());
    }
    assert!(listener.poll_recv(&mut cx).is_ready());
}

#[test]
fn a_listener_that_is_dropped_by_its_own_waker() {
    struct Drops(std::sync::Mutex<Option<Signal>>);
    impl std::task::Wake for Drops {
        fn wake(self: std::sync::Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }
    let kind = own(11);
    let mut other = signal(kind).unwrap();
    let drops = std::sync::Arc::new(Drops(std::sync::Mutex::new(None)));
    let mut listener = signal(kind).unwrap();
    let waker = drops.clone().into();
    assert!(listener.poll_recv(&mut std::task::Context::from_waker(&waker)).is_pending());
    *drops.0.lock().unwrap() = Some(listener);
    send(kind);
    futures::executor::block_on(other.recv());
    eventually("it is dropped", || drops.0.lock().unwrap().is_none());
    send(kind);
    futures::executor::block_on(other.recv());
}

#[test]
fn output_goes_on_while_signals_come() {
    Played::each_flavor(
        "output_goes_on_while_signals_come",
        |mut builder| {
            let kind = SignalKind::window_change();
            let runtime = builder.build().unwrap();
            let _listener = signal(kind).unwrap();
            let stop = Stop::new();
            let sender = std::thread::spawn({
                let stop = stop.signal();
                move || {
                    while !stop.is_set() {
                        send(kind);
                    }
                }
            });
            print!("{MARK}");
            std::io::stdout().flush().unwrap();
            runtime.block_on(async {
                use tokio::io::AsyncWriteExt;
                let mut to = preempt::io::stdout();
                for _ in 0..100 {
                    to.write_all(&[b'x'; 10_000]).await.unwrap();
                }
                to.flush().await.unwrap();
            });
            stop.stop();
            sender.join().unwrap();
        },
        |played| assert!(played.end().succeeded().written() == [b'x'; 1_000_000]),
    );
}

#[test]
fn what_tasks_need_to_share() {
    fn is_shared<T: Send + Sync + Unpin>(_: Option<T>) {}
    is_shared(None::<Signal>);
    is_shared(None::<SignalKind>);
}
