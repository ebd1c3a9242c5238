use preempt::preemptible;

#[preemptible]
fn integer(mut n: u32) {
    while n {
        n -= 1;
    }
}

#[preemptible]
fn assignment(mut n: u32) {
    while n = 3 {
        n += 1;
    }
}

#[preemptible]
fn pattern(stack: &mut Vec<u32>) {
    while let Ok(_x) = stack.pop() {}
}

fn main() {}
