use preempt::preemptible;

#[preemptible]
fn vector() {
    for _ in Vec::new() {}
}

#[preemptible]
fn option() {
    for x in None {
        drop(x);
    }
}

#[preemptible]
fn integer() -> u32 {
    let mut sum = 0;
    for i in 0..3 {
        sum += i.pow(2) as u32;
    }
    sum
}

#[preemptible]
fn unknown_names() {
    for x in missing {
        also_missing(x);
    }
}

fn main() {}
