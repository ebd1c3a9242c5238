//! Each word is encrypted and compared with four encrypted keys (Phoenix): loops over a few bytes.

use crate::random::Random;

type Input = (String, Vec<String>);

fn input(random: &mut Random) -> Input {
    let words = random.list(5000, Random::word);
    let keys = random.list(4, |random| words[random.below(words.len())].clone());
    (words.join("\n"), keys)
}

copies! {
    #[inline(never)]
    pub(super) fn run((text, keys): &mut Input) -> u64 {
        let mut encrypted_keys = Vec::new();
        for key in keys.iter() {
            let mut encrypted = Vec::new();
            encrypt(key, &mut encrypted);
            encrypted_keys.push(encrypted);
        }
        let mut found = 0;
        let mut encrypted = Vec::new();
        for word in text.lines() {
            encrypt(word, &mut encrypted);
            for key in &encrypted_keys {
                if is_equal(key, &encrypted) {
                    found += word.len() as u64;
                }
            }
        }
        found
    }

    fn encrypt(word: &str, encrypted: &mut Vec<u8>) {
        encrypted.clear();
        for byte in word.bytes() {
            encrypted.push(byte.rotate_left(3) ^ 0x5a);
        }
    }

    fn is_equal(a: &[u8], b: &[u8]) -> bool {
        if a.len() != b.len() {
            return false;
        }
        for (a, b) in a.iter().zip(b) {
            if a != b {
                return false;
            }
        }
        true
    }
}
