//! The general set: programs of the usual collections, and what servers spend their time with.

mod fannkuch;
mod fib;
mod hash_table;
mod histogram;
mod json;
mod matmul;
mod nbody;
mod queens;
mod quicksort;
mod sieve;

use crate::kernel::Kernel;

pub(super) fn kernels() -> Vec<Kernel> {
    vec![
        fannkuch::kernel("fannkuch"),
        fib::kernel("fib"),
        hash_table::kernel("hash_table"),
        histogram::kernel("histogram"),
        json::kernel("json"),
        matmul::kernel("matmul"),
        nbody::kernel("nbody"),
        queens::kernel("queens"),
        quicksort::kernel("quicksort"),
        sieve::kernel("sieve"),
    ]
}
