use preempt::preemptible;

#[preemptible]
fn in_a_for(values: &mut Vec<u32>) {
    for i in 0..3 {
        values.get(i)
    }
}

#[preemptible]
fn in_a_while(mut n: u32) {
    while n > 0 {
        n -= 1;
        n
    }
}

fn main() {}
