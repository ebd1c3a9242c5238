#[preempt_macros::test]
#[test]
async fn works() {}

fn main() {}
