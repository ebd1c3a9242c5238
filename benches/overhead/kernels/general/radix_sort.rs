//! Radix sort by bytes, from the lowest (SPLASH-2): loops that count and that scatter.

use crate::random::Random;

type Input = (Vec<u32>, Vec<u32>, Vec<u32>);

fn input(random: &mut Random) -> Input {
    let values = random.list(30_000, |random| random.bits() as u32);
    (values.clone(), values.clone(), values)
}

copies! {
    #[inline(never)]
    pub(super) fn run((unsorted, values, work): &mut Input) -> u64 {
        values.copy_from_slice(unsorted);
        for shift in (0..32).step_by(8) {
            sort_by_digit(values, work, shift);
            std::mem::swap(values, work);
        }
        let mut checksum = 0_u64;
        for (i, value) in values.iter().enumerate() {
            checksum = checksum.wrapping_add(i as u64 * u64::from(*value));
        }
        checksum
    }

    fn sort_by_digit(from: &[u32], to: &mut [u32], shift: u32) {
        let mut counts = [0; 256];
        for &value in from {
            counts[digit(value, shift)] += 1;
        }
        let mut start = 0;
        for count in &mut counts {
            let next = start + *count;
            *count = start;
            start = next;
        }
        for &value in from {
            let place = &mut counts[digit(value, shift)];
            to[*place] = value;
            *place += 1;
        }
    }

    fn digit(value: u32, shift: u32) -> usize {
        (value >> shift) as usize & 0xff
    }
}
