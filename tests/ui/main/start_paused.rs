#[path = "../stand_in.rs"]
mod stand_in;

#[preempt_macros::main(start_paused = true, crate = stand_in)]
async fn main() {}

#[preempt_macros::test(start_paused = "yes", crate = stand_in)]
async fn is_no_boolean() {}
