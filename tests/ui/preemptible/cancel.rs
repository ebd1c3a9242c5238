use preempt::preemptible;

#[preemptible(cancel)]
extern "C" fn sum(from: u32, to: u32) -> u32 {
    let mut sum = 0;
    for value in from..to {
        sum += value;
    }
    sum
}

#[preemptible(cancel, every = 100)]
pub unsafe extern fn callback(n: u32) -> u32 {
    n + 1
}

#[preemptible(cancel = 3)]
fn number() {}

#[preemptible(cancel, cancel)]
fn twice() {}

#[preemptible(cancel)]
const fn constant() -> u32 {
    1
}

fn main() {
    sum(1, 2);
    number();
    twice();
    constant();
    // SAFETY: it does nothing.
    unsafe { callback(1) };
}
