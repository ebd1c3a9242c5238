//! Whether a thread sleeps in the kernel. Such a thread is not signalled: the signal would only
//! make its system call fail with `EINTR`.

use std::ffi::CStr;
use std::io::Write;

/// Whether the thread of this process sleeps, by its state in `/proc`. A thread that is gone does
/// not. Allocates nothing.
pub(super) fn is_asleep(thread: usize) -> bool {
    let mut path = [0_u8; 48];
    if write!(&mut path[..], "/proc/self/task/{thread}/stat\0").is_err() {
        return false;
    }
    let Ok(path) = CStr::from_bytes_until_nul(&path) else { return false };
    let mut text = [0_u8; 128];
    let length = read_start(path, &mut text);
    state_of(&text[..length]).is_some_and(|state| state != b'R')
}

/// The first bytes of a file; none if it cannot be read.
fn read_start(path: &CStr, into: &mut [u8]) -> usize {
    // SAFETY: a string that ends in a zero byte; what is opened is closed below.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return 0;
    }
    // SAFETY: the buffer is valid for its length.
    let length = unsafe { libc::read(file, into.as_mut_ptr().cast(), into.len()) };
    // SAFETY: opened above, closed once.
    unsafe { libc::close(file) };
    usize::try_from(length).unwrap_or(0)
}

/// The third field, behind the name in parentheses, which may itself contain any character.
fn state_of(stat: &[u8]) -> Option<u8> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    stat.get(end_of_name + 2).copied()
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
        STOP.store(true, SeqCst);
        sleeping.thread().unpark();
        sleeping.join().unwrap();
        spinning.join().unwrap();
        assert!(!is_asleep(0));
    }
}
