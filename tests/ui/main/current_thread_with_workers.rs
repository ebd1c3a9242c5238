#[path = "../stand_in.rs"]
mod stand_in;

#[preempt_macros::main(flavor = "current_thread", worker_threads = 2, crate = stand_in)]
async fn main() {}
