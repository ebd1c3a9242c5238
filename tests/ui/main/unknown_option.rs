#[preempt::main(workers = 2, paused)]
async fn main() {}
