//! A line through points (Phoenix): five reductions in one loop.

use crate::random::Random;

type Input = Vec<(u8, u8)>;

fn input(random: &mut Random) -> Input {
    random.list(150_000, |random| {
        let x = random.below(200) as u8;
        (x, x / 2 + random.below(100) as u8)
    })
}

copies! {
    #[inline(never)]
    pub(super) fn run(points: &mut Input) -> u64 {
        let (mut x_sum, mut y_sum) = (0_u64, 0_u64);
        let (mut xx_sum, mut yy_sum, mut xy_sum) = (0_u64, 0_u64, 0_u64);
        for &(x, y) in points.iter() {
            let (x, y) = (u64::from(x), u64::from(y));
            x_sum += x;
            y_sum += y;
            xx_sum += x * x;
            yy_sum += y * y;
            xy_sum += x * y;
        }
        let n = points.len() as f64;
        let (x, y) = (x_sum as f64 / n, y_sum as f64 / n);
        let slope = (xy_sum as f64 / n - x * y) / (xx_sum as f64 / n - x * x);
        (slope * 1e6) as u64 + yy_sum
    }
}
