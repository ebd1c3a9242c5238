//! Goal: a library has checks without a runtime, and without `std`.
//! Method: cargo says what the library depends on; a program without `std` is built on it; and a
//! hook stands in for the runtime.

use preempt_checkpoint::runtime;
use preempt_example_library::{Sieve, Source, digest, fnv1a};
use std::future::ready;
use std::path::Path;
use std::pin::pin;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::{env, fs};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

struct Pieces(u32);

impl Source for Pieces {
    fn next(&mut self) -> impl Future<Output = Option<&[u8]>> {
        self.0 = self.0.saturating_sub(1);
        ready((self.0 > 0).then_some(&b"foobar"[..]))
    }
}

/// The output, and how often the future gave way before.
fn poll_to_the_end<F: Future>(future: F) -> (F::Output, u32) {
    let mut future = pin!(future);
    let mut pending = 0;
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return (output, pending),
            Poll::Pending => pending += 1,
        }
    }
}

#[test]
fn it_does_its_work() {
    assert_eq!(fnv1a(0xcbf2_9ce4_8422_2325, b"foobar"), 0x8594_4171_f739_67e8);
    assert_eq!(poll_to_the_end(digest(&mut Pieces(2))).0, 0x8594_4171_f739_67e8);
    let primes: Vec<_> = Sieve::<30>::new().primes().collect();
    assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
}

/// The checks of sync code call the hook, and async code yields in its awaits. Other tests may call
/// the hook as well: without the feature `std` the flag is everybody's.
#[test]
fn it_gives_way_when_it_is_asked_to() {
    static CHECKS: AtomicU64 = AtomicU64::new(0);
    fn count() {
        CHECKS.fetch_add(1, Relaxed);
    }
    runtime::install(count);
    // SAFETY: the flag is this thread's own.
    unsafe { runtime::this_thread().request_remote() };
    let _ = std::hint::black_box(fnv1a(0, &[0; 1 << 20]));
    let after_sync = CHECKS.load(Relaxed);
    let (_, yields) = poll_to_the_end(digest(&mut Pieces(100)));
    runtime::uninstall();
    assert!(after_sync > 10, "{after_sync} checks");
    assert!(yields >= 99, "{yields} yields");
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The macros' own dependencies are the compiler's business: nothing of them is in the program.
#[test]
fn it_depends_on_the_checkpoint_alone() {
    let output = cargo()
        .args(["tree", "--offline", "--package", "preempt-example-library"])
        .args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{lib} [{f}]"])
        .current_dir(HERE)
        .output()
        .unwrap();
    let (tree, errors) = text(&output);
    assert!(output.status.success(), "{errors}");
    let tree: Vec<_> = tree.lines().collect();
    assert_eq!(tree, ["preempt_example_library []", "preempt_checkpoint []"]);
}

/// A program that brings its own panic handler: with `std` there would be two.
#[test]
fn a_program_without_std_builds() {
    let output = check_a_program_without_std("no_std", "");
    assert!(output.status.success(), "{}", text(&output).1);

    let output = check_a_program_without_std("with_std", "features = [\"std\"]");
    let errors = text(&output).1;
    assert!(!output.status.success() && errors.contains("panic_impl"), "{errors}");
}

fn check_a_program_without_std(name: &str, features: &str) -> Output {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&package).unwrap();
    let workspace = Path::new(HERE).join("../..");
    fs::copy(workspace.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let checkpoint = workspace.join("checkpoint");
    let manifest = format!(
        "[package]\nname = \"program\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [[bin]]\nname = \"program\"\npath = \"main.rs\"\ntest = false\n\n\
         [profile.dev]\npanic = \"abort\"\n\n\
         [dependencies]\npreempt-example-library.path = {HERE:?}\n\
         [dependencies.preempt-checkpoint]\npath = {checkpoint:?}\n{features}\n"
    );
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::write(package.join("main.rs"), PROGRAM).unwrap();
    cargo()
        .args(["check", "--offline", "--quiet", "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("target"))
        .current_dir(&package)
        .output()
        .unwrap()
}

const PROGRAM: &str = "\
#![no_std]
#![no_main]

use preempt_checkpoint as _;

#[unsafe(no_mangle)]
extern \"C\" fn hash(n: u8) -> u64 {
    preempt_example_library::fnv1a(0, &[n])
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
";
