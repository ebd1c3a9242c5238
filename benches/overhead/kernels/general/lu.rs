//! LU decomposition with pivots (SPLASH-2): a triangle of loops, the innermost one vectorised, and
//! shorter each time.

use crate::random::Random;

type Matrix = Vec<Vec<f64>>;
type Input = (Matrix, Matrix);

const N: usize = 96;

fn input(random: &mut Random) -> Input {
    let matrix = random.list(N, |random| random.list(N, |random| random.fraction() - 0.5));
    (matrix.clone(), matrix)
}

copies! {
    #[inline(never)]
    pub(super) fn run((matrix, work): &mut Input) -> u64 {
        for (work, row) in work.iter_mut().zip(matrix.iter()) {
            work.copy_from_slice(row);
        }
        let sign = decompose(work);
        let mut determinant = sign;
        for i in 0..work.len() {
            determinant *= work[i][i];
        }
        determinant.to_bits()
    }

    fn decompose(a: &mut Matrix) -> f64 {
        let n = a.len();
        let mut sign = 1.0;
        for k in 0..n {
            let pivot = pivot_row(a, k);
            if pivot != k {
                a.swap(pivot, k);
                sign = -sign;
            }
            let (upper, lower) = a.split_at_mut(k + 1);
            let pivot_row = &upper[k];
            for row in lower {
                let factor = row[k] / pivot_row[k];
                row[k] = factor;
                for j in k + 1..n {
                    row[j] -= factor * pivot_row[j];
                }
            }
        }
        sign
    }

    fn pivot_row(a: &Matrix, k: usize) -> usize {
        let mut pivot = k;
        for i in k + 1..a.len() {
            if a[i][k].abs() > a[pivot][k].abs() {
                pivot = i;
            }
        }
        pivot
    }
}
