//! Counts of the values of red, green and blue (Phoenix): a loop over chunks that scatters.

use crate::random::Random;

type Input = Vec<u8>;

fn input(random: &mut Random) -> Input {
    random.list(3 * 150_000, |random| random.bits() as u8)
}

copies! {
    #[inline(never)]
    pub(super) fn run(image: &mut Input) -> u64 {
        let mut red = [0_u32; 256];
        let mut green = [0_u32; 256];
        let mut blue = [0_u32; 256];
        for pixel in image.chunks_exact(3) {
            red[usize::from(pixel[0])] += 1;
            green[usize::from(pixel[1])] += 1;
            blue[usize::from(pixel[2])] += 1;
        }
        let mut peak = 0;
        for ((red, green), blue) in red.iter().zip(&green).zip(&blue) {
            peak = peak.max(red * 3 + green * 2 + blue);
        }
        u64::from(peak)
    }
}
