use preempt::preemptible;

#[preemptible]
const fn twice(n: u32) -> u32 {
    n * 2
}

fn main() {
    // The function is still there: no further error.
    assert_eq!(twice(2), 4);
}
