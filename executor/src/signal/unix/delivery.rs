//! From the handler to the listeners, by way of a thread of the process.
//!
//! ```text
//!   handler: `arrived`, ring ── pipe ──▶ thread: take `arrived` ──▶ each listener: `arrived`, wake
//! ```
//!
//! The handler cannot wake anybody, as wakers may lock and allocate. The thread does; it belongs to
//! no runtime, so that listeners hear of signals also when theirs is gone. It is started by the first
//! listener and ends with the process. As in Go it also lets through the signals that are listened
//! to: they arrive even if all other threads block them.
//!
//! Rejected: the netpoller, as then each runtime has to find out which signals its listeners wait for,
//! and a listener is bound to one.
//!
//! # Signal safety
//! [`arrived`] runs in handlers: it touches atomics and writes to a pipe.
//!
//! # No signal is lost (proof sketch)
//! The handler sets `arrived` and then swaps `RUNG`. If it finds `false` it writes a byte, and the
//! thread comes after it. If it finds `true`, the byte of another handler is on its way, or read and
//! `RUNG` not yet cleared: the thread clears it by a swap that reads the handler's, and looks at
//! `arrived` after that.

use super::SignalKind;
use crate::preempt;
use crate::report;
use crate::sync::{Critical, Mutex};
use atomic_waker::AtomicWaker;
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI32};
use std::task::{Context, Poll};
use std::thread;

/// The highest number of a signal on any platform: Linux on MIPS.
const HIGHEST: usize = 127;

static SIGNALS: [State; HIGHEST + 1] = [const { State::new() }; HIGHEST + 1];

/// Where to write a byte to wake the thread; negative: there is no thread yet.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// There is a byte for the thread, or will be in a moment.
static RUNG: AtomicBool = AtomicBool::new(false);

/// What is known about one signal.
struct State {
    /// It came, and the thread has not seen it yet.
    arrived: AtomicBool,
    /// The thread is to let it through.
    to_unblock: AtomicBool,
    listening: Mutex<Listening>,
}

struct Listening {
    /// Whether a handler is installed. It stays.
    installed: bool,
    listeners: Vec<Arc<Listener>>,
    /// Called by the thread, for those of the library itself.
    hook: Option<fn()>,
}

impl State {
    const fn new() -> Self {
        let listening = Listening { installed: false, listeners: Vec::new(), hook: None };
        State {
            arrived: AtomicBool::new(false),
            to_unblock: AtomicBool::new(false),
            listening: Mutex::const_new(listening),
        }
    }
}

/// One who waits for a signal.
#[derive(Debug, Default)]
pub(super) struct Listener {
    arrived: AtomicBool,
    waker: AtomicWaker,
}

