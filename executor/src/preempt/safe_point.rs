//! May the code that a signal has interrupted be suspended right here?
//!
//! One predicate with numbered conditions; all of them hold at an async-safe point. The handler
//! gathers a [`Situation`], which is why this file needs no signal to be tested.
//!
//! # Signal safety
//! Called in the handler: no allocation, no lock, no libc function.
//!
//! # Rejected
//! * Stack maps or compiler-made safe points, as Go has: stable Rust has neither. Instead the
//!   whole register state is saved, and what must not be suspended is excluded by address (libc)
//!   or by a count (`no_preempt`).
//! * Waiting in the handler until the point is safe: the code cannot go on meanwhile.

/// What the handler found.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// The thread is in the poll that was asked to give way, or whose processor was taken, and the
    /// task allows to force it.
    pub(crate) in_requested_poll: bool,
    /// Open `no_preempt` sections, the scheduler's own included.
    pub(crate) no_preempt_depth: u32,
    /// The interrupted pc is in code that may be suspended, or in a leaf function that it has called.
    pub(crate) in_ordinary_text: bool,
    /// Free stack below the interrupted stack pointer; zero on a signal stack.
    pub(crate) stack_left_bytes: usize,
    /// What an injected call takes at least.
    pub(crate) stack_needed_bytes: usize,
    /// The signal mask is not that of the machine.
    pub(crate) has_changed_mask: bool,
    /// Idle fibers.
    pub(crate) spares: usize,
}

/// Why a point was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The poll that was meant is over, or has lost its processor.
    Stale,
    /// A `no_preempt` section, or the scheduler's own code.
    NoPreempt,
    /// libc, the dynamic linker, the unwinder, the vdso, or code at an unknown address.
    Text,
    /// Too little stack, or another stack than the fiber's.
    Stack,
    /// The code had changed the signal mask.
    Masked,
    /// No spare fiber.
    NoSpare,
}

impl Refusal {
    /// For a person.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Refusal::Stale => "the poll that was meant is over",
            Refusal::NoPreempt => "in a no_preempt section, or in the runtime",
            Refusal::Text => "in libc or the like, or at an unknown address",
            Refusal::Stack => "too little stack is left",
            Refusal::Masked => "the code has changed the signal mask",
            Refusal::NoSpare => "there is no spare fiber",
        }
    }
}

/// All reasons, in the order of the conditions.
pub(crate) const REFUSALS: [Refusal; 6] = [
    Refusal::Stale,
    Refusal::NoPreempt,
    Refusal::Text,
    Refusal::Stack,
    Refusal::Masked,
    Refusal::NoSpare,
];

/// What must be left of the stack for the code that runs after the injected call's own frames.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) const STACK_RESERVE_BYTES: usize = 16 * 1024;

/// Whether the interrupted code may be suspended here.
///
/// Condition 0 is checked before a situation can be gathered: no switch between fibers and no
/// other injected call is under way.
///
/// # Errors
/// The first condition that does not hold.
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
pub(crate) fn is_async_safe_point(found: &Situation) -> Result<(), Refusal> {
    let conditions = [
        // 1. It is the poll that the monitor meant, not one that began after it looked.
        (found.in_requested_poll, Refusal::Stale),
        // 2. Neither the scheduler nor code that asked to be left alone: it may hold what the
        //    scheduler needs in order to resume this poll.
        (found.no_preempt_depth == 0, Refusal::NoPreempt),
        // 3. Not in code that holds locks which every thread needs (malloc's arenas, the dynamic
        //    linker's) or that depends on the kernel thread.
        (found.in_ordinary_text, Refusal::Text),
        // 4. The frames of the injected call fit, with room for what it calls.
        (found.stack_left_bytes >= found.stack_needed_bytes, Refusal::Stack),
        // 5. The mask is as it was: a changed one belongs to the kernel thread, which the poll may leave.
        (!found.has_changed_mask, Refusal::Masked),
        // 6. There is a fiber to go on with.
        (found.spares > 0, Refusal::NoSpare),
    ];
    match conditions.iter().find(|(holds, _)| !holds) {
        Some((_, refusal)) => Err(*refusal),
        None => Ok(()),
    }
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    const SAFE: Situation = Situation {
        in_requested_poll: true,
        no_preempt_depth: 0,
        in_ordinary_text: true,
        stack_left_bytes: 1 << 20,
        stack_needed_bytes: 20_000,
        has_changed_mask: false,
        spares: 1,
    };

    #[test]
    fn each_condition_is_needed() {
        assert_eq!(is_async_safe_point(&SAFE), Ok(()));
        let table = [
            (Situation { in_requested_poll: false, ..SAFE }, Refusal::Stale),
            (Situation { no_preempt_depth: 1, ..SAFE }, Refusal::NoPreempt),
            (Situation { in_ordinary_text: false, ..SAFE }, Refusal::Text),
            (Situation { stack_left_bytes: 19_999, ..SAFE }, Refusal::Stack),
            (Situation { has_changed_mask: true, ..SAFE }, Refusal::Masked),
            (Situation { spares: 0, ..SAFE }, Refusal::NoSpare),
        ];
        for ((situation, refusal), listed) in table.into_iter().zip(REFUSALS) {
            assert_eq!(is_async_safe_point(&situation), Err(refusal));
            assert_eq!(refusal, listed);
        }
    }
}
