//! Pancake flips over all permutations, after the Benchmarks Game: tiny loops whose trip counts
//! nobody can predict.

use crate::random::Random;

type Input = usize;

fn input(_: &mut Random) -> Input {
    8
}

copies! {
    #[inline(never)]
    pub(super) fn run(n: &mut Input) -> u64 {
        let (checksum, most) = fannkuch(*n);
        checksum as u64 * 100 + u64::from(most)
    }

    fn fannkuch(n: usize) -> (i64, u32) {
        let mut permutation: Vec<usize> = (0..n).collect();
        let mut work = permutation.clone();
        let mut count = vec![0; n];
        let mut checksum = 0;
        let mut most = 0;
        let mut even = true;
        let mut r = n;
        loop {
            while r != 1 {
                count[r - 1] = r;
                r -= 1;
            }
            work.copy_from_slice(&permutation);
            let flips = count_flips(&mut work);
            most = most.max(flips);
            checksum += if even { i64::from(flips) } else { -i64::from(flips) };
            loop {
                if r == n {
                    return (checksum, most);
                }
                let first = permutation[0];
                for i in 0..r {
                    permutation[i] = permutation[i + 1];
                }
                permutation[r] = first;
                count[r] -= 1;
                if count[r] > 0 {
                    break;
                }
                r += 1;
            }
            even = !even;
        }
    }

    fn count_flips(permutation: &mut [usize]) -> u32 {
        let mut flips = 0;
        loop {
            let first = permutation[0];
            if first == 0 {
                return flips;
            }
            let (mut low, mut high) = (0, first);
            while low < high {
                permutation.swap(low, high);
                low += 1;
                high -= 1;
            }
            flips += 1;
        }
    }
}
