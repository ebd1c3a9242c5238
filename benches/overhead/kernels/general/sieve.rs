//! The sieve of Eratosthenes: a loop over `step_by`, long at first and short in the end.

use crate::random::Random;

type Input = Vec<bool>;

fn input(_: &mut Random) -> Input {
    vec![false; 100_000]
}

copies! {
    #[inline(never)]
    pub(super) fn run(composite: &mut Input) -> u64 {
        composite.fill(false);
        let mut primes = 0;
        for n in 2..composite.len() {
            if composite[n] {
                continue;
            }
            primes += 1;
            for multiple in (n * n..composite.len()).step_by(n) {
                composite[multiple] = true;
            }
        }
        primes
    }
}
