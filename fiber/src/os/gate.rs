//! A place where exactly one thread sleeps until another one opens it: the kernel backend's hand-off.
//!
//! `open` may come before `wait`; one opening lets one wait through. Linux: a futex. Elsewhere: a
//! mutex and a condition variable, compiled into the tests of every platform.
//!
//! `std::thread::park` was rejected: its token belongs to user code, which would lose wake-ups.

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use condvar::Gate;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use futex::Gate;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod futex {
    use std::ptr::null;
    use std::sync::atomic::{AtomicU32, Ordering};

    const CLOSED: u32 = 0;
    const OPEN: u32 = 1;

    /// See the module.
    #[derive(Debug, Default)]
    pub(crate) struct Gate(AtomicU32);

    impl Gate {
        /// Lets the one waiter through, now or when it comes.
        pub(crate) fn open(&self) {
            // Release: pairs with the swap in `wait`, which then sees what the opener has written.
            self.0.store(OPEN, Ordering::Release);
            // SAFETY: waking needs no valid memory behind the address, should the waiter, having
            // seen the store, already be gone.
            unsafe {
                let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
                libc::syscall(libc::SYS_futex, self.0.as_ptr(), operation, 1);
            }
        }

        /// Sleeps until opened, then closes the gate again. Changes `errno`.
        pub(crate) fn wait(&self) {
            // Acquire: pairs with the store in `open`.
            while self.0.swap(CLOSED, Ordering::Acquire) == CLOSED {
                let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
                let forever = null::<libc::timespec>();
                // SAFETY: the word is alive; EINTR and EAGAIN are answered by the loop.
                unsafe {
                    libc::syscall(libc::SYS_futex, self.0.as_ptr(), operation, CLOSED, forever)
                };
            }
        }
    }
}

#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
mod condvar {
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

    /// See the module.
    #[derive(Debug, Default)]
    pub(crate) struct Gate {
        open: Mutex<bool>,
        opened: Condvar,
    }

    impl Gate {
        pub(crate) fn open(&self) {
            *self.lock() = true;
            self.opened.notify_one();
        }

        pub(crate) fn wait(&self) {
            let open = self.lock();
            let woken = self.opened.wait_while(open, |open| !*open);
            *woken.unwrap_or_else(PoisonError::into_inner) = false;
        }

        fn lock(&self) -> MutexGuard<'_, bool> {
            self.open.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    macro_rules! ping_pong {
        ($name:ident, $gate:ty) => {
            #[test]
            fn $name() {
                let gates: Arc<[$gate; 2]> = Arc::default();
                let theirs = Arc::clone(&gates);
                let partner = thread::spawn(move || {
                    for _ in 0..1000 {
                        theirs[0].wait();
                        theirs[1].open();
                    }
                });
                for _ in 0..1000 {
                    gates[0].open();
                    gates[1].wait();
                }
                partner.join().expect("the partner failed");
            }
        };
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    ping_pong!(a_futex_gate_passes_every_opening, super::futex::Gate);
    ping_pong!(a_condvar_gate_passes_every_opening, super::condvar::Gate);
}
