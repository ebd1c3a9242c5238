#[path = "../stand_in.rs"]
mod stand_in;

#[preempt_macros::main(worker_threads = 0, crate = stand_in)]
async fn main() {}
