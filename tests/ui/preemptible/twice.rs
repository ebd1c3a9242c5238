use preempt::preemptible;

#[preemptible]
#[preemptible]
fn work() {}

fn main() {
    work();
}
