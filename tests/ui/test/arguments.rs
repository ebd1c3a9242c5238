#[preempt::test]
async fn works(x: u32, y: u32) {}

fn main() {}
