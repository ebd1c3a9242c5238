//! `#[preempt::main]` on functions of all kinds, with a stand-in that notes what it was told: which
//! runtime each option asks for.

mod stand_in;

use std::future::ready;
use std::process::{ExitCode, Termination};

fn calls() -> Vec<String> {
    stand_in::runtime::CALLS.take()
}

#[test]
fn the_default_has_a_pool_of_workers() {
    #[preempt::main(crate = stand_in)]
    async fn main() -> ExitCode {
        ExitCode::SUCCESS
    }
    assert_eq!(main(), ExitCode::SUCCESS);
    assert_eq!(calls(), ["multi_thread", "enable_all"]);
}

#[test]
fn options_are_passed_on() {
    #[preempt::main(flavor = "multi_thread", worker_threads = 4, crate = stand_in)]
    async fn with_workers() {}

    with_workers();
    assert_eq!(calls(), ["multi_thread", "worker_threads 4", "enable_all"]);
}

#[test]
fn a_generic_function_on_this_thread() {
    #[preempt::main(flavor = "current_thread", crate = "stand_in")]
    async fn on_this_thread<T: Default>() -> T {
        T::default()
    }

    assert_eq!(on_this_thread::<u32>(), 0);
    assert_eq!(calls(), ["current_thread", "enable_all"]);
}

/// Its `?` needs to know the error type.
#[test]
fn a_fallible_function_with_an_argument() {
    #[preempt::main(crate = stand_in)]
    async fn fallible(text: &str) -> Result<u32, Box<dyn std::error::Error>> {
        let n: u32 = text.parse()?;
        if n > 9 {
            return Err("too large".into());
        }
        Ok(ready(n).await)
    }

    assert_eq!(fallible("7").unwrap(), 7);
    assert!(fallible("x").is_err());
    assert!(fallible("10").is_err());
}

#[test]
fn a_method() {
    struct Service(u32);

    impl Service {
        #[preempt::main(crate = crate::stand_in)]
        async fn run(&self) -> u32 {
            self.0
        }
    }

    assert_eq!(Service(3).run(), 3);
}

#[test]
fn outputs_that_cannot_be_named() {
    #[preempt::main(crate = stand_in)]
    async fn endless() -> ! {
        loop {
            ready(()).await;
        }
    }

    #[preempt::main(crate = stand_in)]
    async fn opaque() -> impl Termination {
        ExitCode::SUCCESS
    }

    let _: fn() -> ! = endless;
    assert_eq!(opaque().report(), ExitCode::SUCCESS);
}
