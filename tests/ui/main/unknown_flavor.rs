#[preempt::main(flavor = "threaded")]
async fn main() {}
