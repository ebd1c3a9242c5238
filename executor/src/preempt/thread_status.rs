//! What the system says of a thread of this process. Allocates nothing.

use std::ffi::CStr;
use std::fmt;
use std::io::Write;
use std::time::Duration;

/// Whether the thread sleeps in the kernel. Such a thread is not signalled: the signal would only
/// make its system call fail with `EINTR`. A thread that is gone does not sleep.
pub(super) fn is_asleep(thread: usize) -> bool {
    if is_on_cpu(thread) {
        return false;
    }
    state(thread).is_some_and(|state| state != b'R')
}

/// Whether it sleeps where no signal wakes it: for a page, say, so that it goes on in a moment.
pub(super) fn is_uninterruptible(thread: usize) -> bool {
    state(thread) == Some(b'D')
}

fn state(thread: usize) -> Option<u8> {
    let mut text = [0_u8; 128];
    state_of(read_start(format_args!("/proc/self/task/{thread}/stat"), &mut text))
}

/// Whether the thread uses CPU time at this very moment. A fortieth of what `/proc` costs.
fn is_on_cpu(thread: usize) -> bool {
    let before = cpu_time(thread);
    before.is_some() && before < cpu_time(thread)
}

/// How much CPU time a thread of this process has used; `None`: it is gone.
pub(super) fn cpu_time(thread: usize) -> Option<Duration> {
    /// What `pthread_getcpuclockid` puts into the low bits: the time of a thread, not of a process, as
    /// the scheduler counts it.
    const OF_A_THREAD: libc::clockid_t = 0b110;
    let thread = libc::clockid_t::try_from(thread).ok()?;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the structure in, or fails.
    let result = unsafe { libc::clock_gettime((!thread << 3) | OF_A_THREAD, &raw mut time) };
    if result != 0 {
        return None;
    }
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// Whether the signal was sent to the thread and has not begun to be handled; `None`: the system
/// does not say.
pub(super) fn is_pending(thread: usize, signal: i32) -> Option<bool> {
    let mut text = [0_u8; 4096];
    let status = read_start(format_args!("/proc/self/task/{thread}/status"), &mut text);
    let bit = u32::try_from(signal).ok()?.checked_sub(1)?;
    Some(pending_signals(status)? >> bit & 1 == 1)
}

/// The first bytes of a file; none if it cannot be read.
fn read_start<'a>(path: fmt::Arguments<'_>, into: &'a mut [u8]) -> &'a [u8] {
    let mut name = [0_u8; 48];
    if write!(&mut name[..], "{path}\0").is_err() {
        return &[];
    }
    let Ok(name) = CStr::from_bytes_until_nul(&name) else { return &[] };
    // SAFETY: a string that ends in a zero byte; what is opened is closed below.
    let file = unsafe { libc::open(name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return &[];
    }
    // SAFETY: the buffer is valid for its length.
    let length = unsafe { libc::read(file, into.as_mut_ptr().cast(), into.len()) };
    // SAFETY: opened above, closed once.
    unsafe { libc::close(file) };
    &into[..usize::try_from(length).unwrap_or(0)]
}

/// The third field, behind the name in parentheses, which may itself contain any character.
fn state_of(stat: &[u8]) -> Option<u8> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    stat.get(end_of_name + 2).copied()
}

/// Signals that are pending for the thread alone, one bit each.
fn pending_signals(status: &[u8]) -> Option<u64> {
    let line = status.split(|&byte| byte == b'\n').find(|line| line.starts_with(b"SigPnd:"))?;
    let digits = str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?;
    // All of them: the text may have been cut off.
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn the_state_stands_behind_the_name() {
        assert_eq!(state_of(b"12 (name) S 1 2"), Some(b'S'));
        assert_eq!(state_of(b"12 (a) R (b)) R 1 2"), Some(b'R'));
        assert_eq!(state_of(b""), None);
    }

    #[test]
    fn pending_signals_are_a_line_of_their_own() {
        let status = b"Name:\tSigPnd: x\nThreads:\t1\nSigPnd:\t0000000000400001\nShdPnd:\t01\n";
        assert_eq!(pending_signals(status), Some(1 << 22 | 1));
        assert_eq!(pending_signals(b"Name:\tx\nSigPnd:\t00000000004"), None);
        assert_eq!(pending_signals(b""), None);
    }

    #[test]
    fn a_blocked_signal_is_pending_until_it_is_unblocked() {
        const SIGNAL: i32 = libc::SIGWINCH; // ignored unless somebody handles it
        extern "C" fn nothing(_signal: i32) {}
        let mask = |how| {
            // SAFETY: a valid set.
            unsafe {
                let mut set = std::mem::zeroed();
                libc::sigaddset(&mut set, SIGNAL);
                libc::pthread_sigmask(how, &set, std::ptr::null_mut());
            }
        };
        // SAFETY: a handler that does nothing; asks for a number.
        let thread = unsafe {
            libc::signal(SIGNAL, nothing as *const () as usize);
            usize::try_from(libc::gettid()).unwrap()
        };
        mask(libc::SIG_BLOCK);
        assert_eq!(is_pending(thread, SIGNAL), Some(false));
        // SAFETY: a signal that is blocked, to the calling thread.
        unsafe { libc::raise(SIGNAL) };
        assert_eq!(is_pending(thread, SIGNAL), Some(true));
        assert_eq!(is_pending(thread, SIGNAL + 1), Some(false));
        mask(libc::SIG_UNBLOCK);
        assert_eq!(is_pending(thread, SIGNAL), Some(false));
        assert_eq!(is_pending(usize::MAX, SIGNAL), None, "no such thread");
    }

    #[test]
    fn a_sleeping_and_a_running_thread_are_told_apart() {
        static STOP: AtomicBool = AtomicBool::new(false);
        static SPINS: AtomicUsize = AtomicUsize::new(0);
        static SLEEPS: AtomicUsize = AtomicUsize::new(0);
        // SAFETY: asks for a number.
        let thread_id = || usize::try_from(unsafe { libc::gettid() }).unwrap();
        let spinning = thread::spawn(move || {
            SPINS.store(thread_id(), SeqCst);
            while !STOP.load(SeqCst) {
                std::hint::spin_loop();
            }
        });
        let sleeping = thread::spawn(move || {
            SLEEPS.store(thread_id(), SeqCst);
            while !STOP.load(SeqCst) {
                thread::park();
            }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        let eventually_asleep = |thread: &AtomicUsize| loop {
            let id = thread.load(SeqCst);
            if id != 0 && is_asleep(id) {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
        };
        assert!(eventually_asleep(&SLEEPS));
        while SPINS.load(SeqCst) == 0 {
            std::hint::spin_loop();
        }
        assert!(!is_asleep(SPINS.load(SeqCst)));
        let used = |thread: &AtomicUsize| cpu_time(thread.load(SeqCst)).unwrap();
        let (slept, spun) = (used(&SLEEPS), used(&SPINS));
        while used(&SPINS) == spun {
            assert!(Instant::now() < deadline, "the spinning thread uses no time");
        }
        assert_eq!(used(&SLEEPS), slept);
        STOP.store(true, SeqCst);
        sleeping.thread().unpark();
        sleeping.join().unwrap();
        spinning.join().unwrap();
        assert!(!is_asleep(0));
    }
}
