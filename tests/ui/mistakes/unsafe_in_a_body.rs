use preempt::preemptible;

unsafe fn dangerous() -> u32 {
    3
}

#[preemptible]
fn call() {
    for _ in 0..dangerous() {
        dangerous();
    }
}

fn main() {}
