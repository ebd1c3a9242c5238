#[preempt::test]
#[test]
async fn works() {}

fn main() {}
