//! Detaches hogs by signals, at arbitrary instructions, for as long as you like, and checks results.
//!
//! ```text
//! cargo run --release -p preempt-fiber --example fiber_torture -- --seconds 60 --backend user \
//!     --interval-us 100 --machines 2 --max-detached 64
//! ```

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[path = "../tests/torture/scheduler.rs"]
mod scheduler;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[path = "../tests/single_step/subjects.rs"]
mod subjects;
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[path = "../tests/common/text.rs"]
mod text;

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn main() {
    use preempt_fiber::Backend;
    use std::time::Duration;

    let options = scheduler::Options {
        backend: match text_argument("--backend").as_deref() {
            None | Some("user") => Backend::User,
            Some("kernel") => Backend::Kernel,
            Some(other) => panic!("no backend {other:?}"),
        },
        machines: argument("--machines", 2) as usize,
        duration: Duration::from_secs(argument("--seconds", 10)),
        interval: Duration::from_micros(argument("--interval-us", 100)),
        max_detached: argument("--max-detached", 64) as usize,
    };
    std::panic::set_hook(Box::new(|_| ()));
    let outcome = scheduler::run(&options);
    println!("{}: {outcome}", options.backend);
    std::process::exit(i32::from(outcome.wrong != 0 || outcome.leaked != 0));
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
fn main() {
    println!("no calls can be injected on this platform");
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn argument(name: &str, default: u64) -> u64 {
    text_argument(name).map_or(default, |value| value.parse().expect("a number"))
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn text_argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}
