#[preempt_macros::main]
fn main() {}
