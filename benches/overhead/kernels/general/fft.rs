//! The fast Fourier transform (SPLASH-2): loops that double in length while their number halves.

use crate::random::Random;

#[derive(Clone, Copy)]
pub(crate) struct Complex {
    re: f64,
    im: f64,
}

pub(crate) struct Input {
    signal: Vec<Complex>,
    work: Vec<Complex>,
    /// The roots of unity.
    roots: Vec<Complex>,
}

const N: usize = 4096;

fn input(random: &mut Random) -> Input {
    let signal = random.list(N, |random| Complex { re: random.fraction(), im: random.fraction() });
    let angle = |i: usize| -2.0 * std::f64::consts::PI * i as f64 / N as f64;
    let roots = (0..N / 2).map(|i| Complex { re: angle(i).cos(), im: angle(i).sin() }).collect();
    Input { work: signal.clone(), signal, roots }
}

copies! {
    #[inline(never)]
    pub(super) fn run(input: &mut Input) -> u64 {
        input.work.copy_from_slice(&input.signal);
        reverse_bits(&mut input.work);
        let mut half = 1;
        while half < input.work.len() {
            pass(&mut input.work, half, &input.roots);
            half *= 2;
        }
        (input.work[1].re + input.work[N / 3].im).to_bits()
    }

    fn reverse_bits(data: &mut [Complex]) {
        let bits = data.len().trailing_zeros();
        for i in 0..data.len() {
            let j = i.reverse_bits() >> (usize::BITS - bits);
            if i < j {
                data.swap(i, j);
            }
        }
    }

    fn pass(data: &mut [Complex], half: usize, roots: &[Complex]) {
        let stride = roots.len() / half;
        for block in data.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for i in 0..half {
                let turned = multiply(high[i], roots[i * stride]);
                let value = low[i];
                low[i] = Complex { re: value.re + turned.re, im: value.im + turned.im };
                high[i] = Complex { re: value.re - turned.re, im: value.im - turned.im };
            }
        }
    }

    fn multiply(a: Complex, b: Complex) -> Complex {
        Complex { re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re }
    }
}
