//! The spectral norm of a matrix that is computed on the fly, after the Benchmarks Game: a tiny
//! function in the innermost of two loops.

use crate::random::Random;

type Input = usize;

fn input(_: &mut Random) -> Input {
    80
}

copies! {
    #[inline(never)]
    pub(super) fn run(n: &mut Input) -> u64 {
        let mut u = vec![1.0; *n];
        let mut v = vec![0.0; *n];
        let mut work = vec![0.0; *n];
        for _ in 0..5 {
            multiply_twice(&u, &mut work, &mut v);
            multiply_twice(&v, &mut work, &mut u);
        }
        let (mut uv, mut vv) = (0.0, 0.0);
        for (u, v) in u.iter().zip(&v) {
            uv += u * v;
            vv += v * v;
        }
        f64::sqrt(uv / vv).to_bits()
    }

    fn cell(i: usize, j: usize) -> f64 {
        1.0 / ((i + j) * (i + j + 1) / 2 + i + 1) as f64
    }

    fn multiply(v: &[f64], product: &mut [f64]) {
        for (i, product) in product.iter_mut().enumerate() {
            *product = 0.0;
            for (j, v) in v.iter().enumerate() {
                *product += cell(i, j) * v;
            }
        }
    }

    fn multiply_transposed(v: &[f64], product: &mut [f64]) {
        for i in 0..product.len() {
            let mut sum = 0.0;
            for j in 0..v.len() {
                sum += cell(j, i) * v[j];
            }
            product[i] = sum;
        }
    }

    fn multiply_twice(v: &[f64], work: &mut [f64], product: &mut [f64]) {
        multiply(v, work);
        multiply_transposed(work, product);
    }
}
