//! Base64, there and back: chunks of 3 and 4 bytes, a table, and pushes to a vector.

use crate::random::Random;

type Input = Vec<u8>;

fn input(random: &mut Random) -> Input {
    random.list(40_000, |random| random.bits() as u8)
}

copies! {
    static ALPHABET: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    #[inline(never)]
    pub(super) fn run(data: &mut Input) -> u64 {
        let text = encode(data);
        let decoded = decode(&text).unwrap_or_default();
        let equal = decoded == *data;
        text.len() as u64 * 10 + u64::from(equal)
    }

    fn encode(data: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(data.len().div_ceil(3) * 4);
        for chunk in data.chunks(3) {
            let mut bits = 0;
            for i in 0..3 {
                bits = bits << 8 | u32::from(chunk.get(i).copied().unwrap_or(0));
            }
            for i in 0..4 {
                if i <= chunk.len() {
                    text.push(ALPHABET[(bits >> (18 - 6 * i)) as usize & 63]);
                } else {
                    text.push(b'=');
                }
            }
        }
        text
    }

    fn decode(text: &[u8]) -> Option<Vec<u8>> {
        let mut data = Vec::new();
        for chunk in text.chunks_exact(4) {
            let mut bits = 0;
            let mut pads = 0;
            for &letter in chunk {
                bits <<= 6;
                if letter == b'=' {
                    pads += 1;
                } else {
                    bits |= sextet(letter)?;
                }
            }
            let bytes = bits.to_be_bytes();
            data.extend_from_slice(&bytes[1..4 - pads]);
        }
        Some(data)
    }

    fn sextet(letter: u8) -> Option<u32> {
        let sextet = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        Some(u32::from(sextet))
    }
}
