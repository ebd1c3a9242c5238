use preempt::preemptible;

#[preemptible(crate = nowhere::to::be::found)]
fn work() {
    step();
}

fn step() {}

fn main() {
    work();
}
