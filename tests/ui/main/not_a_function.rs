#[preempt::main]
struct Main;

fn main() {}
