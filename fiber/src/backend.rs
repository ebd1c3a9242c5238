//! The two ways to continue a fiber, behind one [`Context`].
//!
//! | | `user` | `kernel` |
//! |---|---|---|
//! | continuing a fiber | this kernel thread takes over its stack and FS base | its own kernel thread is woken, this one sleeps |
//! | needs | x86-64, Linux, glibc | any unix |
//! | kernel thread of a machine | always the same | that of the fiber it is on |
//!
//! Both follow the same protocol: [`Context::switch`] passes a pointer to a `Handoff`, which lies on
//! the stack that is left and stays valid until somebody continues that stack again. Nobody can
//! before the code that runs next has read it, since that code is what publishes the old fiber.

mod kernel;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod user;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
#[path = "backend/user_missing.rs"]
mod user;

use std::env;
use std::fmt;

use crate::error::Error;
use crate::fiber::Record;
use crate::switch::Handoff;

pub(crate) use user::Machinery;

/// Environment variable that overrides [`Builder::backend`](crate::Builder::backend).
const VARIABLE: &str = "PREEMPT_FIBER_BACKEND";

/// How fibers are continued.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A machine's kernel thread takes over the fiber's stack and thread-local block.
    ///
    /// x86-64 Linux with glibc.
    User,
    /// Each fiber runs on a kernel thread of its own; a switch wakes one and puts one to sleep.
    ///
    /// Any unix. Slower, but what depends on the kernel thread stays with the fiber as well.
    Kernel,
}

impl Backend {
    /// The fastest backend that works here; `None` if none does.
    #[must_use]
    pub fn preferred() -> Option<Backend> {
        [Backend::User, Backend::Kernel].into_iter().find(|backend| backend.is_supported())
    }

    /// Whether pools with this backend can be made on this platform.
    #[must_use]
    pub fn is_supported(self) -> bool {
        match self {
            Backend::User => user::is_supported(),
            Backend::Kernel => cfg!(unix),
        }
    }

    /// What the environment asks for: `PREEMPT_FIBER_BACKEND=user` or `kernel`.
    ///
    /// # Errors
    ///
    /// [`Error::Environment`] if the variable holds anything else.
    pub fn from_environment() -> Result<Option<Backend>, Error> {
        match env::var(VARIABLE) {
            Ok(name) if name == "user" => Ok(Some(Backend::User)),
            Ok(name) if name == "kernel" => Ok(Some(Backend::Kernel)),
            Err(env::VarError::NotPresent) => Ok(None),
            Ok(value) => Err(Error::Environment { value }),
            Err(env::VarError::NotUnicode(value)) => {
                Err(Error::Environment { value: value.to_string_lossy().into_owned() })
            }
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::User => "user",
            Backend::Kernel => "kernel",
        })
    }
}

/// Where a fiber, or a machine's own thread, goes on when it is continued.
pub(crate) enum Context {
    User(user::Context),
    Kernel(kernel::Context),
}

impl Context {
    /// Context of the calling thread: a donor's or a machine's.
    pub(crate) fn of_this_thread(machinery: &Machinery, backend: Backend) -> Self {
        match backend {
            Backend::User => Context::User(user::Context::of_this_thread(machinery)),
            Backend::Kernel => Context::Kernel(kernel::Context::default()),
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        match self {
            Context::User(_) => Backend::User,
            Context::Kernel(_) => Backend::Kernel,
        }
    }

    /// FS base of the thread that it was made on, 0 where that is of no interest.
    pub(crate) fn fs_base(&self) -> usize {
        match self {
            Context::User(context) => context.fs_base(),
            Context::Kernel(_) => 0,
        }
    }

    /// Lends the calling donor's fiber out: `publish` is called once it can be continued. Returns
    /// when it is, on whatever kernel thread then runs it.
    ///
    /// # Safety
    ///
    /// `self` is the context of `record`, made on the calling thread and not lent out before.
    /// `publish` uses no thread-locals.
    pub(crate) unsafe fn lend_out(
        &self,
        record: &Record,
        park: ParkStack,
        publish: fn(&Record),
    ) -> *const Handoff {
        match (self, park) {
            // SAFETY: the caller's contract.
            (Context::User(context), ParkStack::User(stack)) => unsafe {
                context.lend_out(record, stack, publish)
            },
            (Context::Kernel(context), ParkStack::None) => {
                publish(record);
                context.wait()
            }
            _ => crate::abort("a donor was given the other backend's stack"),
        }
    }

    /// Suspends `self` and continues `to`, handing it `handoff`. Returns what `self` is handed when
    /// it is continued itself.
    ///
    /// # Safety
    ///
    /// `self` is the context that runs on this kernel thread, `to` is suspended and of the same
    /// backend, the caller has the sole right to continue it, and whatever receives the handoff
    /// expects its kind. `self` is not published before that.
    pub(crate) unsafe fn switch(&self, to: &Context, handoff: *const Handoff) -> *const Handoff {
        match (self, to) {
            // SAFETY: the caller's contract.
            (Context::User(from), Context::User(to)) => unsafe { from.switch(to, handoff) },
            (Context::Kernel(from), Context::Kernel(to)) => {
                to.continue_with(handoff);
                from.wait()
            }
            _ => crate::abort("a switch between fibers of different backends"),
        }
    }

    /// Ends the lending: the donor's own kernel thread continues the fiber with `RELEASE`.
    ///
    /// # Safety
    ///
    /// The fiber is idle and the caller has the sole right to continue it.
    pub(crate) unsafe fn release(&self) {
        match self {
            Context::User(context) => context.release(),
            Context::Kernel(context) => context.continue_with(&raw const crate::switch::RELEASE),
        }
    }
}

/// The small stack on which a donor waits while its own is lent out.
pub(crate) enum ParkStack {
    User(user::ParkStack),
    /// The kernel backend's donors do not lend anything out.
    None,
}

impl ParkStack {
    /// Maps a stack, if the backend needs one.
    pub(crate) fn new(backend: Backend) -> std::io::Result<Self> {
        Ok(match backend {
            Backend::User => ParkStack::User(user::ParkStack::new()?),
            Backend::Kernel => ParkStack::None,
        })
    }
}
