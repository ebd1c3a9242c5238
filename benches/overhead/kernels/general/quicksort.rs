//! Quicksort with insertion sort for short pieces: recursion, and loops that end after a few rounds.

use crate::random::Random;

type Input = (Vec<i32>, Vec<i32>);

fn input(random: &mut Random) -> Input {
    let values = random.list(6000, |random| random.bits() as i32);
    (values.clone(), values)
}

copies! {
    #[inline(never)]
    pub(super) fn run((unsorted, values): &mut Input) -> u64 {
        values.copy_from_slice(unsorted);
        sort(values);
        let mut checksum = 0_u64;
        for (i, value) in values.iter().enumerate() {
            checksum = checksum.wrapping_add(i as u64 * *value as u64);
        }
        checksum
    }

    fn sort(values: &mut [i32]) {
        if values.len() <= 16 {
            insertion_sort(values);
            return;
        }
        let middle = partition(values);
        let (left, right) = values.split_at_mut(middle);
        sort(left);
        sort(right);
    }

    /// By Hoare: nothing left of the result is greater than anything from there on.
    fn partition(values: &mut [i32]) -> usize {
        let pivot = values[values.len() / 2];
        let (mut low, mut high) = (0, values.len() - 1);
        loop {
            while values[low] < pivot {
                low += 1;
            }
            while values[high] > pivot {
                high -= 1;
            }
            if low >= high {
                return low;
            }
            values.swap(low, high);
            low += 1;
            high -= 1;
        }
    }

    fn insertion_sort(values: &mut [i32]) {
        for i in 1..values.len() {
            let value = values[i];
            let mut hole = i;
            while hole > 0 && values[hole - 1] > value {
                values[hole] = values[hole - 1];
                hole -= 1;
            }
            values[hole] = value;
        }
    }
}
