use preempt::preemptible;

struct Counter(u32);

impl Counter {
    #[preemptible]
    pub const fn get(&self) -> u32 {
        self.0
    }
}

fn main() {
    assert_eq!(Counter(1).get(), 1);
}
