#[path = "../stand_in.rs"]
mod stand_in;

#[preempt_macros::main(flavor = "threaded", crate = stand_in)]
async fn main() {}
