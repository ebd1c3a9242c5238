//! The solar system, after the Benchmarks Game: floating point in short nested loops over structs.

use crate::random::Random;

pub(crate) struct Body {
    position: [f64; 3],
    velocity: [f64; 3],
    mass: f64,
}

type Input = Vec<Body>;

fn input(random: &mut Random) -> Input {
    random.list(5, |random| Body {
        position: [0, 1, 2].map(|_| random.fraction() * 30.0),
        velocity: [0, 1, 2].map(|_| random.fraction() - 0.5),
        mass: 0.01 + random.fraction(),
    })
}

copies! {
    const STEPS: u32 = 2000;
    const STEP: f64 = 0.000_001;

    #[inline(never)]
    pub(super) fn run(bodies: &mut Input) -> u64 {
        for _ in 0..STEPS {
            advance(bodies, STEP);
        }
        for _ in 0..STEPS {
            advance(bodies, -STEP);
        }
        // Back where it began, but for rounding.
        (energy(bodies) * 1e3) as i64 as u64
    }

    fn advance(bodies: &mut [Body], step: f64) {
        for i in 0..bodies.len() {
            let (left, right) = bodies.split_at_mut(i + 1);
            let one = &mut left[i];
            for other in right {
                let mut apart = [0.0; 3];
                for k in 0..3 {
                    apart[k] = one.position[k] - other.position[k];
                }
                let squared = dot(&apart, &apart);
                let pull = step / (squared * squared.sqrt());
                for k in 0..3 {
                    one.velocity[k] -= apart[k] * other.mass * pull;
                    other.velocity[k] += apart[k] * one.mass * pull;
                }
            }
        }
        for body in bodies {
            for (position, velocity) in body.position.iter_mut().zip(&body.velocity) {
                *position += step * velocity;
            }
        }
    }

    fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
        a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    }

    fn energy(bodies: &[Body]) -> f64 {
        let mut energy = 0.0;
        for (i, one) in bodies.iter().enumerate() {
            energy += 0.5 * one.mass * dot(&one.velocity, &one.velocity);
            for other in &bodies[i + 1..] {
                let mut apart = [0.0; 3];
                for k in 0..3 {
                    apart[k] = one.position[k] - other.position[k];
                }
                energy -= one.mass * other.mass / dot(&apart, &apart).sqrt();
            }
        }
        energy
    }
}