impl Listener {
    pub(super) fn poll_arrived(&self, cx: &mut Context<'_>) -> Poll<()> {
        // The thread sets `arrived` before it takes the waker: one of the two sees the other.
        self.waker.register(cx.waker());
        // Acquire: pairs with `pass_on`.
        if self.arrived.swap(false, Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A new listener.
///
/// # Errors
/// If the signal cannot be listened to, see [`signal`](super::signal).
pub(super) fn listen(signal: i32) -> io::Result<Arc<Listener>> {
    let listener = Arc::new(Listener::default());
    listening(signal, |listening| listening.listeners.push(listener.clone()))?;
    Ok(listener)
}

/// Has the thread call `hook` for each signal, instead of what it may have called until now. The
/// hook neither waits nor panics.
///
/// # Errors
/// If the signal cannot be listened to.
pub(crate) fn call_on_each(kind: SignalKind, hook: fn()) -> io::Result<()> {
    listening(kind.0, |listening| listening.hook = Some(hook))
}

/// Adds somebody who wants to hear of the signal. The first time installs the handler.
fn listening(signal: i32, add: impl FnOnce(&mut Listening)) -> io::Result<()> {
    let state = state_of(signal)?;
    start_thread()?;
    let mut listening = state.listening.lock();
    if !listening.installed {
        install(signal)?;
        listening.installed = true;
        // Release: pairs with `serve`.
        state.to_unblock.store(true, Release);
        ring();
    }
    add(&mut listening);
    Ok(())
}

/// Takes a listener out.
pub(super) fn forget(signal: i32, listener: &Arc<Listener>) {
    if let Ok(state) = state_of(signal) {
        state.listening.lock().listeners.retain(|other| !Arc::ptr_eq(other, listener));
    }
    // Here and not on the thread, which may have the listener in its hands: what goes with the waker
    // may be user code.
    drop(listener.waker.take());
}

/// Whether anybody in the process waits for a signal.
pub(crate) fn has_listeners() -> bool {
    SIGNALS.iter().any(|state| !state.listening.lock().listeners.is_empty())
}

fn state_of(signal: i32) -> io::Result<&'static State> {
    let number = usize::try_from(signal).unwrap_or(0);
    match SIGNALS.get(number) {
        Some(state) if number != 0 => Ok(state),
        _ => Err(refused(signal, "there is no such signal")),
    }
}

fn refused(signal: i32, why: &str) -> io::Error {
    let message = format!("signal {signal} cannot be listened to: {why}");
    io::Error::new(ErrorKind::InvalidInput, message)
}

/// Installs the handler.
fn install(signal: i32) -> io::Result<()> {
    match signal {
        libc::SIGKILL | libc::SIGSTOP => {
            return Err(refused(signal, "the system lets no process handle it"));
        }
        _ if signal_hook_registry::FORBIDDEN.contains(&signal) => {
            return Err(refused(signal, "it tells of a fault of the program itself"));
        }
        _ => {}
    }
    preempt::share_signal(signal, arrived, || {
        // The registry has a lock.
        let _critical = Critical::enter();
        // SAFETY: `arrived` is safe in a signal, see the module.
        let registered = unsafe { signal_hook_registry::register(signal, move || arrived(signal)) };
        registered.map(drop).map_err(|error| refused(signal, &error.to_string()))
    })
}

/// A signal has arrived. Signal-safe.
fn arrived(signal: i32) {
    // Release: by way of `RUNG` it pairs with `serve`.
    SIGNALS[signal as usize].arrived.store(true, Release);
    ring();
}

/// Makes the thread look. Signal-safe.
fn ring() {
    // AcqRel: pairs with the swap in `serve`.
    if !RUNG.swap(true, AcqRel) {
        let bell = BELL.load(Relaxed);
        // SAFETY: the pipe stays open, and has room: the thread is given a byte only after it has
        // read the one before. So the call neither blocks nor touches `errno`.
        unsafe { libc::write(bell, [0_u8].as_ptr().cast(), 1) };
    }
}

/// Starts the thread, unless that was done.
fn start_thread() -> io::Result<()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _one_at_a_time = ONE_AT_A_TIME.lock();
    if BELL.load(Relaxed) < 0 {
        let (reader, writer) = io::pipe()?;
        thread::Builder::new().name("preempt-signals".to_owned()).spawn(|| serve(reader))?;
        BELL.store(writer.into_raw_fd(), Relaxed);
    }
    Ok(())
}

/// The life of the thread.
fn serve(mut bell: PipeReader) {
    loop {
        match bell.read(&mut [0; 16]) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            closed => {
                report::warn(format_args!(
                    "signals are not passed on any more: the program has closed a descriptor that \
                     it has not opened: {closed:?}"
                ));
                return;
            }
        }
        // AcqRel: pairs with the swap in `ring`. Before the look at the signals.
        RUNG.swap(false, AcqRel);
        for (signal, state) in (0..).zip(&SIGNALS) {
            // Acquire: pairs with `listen`.
            if state.to_unblock.swap(false, Acquire) {
                unblock(signal);
            }
            // Acquire: pairs with `arrived`.
            if state.arrived.swap(false, Acquire) {
                pass_on(state);
            }
        }
    }
}

/// Tells the listeners.
fn pass_on(state: &State) {
    let (hook, listeners) = {
        let listening = state.listening.lock();
        (listening.hook, listening.listeners.clone())
    };
    if let Some(hook) = hook {
        hook();
    }
    for listener in listeners {
        // Release: pairs with `poll_arrived`.
        listener.arrived.store(true, Release);
        report::contain("a waker", || listener.waker.wake());
    }
}

/// Lets the signal through on this thread.
fn unblock(signal: i32) {
    // SAFETY: an empty set is made valid before it is used; nothing here fails for a valid signal.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
    }
}
