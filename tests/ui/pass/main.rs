#[path = "../stand_in.rs"]
mod stand_in;

use std::future::ready;
use std::process::{ExitCode, Termination};

fn calls() -> Vec<String> {
    stand_in::runtime::CALLS.take()
}

/// Its `?` needs to know the error type.
#[preempt_macros::main(crate = stand_in)]
async fn fallible(text: &str) -> Result<u32, Box<dyn std::error::Error>> {
    let n: u32 = text.parse()?;
    if n > 9 {
        return Err("too large".into());
    }
    Ok(ready(n).await)
}

#[preempt_macros::main(flavor = "multi_thread", worker_threads = 4, crate = stand_in)]
async fn with_workers() {}

#[preempt_macros::main(flavor = "current_thread", crate = "stand_in")]
async fn on_this_thread<T: Default>() -> T {
    T::default()
}

struct Service(u32);

impl Service {
    #[preempt_macros::main(crate = crate::stand_in)]
    async fn run(&self) -> u32 {
        self.0
    }
}

#[allow(dead_code)]
#[preempt_macros::main(crate = stand_in)]
async fn endless() -> ! {
    loop {
        ready(()).await;
    }
}

#[preempt_macros::main(crate = stand_in)]
async fn opaque() -> impl Termination {
    ExitCode::SUCCESS
}

#[preempt_macros::main(crate = stand_in)]
async fn main() -> ExitCode {
    let multi_thread = ["multi_thread", "enable_all"];
    assert_eq!(calls(), multi_thread);
    assert_eq!(fallible("7").unwrap(), 7);
    assert!(fallible("x").is_err() && fallible("10").is_err());
    calls();

    with_workers();
    assert_eq!(calls(), ["multi_thread", "worker_threads 4", "enable_all"]);
    assert_eq!(on_this_thread::<u32>(), 0);
    assert_eq!(calls(), ["current_thread", "enable_all"]);
    assert_eq!(Service(3).run(), 3);
    opaque();
    ExitCode::SUCCESS
}
