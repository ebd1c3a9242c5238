//! Inputs that look random and are the same in each run.

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
pub(crate) struct Random(u64);

impl Random {
    /// The seed is the kernel's name, so that one kernel's input does not depend on the others.
    pub(crate) fn new(name: &str) -> Self {
        Random(name.bytes().fold(0x5eed, |seed, byte| seed * 31 + u64::from(byte)))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    /// From 0 to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn list<T>(&mut self, len: usize, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..len).map(|_| item(self)).collect()
    }

    pub(crate) fn word(&mut self) -> String {
        let len = 2 + self.below(8);
        (0..len).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}
