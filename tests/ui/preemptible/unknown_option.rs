use preempt::preemptible;

#[preemptible(evry = 3)]
fn work() {}

#[preemptible(crate = preempt, loops)]
fn other() {}

fn main() {
    work();
    other();
}
