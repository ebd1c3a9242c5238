//! A future that was not `Send` says so at the user's await.

use preempt::preemptible;
use std::future::ready;
use std::rc::Rc;

#[preemptible]
async fn holds_across_await() {
    for n in 0..3 {
        let rc = Rc::new(n);
        ready(()).await;
        drop(rc);
    }
}

fn require_send<T: Send>(_: T) {}

fn main() {
    require_send(holds_across_await());
}
