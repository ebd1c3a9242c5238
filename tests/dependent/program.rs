//! A program that depends on `preempt` and nothing else, built and run by `tests/dependent.rs`.
//! Everything here is behind macros: they must find what they need through `preempt`.

use preempt::sync::{mpsc, oneshot};
use preempt::task::LocalSet;
use preempt::time::{Duration, sleep};

preempt::task_local! {
    static NUMBER: u32;
}

#[preempt::preemptible]
fn sum(values: &[u32]) -> u32 {
    let mut sum = 0;
    for value in values {
        sum += value;
    }
    sum
}

async fn first_of_two() -> u32 {
    let (sender, receiver) = oneshot::channel();
    let task = preempt::spawn(async move { sender.send(1).unwrap() });
    let timer = sleep(Duration::from_secs(3600));
    preempt::pin!(timer);
    let first = preempt::select! {
        value = receiver => value.unwrap(),
        () = &mut timer => 100,
    };
    task.await.unwrap();
    preempt::select! {
        biased;
        () = std::future::ready(()), if first == 1 => first,
        else => 100,
    }
}

#[preempt::main(worker_threads = 1)]
async fn main() {
    let (one, two) = preempt::join!(first_of_two(), async { 2 });
    let both: Result<(u32, u32), u32> = preempt::try_join!(async { Ok(3) }, async { Ok(4) });
    let (three, four) = both.unwrap();
    let never = std::future::pending::<Result<u32, u32>>();
    let failed: Result<(u32, u32), u32> = preempt::try_join!(async { Err(5) }, never);
    let five = failed.unwrap_err();
    let (sender, mut receiver) = mpsc::channel(1);
    let send = async { sender.send(6).await.unwrap() };
    let ((), six) = preempt::join!(send, receiver.recv());
    let seven = NUMBER.scope(7, async { NUMBER.get() }).await;
    let set = LocalSet::new();
    let eight = set.run_until(async { preempt::task::spawn_local(async { 8 }).await });
    let all = [one, two, three, four, five, six.unwrap(), seven, eight.await.unwrap()];
    assert_eq!(all, [1, 2, 3, 4, 5, 6, 7, 8]);
    println!("{}", sum(&all));
}
