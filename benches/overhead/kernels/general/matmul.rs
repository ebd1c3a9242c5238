//! Matrix product with three loops and indices (Phoenix): an inner loop of 64 with a stride.

use crate::random::Random;

type Matrix = Vec<Vec<f64>>;
type Input = (Matrix, Matrix);

const N: usize = 64;

fn input(random: &mut Random) -> Input {
    let mut matrix = || random.list(N, |random| random.list(N, Random::fraction));
    (matrix(), matrix())
}

copies! {
    #[inline(never)]
    pub(super) fn run((a, b): &mut Input) -> u64 {
        let product = multiply(a, b);
        (product[3][5] + product[60][7]).to_bits()
    }

    fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
        let mut product = vec![vec![0.0; b[0].len()]; a.len()];
        for i in 0..a.len() {
            for j in 0..b[0].len() {
                let mut sum = 0.0;
                for k in 0..b.len() {
                    sum += a[i][k] * b[k][j];
                }
                product[i][j] = sum;
            }
        }
        product
    }
}
