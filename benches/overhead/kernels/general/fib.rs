//! Fibonacci by naive recursion: calls that do next to nothing.

use crate::random::Random;

type Input = u32;

fn input(_: &mut Random) -> Input {
    24
}

copies! {
    #[inline(never)]
    pub(super) fn run(n: &mut Input) -> u64 {
        fib(*n)
    }

    fn fib(n: u32) -> u64 {
        if n < 2 { u64::from(n) } else { fib(n - 1) + fib(n - 2) }
    }
}
