#[path = "../stand_in.rs"]
mod stand_in;

#[preempt_macros::main(workers = 2, paused, crate = stand_in)]
async fn main() {}
