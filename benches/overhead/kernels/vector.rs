//! The vector set: short loops that LLVM vectorises, and that it does not vectorise once there is a
//! call in them. The data fits into the second level cache, or memory would be what is measured.

use crate::kernel::Kernel;

pub(super) fn kernels() -> Vec<Kernel> {
    vec![
        sum::kernel("sum"),
        saxpy::kernel("saxpy"),
        dot::kernel("dot"),
        byte_count::kernel("byte_count"),
        blur::kernel("blur"),
        while_sum::kernel("while_sum"),
        small_rows::kernel("small_rows"),
        max::kernel("max"),
        argmin::kernel("argmin"),
    ]
}

mod sum {
    //! A reduction over a slice.

    use crate::random::Random;

    type Input = Vec<u32>;

    fn input(random: &mut Random) -> Input {
        random.list(40_000, |random| random.bits() as u32)
    }

    copies! {
        #[inline(never)]
        pub(super) fn run(values: &mut Input) -> u64 {
            let mut sum = 0;
            for value in values.iter() {
                sum += u64::from(*value);
            }
            sum
        }
    }
}

mod saxpy {
    //! Two slices side by side, one of them written.

    use crate::random::Random;

    type Input = (Vec<f32>, Vec<f32>);

    fn input(random: &mut Random) -> Input {
        let mut values = || random.list(40_000, |random| random.fraction() as f32);
        (values(), values())
    }

    copies! {
        #[inline(never)]
        pub(super) fn run((x, y): &mut Input) -> u64 {
            saxpy(1.5, x, y);
            saxpy(-1.5, x, y);
            y[17].round() as u64
        }

        fn saxpy(a: f32, x: &[f32], y: &mut [f32]) {
            for (x, y) in x.iter().zip(y) {
                *y += a * *x;
            }
        }
    }
}

mod dot {
    //! A reduction over a range of indices.

    use crate::random::Random;

    type Input = (Vec<i32>, Vec<i32>);

    fn input(random: &mut Random) -> Input {
        let mut values = || random.list(40_000, |random| random.below(1000) as i32);
        (values(), values())
    }

    copies! {
        #[inline(never)]
        pub(super) fn run((a, b): &mut Input) -> u64 {
            dot(a, b) as u64
        }

        fn dot(a: &[i32], b: &[i32]) -> i32 {
            let n = a.len().min(b.len());
            let (a, b) = (&a[..n], &b[..n]);
            let mut sum = 0_i32;
            for i in 0..n {
                sum = sum.wrapping_add(a[i].wrapping_mul(b[i]));
            }
            sum
        }
    }
}

mod byte_count {
    //! A count under a condition, of bytes.

    use crate::random::Random;

    type Input = Vec<u8>;

    fn input(random: &mut Random) -> Input {
        random.list(200_000, |random| random.below(60) as u8)
    }

    copies! {
        #[inline(never)]
        pub(super) fn run(text: &mut Input) -> u64 {
            count(text, b'\n') as u64
        }

        fn count(text: &[u8], wanted: u8) -> usize {
            let mut count = 0;
            for &byte in text {
                if byte == wanted {
                    count += 1;
                }
            }
            count
        }
    }
}

mod blur {
    //! A stencil: each value with its neighbours.

    use crate::random::Random;

    type Input = (Vec<u16>, Vec<u16>);

    fn input(random: &mut Random) -> Input {
        (random.list(40_000, |random| random.below(10_000) as u16), vec![0; 40_000])
    }

    copies! {
        #[inline(never)]
        pub(super) fn run((input, output): &mut Input) -> u64 {
            blur(input, output);
            u64::from(output[100])
        }

        fn blur(input: &[u16], output: &mut [u16]) {
            let n = input.len().min(output.len());
            let (input, output) = (&input[..n], &mut output[..n]);
            for i in 1..n - 1 {
                output[i] = (input[i - 1] + 2 * input[i] + input[i + 1]) / 4;
            }
        }
    }
}

mod while_sum {
    //! The reduction of `sum` with `while` and an index.

    use crate::random::Random;

    type Input = Vec<u32>;

    fn input(random: &mut Random) -> Input {
        random.list(40_000, |random| random.bits() as u32)
    }

    copies! {
        #[inline(never)]
        pub(super) fn run(values: &mut Input) -> u64 {
            let mut sum = 0;
            let mut i = 0;
            while i < values.len() {
                sum += u64::from(values[i]);
                i += 1;
            }
            sum
        }
    }
}

mod small_rows {
    //! Reductions of 12 values each: a vector loop that is over at once, within another loop.

    use crate::random::Random;

    type Input = (Vec<u32>, Vec<u32>);

    const WIDTH: usize = 12;

    fn input(random: &mut Random) -> Input {
        let rows = 3000;
        (random.list(rows * WIDTH, |random| random.bits() as u32), vec![0; rows])
    }

    copies! {
        #[inline(never)]
        pub(super) fn run((cells, sums): &mut Input) -> u64 {
            sum_rows(cells, WIDTH, sums);
            u64::from(sums[100])
        }

        fn sum_rows(cells: &[u32], width: usize, sums: &mut [u32]) {
            for (row, sum) in cells.chunks_exact(width).zip(sums) {
                *sum = 0;
                for cell in row {
                    *sum = sum.wrapping_add(*cell >> 3);
                }
            }
        }
    }
}

mod max {
    //! The greatest value.

    use crate::random::Random;

    type Input = Vec<i32>;

    fn input(random: &mut Random) -> Input {
        random.list(40_000, |random| random.bits() as i32)
    }

    copies! {
        #[inline(never)]
        pub(super) fn run(values: &mut Input) -> u64 {
            let mut greatest = i32::MIN;
            for &value in values.iter() {
                if value > greatest {
                    greatest = value;
                }
            }
            greatest as u64
        }
    }
}

mod argmin {
    //! The place of the least value: two values carried from round to round.

    use crate::random::Random;

    type Input = Vec<f32>;

    fn input(random: &mut Random) -> Input {
        random.list(40_000, |random| random.fraction() as f32)
    }

    copies! {
        #[inline(never)]
        pub(super) fn run(values: &mut Input) -> u64 {
            let mut least = f32::INFINITY;
            let mut place = 0;
            for (i, &value) in values.iter().enumerate() {
                if value < least {
                    least = value;
                    place = i;
                }
            }
            place as u64
        }
    }
}
