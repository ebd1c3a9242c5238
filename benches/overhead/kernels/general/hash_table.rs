//! A hash table with open addressing, filled and asked: loops of one or two rounds that cannot be
//! predicted.

use crate::random::Random;

type Input = (Vec<u64>, Vec<u64>);

const KEYS: usize = 8000;

fn input(random: &mut Random) -> Input {
    let keys = random.list(KEYS, Random::bits);
    let mut asked = Vec::new();
    for _ in 0..3 * KEYS {
        asked.push(if random.below(2) == 0 { random.bits() } else { keys[random.below(KEYS)] });
    }
    (keys, asked)
}

copies! {
    struct Table {
        slots: Vec<Option<(u64, u32)>>,
    }

    #[inline(never)]
    pub(super) fn run((keys, asked): &mut Input) -> u64 {
        let mut table = Table::new(2 * KEYS);
        for (i, key) in keys.iter().enumerate() {
            table.insert(*key, i as u32);
        }
        let mut sum = 0;
        for key in asked {
            if let Some(value) = table.get(*key) {
                sum += u64::from(value);
            }
        }
        sum
    }

    impl Table {
        fn new(len: usize) -> Self {
            Table { slots: vec![None; len.next_power_of_two()] }
        }

        fn hash(&self, key: u64) -> usize {
            (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (self.slots.len() - 1)
        }

        fn insert(&mut self, key: u64, value: u32) {
            let mut at = self.hash(key);
            loop {
                match &mut self.slots[at] {
                    Some((used, old)) if *used == key => {
                        *old = value;
                        return;
                    }
                    Some(_) => at = (at + 1) & (self.slots.len() - 1),
                    free => {
                        *free = Some((key, value));
                        return;
                    }
                }
            }
        }

        fn get(&self, key: u64) -> Option<u32> {
            let mut at = self.hash(key);
            while let Some((used, value)) = self.slots[at] {
                if used == key {
                    return Some(value);
                }
                at = (at + 1) & (self.slots.len() - 1);
            }
            None
        }
    }
}
