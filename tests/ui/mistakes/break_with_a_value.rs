use preempt::preemptible;

#[preemptible]
fn in_a_for() -> u32 {
    for x in 0..3 {
        break x;
    }
    0
}

#[preemptible]
fn in_a_labelled_while() -> u32 {
    'outer: while true {
        loop {
            break 'outer 1;
        }
    }
    0
}

fn main() {}
