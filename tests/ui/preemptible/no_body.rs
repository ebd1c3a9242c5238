use preempt::preemptible;

trait Work {
    #[preemptible]
    fn work(&self);
}

impl Work for () {
    fn work(&self) {}
}

fn main() {
    ().work();
}
