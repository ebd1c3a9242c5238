//! SHA-256 (FIPS 180-4): loops of 16, 48 and 64 rounds, which are constants, per block.

use crate::random::Random;

type Input = Vec<u8>;

/// A whole number of blocks, which saves the padding.
fn input(random: &mut Random) -> Input {
    random.list(64 * 600, |random| random.bits() as u8)
}

/// The first bits of the fractional parts of the `power`th roots of the first primes.
fn root_fractions<const N: usize>(power: f64) -> [u32; N] {
    let mut primes = (2_u32..).filter(|n| (2..*n).all(|d| n % d != 0));
    std::array::from_fn(|_| {
        let root = f64::from(primes.next().unwrap_or(2)).powf(1.0 / power);
        (root.fract() * f64::from(u32::MAX)).round() as u32
    })
}

copies! {
    use std::sync::LazyLock;

    static ROUND: LazyLock<[u32; 64]> = LazyLock::new(|| root_fractions(3.0));
    static START: LazyLock<[u32; 8]> = LazyLock::new(|| root_fractions(2.0));

    #[inline(never)]
    pub(super) fn run(message: &mut Input) -> u64 {
        let mut state = *START;
        for block in message.chunks_exact(64) {
            compress(&mut state, block, &ROUND);
        }
        u64::from(state[0]) << 32 | u64::from(state[7])
    }

    fn compress(state: &mut [u32; 8], block: &[u8], round: &[u32; 64]) {
        let mut w = [0_u32; 64];
        for (w, bytes) in w.iter_mut().zip(block.chunks_exact(4)) {
            *w = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        for i in 16..64 {
            let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
            let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        for i in 0..64 {
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let t1 =
                h.wrapping_add(s1).wrapping_add(choice).wrapping_add(round[i]).wrapping_add(w[i]);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let majority = (a & b) ^ (a & c) ^ (b & c);
            let t2 = s0.wrapping_add(majority);
            (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
            (d, c, b, a) = (c, b, a, t1.wrapping_add(t2));
        }
        for (state, value) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *state = state.wrapping_add(value);
        }
    }
}
