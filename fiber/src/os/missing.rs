//! In the place of what has not been written for this platform, on which no backend is supported:
//! everything fails, and nothing here is ever called.

pub(crate) mod mapping {
    use std::ops::Range;

    /// # Safety
    ///
    /// None.
    pub(crate) unsafe fn discard(_range: Range<usize>) {}
}

pub(crate) mod signal_stack {
    use std::io;

    pub(crate) struct SignalStack;

    impl SignalStack {
        pub(crate) fn install(_home_fs_base: usize) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

pub(crate) mod thread {
    use std::io;
    use std::ops::Range;

    pub(crate) struct KernelThread;

    impl KernelThread {
        pub(crate) const fn none() -> Self {
            KernelThread
        }

        pub(crate) fn set_to_caller(&self) {}

        pub(crate) fn set(&self, _thread: usize) {}

        pub(crate) fn clear(&self) {}

        pub(crate) fn get(&self) -> usize {
            0
        }
    }

    pub(crate) fn signal(_thread: usize, _signal: i32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn own_stack() -> io::Result<Range<usize>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) struct SignalsBlocked;

    impl SignalsBlocked {
        pub(crate) fn new() -> Self {
            SignalsBlocked
        }
    }
}
