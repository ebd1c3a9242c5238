#[preempt::test]
fn works() {}

fn main() {}
