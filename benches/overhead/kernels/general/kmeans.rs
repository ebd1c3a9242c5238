//! Points are assigned to the nearest of 8 centres, and these moved (Phoenix): inner loops of 8 and
//! of 4 rounds.

use crate::random::Random;

const DIMENSIONS: usize = 4;
const CLUSTERS: usize = 8;

type Input = Vec<Vec<f32>>;

fn input(random: &mut Random) -> Input {
    random.list(2500, |random| random.list(DIMENSIONS, |random| random.fraction() as f32))
}

copies! {
    #[inline(never)]
    pub(super) fn run(points: &mut Input) -> u64 {
        let mut centres = points[..CLUSTERS].to_vec();
        let mut changes = 0;
        let mut cluster_of = vec![0; points.len()];
        for _ in 0..2 {
            for (point, cluster) in points.iter().zip(&mut cluster_of) {
                let nearest = nearest(point, &centres);
                if nearest != *cluster {
                    *cluster = nearest;
                    changes += 1;
                }
            }
            move_centres(points, &cluster_of, &mut centres);
        }
        changes
    }

    fn nearest(point: &[f32], centres: &[Vec<f32>]) -> usize {
        let mut best = 0;
        let mut least = f32::INFINITY;
        for (i, centre) in centres.iter().enumerate() {
            let distance = squared_distance(point, centre);
            if distance < least {
                least = distance;
                best = i;
            }
        }
        best
    }

    fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
        let mut sum = 0.0;
        for (a, b) in a.iter().zip(b) {
            sum += (a - b) * (a - b);
        }
        sum
    }

    fn move_centres(points: &[Vec<f32>], cluster_of: &[usize], centres: &mut [Vec<f32>]) {
        let mut sums = vec![vec![0.0; DIMENSIONS]; centres.len()];
        let mut counts = vec![0_u32; centres.len()];
        for (point, &cluster) in points.iter().zip(cluster_of) {
            counts[cluster] += 1;
            for (sum, value) in sums[cluster].iter_mut().zip(point) {
                *sum += value;
            }
        }
        for ((centre, sum), &count) in centres.iter_mut().zip(&sums).zip(&counts) {
            if count > 0 {
                for (value, sum) in centre.iter_mut().zip(sum) {
                    *value = sum / count as f32;
                }
            }
        }
    }
}
