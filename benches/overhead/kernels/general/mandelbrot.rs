//! The Mandelbrot set, after the Benchmarks Game: a `while` with floating point and a way out, in two
//! loops over pixels.

use crate::random::Random;

type Input = usize;

fn input(_: &mut Random) -> Input {
    64
}

copies! {
    const LIMIT: u32 = 50;

    #[inline(never)]
    pub(super) fn run(size: &mut Input) -> u64 {
        let mut sum = 0;
        for row in 0..*size {
            for column in 0..*size {
                let re = 2.0 * column as f64 / *size as f64 - 1.5;
                let im = 2.0 * row as f64 / *size as f64 - 1.0;
                sum += u64::from(escape(re, im));
            }
        }
        sum
    }

    fn escape(re: f64, im: f64) -> u32 {
        let (mut x, mut y) = (0.0, 0.0);
        let mut steps = 0;
        while steps < LIMIT {
            let (xx, yy) = (x * x, y * y);
            if xx + yy > 4.0 {
                break;
            }
            y = 2.0 * x * y + im;
            x = xx - yy + re;
            steps += 1;
        }
        steps
    }
}
