#[preempt::main(start_paused = true)]
async fn main() {}

#[preempt::test(start_paused = "yes")]
async fn is_no_boolean() {}
