use preempt::preemptible;

#[preemptible(crate = nowhere::to::be::found)]
fn work() {}

fn main() {
    work();
}
