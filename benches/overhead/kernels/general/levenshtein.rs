//! The edit distance of two strings: a table filled row by row, each cell after its neighbours.

use crate::random::Random;

type Input = (String, String);

fn input(random: &mut Random) -> Input {
    (random.list(50, Random::word).join(" "), random.list(50, Random::word).join(" "))
}

copies! {
    #[inline(never)]
    pub(super) fn run((a, b): &mut Input) -> u64 {
        distance(a, b) as u64
    }

    fn distance(a: &str, b: &str) -> usize {
        let b: Vec<char> = b.chars().collect();
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, a) in a.chars().enumerate() {
            let mut diagonal = row[0];
            row[0] = i + 1;
            for (j, b) in b.iter().enumerate() {
                let replaced = diagonal + usize::from(a != *b);
                diagonal = row[j + 1];
                row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
            }
        }
        row[b.len()]
    }
}
