//! The numbers that a seed stands for, and a hash of what was drawn.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): one word of
/// state, and every seed is as good as any other, also small ones.
#[derive(Debug)]
pub(super) struct Random {
    state: u64,
    /// Of all that was drawn.
    hash: u64,
}

/// The golden ratio, as in the paper.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random { state: seed, hash: mix(seed) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// One of the numbers below `count`, which is not 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let drawn = (u128::from(self.next()) * count as u128) >> 64;
        self.note(count as u64);
        self.note(drawn as u64);
        drawn as usize
    }

    /// `true` with that probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        // The upper 53 bits, as many as a double has: 0 to 1, without 1.
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let is_so = drawn < probability;
        self.note(u64::from(is_so));
        is_so
    }

    /// Has the hash depend on a word.
    fn note(&mut self, word: u64) {
        self.hash = mix(self.hash ^ word.wrapping_add(STEP));
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }
}

/// Changes half of the bits for each that differs.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the reference implementation, <https://prng.di.unimi.it/splitmix64.c>.
    #[test]
    fn the_numbers_are_those_of_the_reference() {
        let mut random = Random::new(1_234_567);
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(first, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn each_number_below_the_bound_is_drawn_about_as_often() {
        let mut random = Random::new(0);
        let mut drawn = [0_u32; 5];
        (0..10_000).for_each(|_| drawn[random.below(5)] += 1);
        assert!(drawn.iter().all(|count| (1_800..2_200).contains(count)), "{drawn:?}");
        assert_eq!((0..100).filter(|_| random.chance(0.0)).count(), 0);
        assert_eq!((0..100).filter(|_| random.chance(1.0)).count(), 100);
        let quarter = (0..10_000).filter(|_| random.chance(0.25)).count();
        assert!((2_300..2_700).contains(&quarter), "{quarter}");
    }

    #[test]
    fn the_hash_tells_what_was_drawn() {
        let hash = |seed, bounds: &[usize]| {
            let mut random = Random::new(seed);
            for bound in bounds {
                random.below(*bound);
            }
            random.hash()
        };
        assert_eq!(hash(1, &[3, 4]), hash(1, &[3, 4]));
        assert_ne!(hash(1, &[3, 4]), hash(2, &[3, 4]));
        assert_ne!(hash(1, &[3, 4]), hash(1, &[4, 3]));
        assert_ne!(hash(1, &[3]), hash(1, &[3, 1]));
    }
}
