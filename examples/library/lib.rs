//! The library author's path: code that gives way when a runtime asks for it, in a crate that
//! depends on no runtime, nor on `std`.
//!
//! `#[preemptible(crate = preempt_checkpoint)]` writes calls of `preempt_checkpoint` where it would
//! write calls of `preempt`. In a program without preempt nobody raises the flag, and a check is all
//! that is left: a load and a branch.

#![no_std]
#![forbid(unsafe_code)]

use preempt_macros::preemptible;

/// Where [`digest`] takes its data from.
pub trait Source {
    /// The next piece, `None` at the end.
    fn next(&mut self) -> impl Future<Output = Option<&[u8]>>;
}

/// FNV-1a of `data`, from the state of the data in front of it.
#[preemptible(crate = preempt_checkpoint)]
#[must_use]
pub fn fnv1a(state: u64, data: &[u8]) -> u64 {
    let mut hash = state;
    for byte in data {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

/// FNV-1a of all that `source` has.
///
/// Async code yields in its awaits, and `fnv1a` in between has checks of its own.
#[preemptible(crate = preempt_checkpoint)]
pub async fn digest(source: &mut impl Source) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    while let Some(piece) = source.next().await {
        hash = fnv1a(hash, piece);
    }
    hash
}

/// The numbers below `N`, and which of them are prime.
pub struct Sieve<const N: usize> {
    composite: [bool; N],
}

#[preemptible(crate = preempt_checkpoint)]
impl<const N: usize> Sieve<N> {
    /// Crosses the multiples of each prime out.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is work, not a default")]
    pub fn new() -> Self {
        let mut composite = [false; N];
        for n in 2..N {
            if !composite[n] {
                for multiple in (n * n..N).step_by(n) {
                    composite[multiple] = true;
                }
            }
        }
        Sieve { composite }
    }

    /// From 2 on.
    pub fn primes(&self) -> impl Iterator<Item = usize> {
        (2..N).filter(|n| !self.composite[*n])
    }
}
