#[preempt::main]
fn main() {}
