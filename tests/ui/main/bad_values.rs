#[preempt::main(flavor = 1, worker_threads = "2")]
async fn main() {}
