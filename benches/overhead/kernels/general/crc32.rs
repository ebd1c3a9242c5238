//! The CRC of zlib with a table: a loop over bytes whose rounds wait for each other.

use crate::random::Random;

type Input = Vec<u8>;

fn input(random: &mut Random) -> Input {
    random.list(100_000, |random| random.bits() as u8)
}

copies! {
    static TABLE: [u32; 256] = table();

    #[inline(never)]
    pub(super) fn run(data: &mut Input) -> u64 {
        u64::from(crc32(data))
    }

    fn crc32(data: &[u8]) -> u32 {
        let mut crc = !0;
        for &byte in data {
            crc = TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
        }
        !crc
    }

    const fn table() -> [u32; 256] {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let mut value = i as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    }
}
