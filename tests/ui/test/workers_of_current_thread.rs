#[path = "../stand_in.rs"]
mod stand_in;

#[preempt_macros::test(worker_threads = 2, crate = stand_in)]
async fn works() {}

fn main() {
    let _ = stand_in::runtime::Builder::new_current_thread();
}
