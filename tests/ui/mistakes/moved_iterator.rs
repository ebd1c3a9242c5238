use preempt::preemptible;

#[preemptible]
fn used_after_the_loop(values: Vec<String>) -> usize {
    for value in values {
        drop(value);
    }
    values.len()
}

#[preemptible]
fn used_in_the_loop(values: Vec<String>) {
    for value in values {
        println!("{value} of {}", values.len());
    }
}

#[preemptible]
fn moved_twice(values: Vec<String>) {
    for _ in 0..2 {
        for value in values {
            drop(value);
        }
    }
}

fn main() {}
