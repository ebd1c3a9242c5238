use preempt::preemptible;

#[preemptible]
fn option() {
    for Some(x) in [Some(1), None] {
        let _: i32 = x;
    }
}

#[preemptible]
fn literal() {
    for (0, _x) in [(0, 1)].iter().copied() {}
}

fn main() {}
