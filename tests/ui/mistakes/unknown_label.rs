use preempt::preemptible;

#[preemptible]
fn misspelt() {
    'outer: for i in 0..3 {
        for _ in 0..i {
            continue 'outter;
        }
        break 'outer;
    }
}

#[preemptible]
fn nowhere() {
    while true {
        break 'nowhere;
    }
}

#[preemptible]
fn beyond_a_closure() {
    'outer: loop {
        (0..3).for_each(|_| break 'outer);
    }
}

fn main() {}
