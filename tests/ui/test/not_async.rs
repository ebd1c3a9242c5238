#[preempt_macros::test]
fn works() {}

fn main() {}
