//! How often each word occurs (Phoenix): a loop that is nearly all standard library.

use crate::random::Random;

type Input = String;

fn input(random: &mut Random) -> Input {
    let words = random.list(300, Random::word);
    random.list(6000, |random| words[random.below(words.len())].clone()).join(" ")
}

copies! {
    use std::collections::HashMap;

    #[inline(never)]
    pub(super) fn run(text: &mut Input) -> u64 {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for word in text.split_ascii_whitespace() {
            *counts.entry(word).or_default() += 1;
        }
        let mut sum = 0;
        for (word, count) in &counts {
            sum += word.len() as u64 * count * count;
        }
        sum
    }
}
