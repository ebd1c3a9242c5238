//! The attribute macros of [preempt](https://docs.rs/preempt), which re-exports them.
//!
//! Generated code names only the facade, `::preempt`; the option `crate = path` names another
//! crate in its place, such as `preempt_checkpoint` in a library that does not want the runtime.

#![forbid(unsafe_code)]

mod entry_point;
mod error;
mod preemptible;
mod settings;

use entry_point::EntryPoint;
use proc_macro::TokenStream;

/// Puts checks into a function, so that a runtime can have it give way however long it runs.
///
/// ```
/// use preempt::preemptible;
///
/// #[preemptible]
/// fn collatz(mut n: u64) -> u32 {
///     let mut steps = 0;
///     while n != 1 {
///         n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
///         steps += 1;
///     }
///     steps
/// }
/// assert_eq!(collatz(27), 111);
/// ```
///
/// # Where checks are
///
/// * In each `for`, `while` and `loop`. Closures and async blocks in the body are part of it.
/// * At the entry of the function, if it calls others: this covers recursion. The check comes as late
///   as it can, so that `if n < 2 { n } else { f(n - 1) + f(n - 2) }` has none in its first branch.
///
/// A check is a test of a flag. While nobody waits for the processor it is not set, and nothing
/// happens. If it is set,
///
/// * sync code calls [`checkpoint`](https://docs.rs/preempt/latest/preempt/fn.checkpoint.html),
///   which suspends the poll in the middle;
/// * async code yields: at the entry of an `async fn`, and in loops that contain `.await`, as part
///   of that `.await`. Loops of async code that contain none are sync code.
///
/// `for` loops, and those of the form `while i < n`, do not check in each iteration, which would keep
/// the compiler from vectorising them: they are *strip-mined*, split into an outer loop that checks and an inner one that does not. How
/// many iterations the inner one has is chosen so that a check comes every 1 to 8 us: from the body's
/// syntax at first, from the time it took later. A loop that is over within the first strip only
/// compares its length with a constant, if it is over a range, a slice, a `Vec` or one of std's
/// adapters over these; its body is there twice then, if it is small. Apart from time and the
/// addresses of code nothing can be observed of this: items, drops, temporaries, jumps and panics
/// come as in the plain loop.
///
/// ```
/// # use preempt::preemptible;
/// # async fn receive() -> Option<u32> { None }
/// #[preemptible]
/// async fn sum() -> u32 {
///     let mut sum = 0;
///     while let Some(value) = receive().await {
///         sum += value;
///     }
///     sum
/// }
/// # assert_eq!(futures::executor::block_on(sum()), 0);
/// ```
///
/// Loops get no `.await` that you did not write, so a future that is `Send` stays `Send`, and a
/// task cannot be cancelled where it could not be before. The entry of an `async fn` that awaits
/// gets one, ahead of your code.
///
/// # Where it can be written
///
/// On functions and methods, async or not, in an `impl` block or trait; and on a whole `impl`
/// block, trait or inline module, where it means every function inside except `const fn`, naked
/// functions and those with a `#[preemptible]` of their own.
///
/// ```
/// # use preempt::preemptible;
/// # struct Grid { rows: Vec<Vec<f64>> }
/// #[preemptible]
/// impl Grid {
///     const fn empty() -> Self {
///         Grid { rows: Vec::new() }
///     }
///
///     fn sum(&self) -> f64 {
///         let mut sum = 0.0;
///         for row in &self.rows {
///             for cell in row {
///                 sum += cell;
///             }
///         }
///         sum
///     }
/// }
/// # assert_eq!(Grid::empty().sum(), 0.0);
/// ```
///
/// # What gets no checks
///
/// * `const fn` and const contexts: constant evaluation has no thread whose flag could be read. On
///   a `const fn` the attribute is an error.
/// * Functions and other items that are nested in the body. Annotate them too.
/// * Macro arguments: a loop inside `println!(..)` or `select! { .. }` is tokens, not code yet.
/// * Iterator chains such as `iter.map(f).sum()`: the loop is in the standard library. If `f` is
///   an annotated function, its entry is a check.
///
/// * A loop, block, closure, `let` or function with `#[preemptible(skip)]`, inside of what is
///   annotated:
///
/// ```
/// # use preempt::preemptible;
/// #[preemptible]
/// fn parity(values: &[u32]) -> u32 {
///     let mut parity = 0;
///     for value in values {
///         let mut bits = *value;
///         #[preemptible(skip)]
///         while bits != 0 {
///             parity ^= bits & 1;
///             bits >>= 1;
///         }
///     }
///     parity
/// }
/// # assert_eq!(parity(&[7, 1, 3]), 0);
/// ```
///
/// # Ending code that was cancelled
///
/// A task that is aborted, or whose time is over, ends when its poll returns. With `cancel` it also ends
/// at its next check in sync code:
///
/// ```
/// use preempt::preemptible;
/// use preempt::time::{Duration, timeout};
///
/// #[preemptible(cancel)]
/// fn smallest_factor(n: u64) -> u64 {
///     let mut factor = 2;
///     while n % factor != 0 {
///         factor += 1;
///     }
///     factor
/// }
///
/// #[preempt::main(worker_threads = 1)]
/// async fn main() {
///     // The largest prime number below 2^64.
///     let work = async { smallest_factor(18_446_744_073_709_551_557) };
///     let limit = Duration::from_millis(5);
///     // In a task: the body of `main` itself is not ended.
///     let task = preempt::spawn(async move { timeout(limit, work).await });
///     assert!(task.await.unwrap().is_err());
///
///     let task = preempt::spawn(async { smallest_factor(18_446_744_073_709_551_557) });
///     task.abort();
///     assert!(task.await.unwrap_err().is_cancelled());
/// }
/// ```
///
/// The check asks whether the running poll was *cancelled*: its task was aborted (`JoinHandle::abort`, an
/// `AbortHandle`, dropping a `JoinSet`), its runtime shuts down, or a `timeout` around the code is over, of
/// several the outermost. If so it unwinds from there as a panic does, but quietly: no message, and the
/// panic hook is not called. The unwinding ends where the task is polled, whose handle then says
/// `JoinError::is_cancelled`, or at the `timeout`, which answers `Elapsed`. While nobody cancels, such a
/// check costs what any other costs.
///
/// It is for each function to say, because it must be fit for being left in the middle:
///
/// * Destructors run, and nothing else: what a function does to shared data between two checks must be
///   whole. A `std::sync::Mutex` that is held is poisoned, as by a panic.
/// * Functions between, callers without `cancel` and closures, are unwound through as by any panic. One
///   that catches panics catches this one; if its code goes on, it ends at the next check.
/// * A destructor that runs such a function may be left in the middle, except during unwinding.
///
/// Nothing is unwound while the thread panics already, in
/// [`no_preempt`](https://docs.rs/preempt/latest/preempt/fn.no_preempt.html) sections and tasks with
/// `Preemption::Never`, while the future or the output of a task is dropped, and where panics abort the
/// process. On `extern` functions that must not unwind, such as `extern "C"`, the option is an error; in an
/// annotated `impl` block, trait or module they get checks that do not. Async code needs no such
/// option at its awaits: it yields there when its task is aborted, and is dropped.
///
/// An abort is seen at the next check. A timeout is seen within some milliseconds after it is over: the
/// monitor looks after those of polls that go on. On the threads of `spawn_blocking`, and in the future of
/// `block_on` on a multi-thread runtime, and so in the body of `main`, nothing is cancelled: spawn a task. A task of a `LocalSet` that another thread
/// aborts during its poll sees that when the runtime next asks the poll to give way.
///
/// Code that would rather return an error asks
/// [`task::is_cancelled`](https://docs.rs/preempt/latest/preempt/task/fn.is_cancelled.html).
///
/// # Options
///
/// * `cancel`: checks in sync code end polls that were cancelled, see above. `cancel = false` on a
///   function in an annotated module takes it back.
/// * `every = N`, from 1 to 1048576: each loop checks after N iterations, however long they take, and
///   whatever kind of loop it is.
/// * `loops = false`: no checks in loops, except that awaits in them still yield.
/// * `entry = true` or `false`: functions check at their entry, or do not, whether they call or not.
/// * `crate = path`: generated code calls into `path` instead of `::preempt`. A library that wants
///   checks and no runtime depends on `preempt-checkpoint` and writes
///   `#[preemptible(crate = preempt_checkpoint)]`.
///
/// # What is different
///
/// * Some messages of the compiler about a loop are less good: what is not an iterator is reported
///   more than once, and `for x in option` without the compiler's advice.
/// * The argument of a macro that is a `$e:expr` or a `$t:ty` is put into parentheses.
#[proc_macro_attribute]
pub fn preemptible(args: TokenStream, item: TokenStream) -> TokenStream {
    preemptible::expand(args.into(), item.into()).into()
}

/// Runs an `async fn main` on a runtime of its own.
///
/// ```ignore
/// #[preempt::main]
/// async fn main() {
///     println!("hello");
/// }
/// ```
///
/// stands for
///
/// ```ignore
/// fn main() {
///     preempt::runtime::Builder::new_multi_thread()
///         .enable_all()
///         .build()
///         .expect("the runtime could not be built")
///         .block_on(async { println!("hello") })
/// }
/// ```
///
/// On a function that is not `main` it works alike, and arguments are allowed.
///
/// # Options
///
/// * `flavor = "multi_thread"` (the default): a pool of worker threads; `"current_thread"`: none.
/// * `worker_threads = N`: how many workers, instead of one per CPU.
/// * `start_paused = true`: the clock is stopped from the start (`flavor = "current_thread"` only).
/// * `crate = path`: where to find the runtime, if not in `::preempt`.
///
/// # Panics
///
/// The function panics if the system refuses a thread or another resource that the runtime needs.
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry_point::expand(EntryPoint::Main, args.into(), item.into()).into()
}

/// Makes an `async fn` a test that runs on a runtime of its own.
///
/// ```ignore
/// #[preempt::test]
/// async fn adds_up() {
///     assert_eq!(1 + 1, 2);
/// }
/// ```
///
/// Takes the options of [`macro@main`]; the default flavor is `"current_thread"`, so
/// `worker_threads` needs `flavor = "multi_thread"` beside it.
///
/// # Tests that follow from a seed
///
/// * `seed = 7`: the test runs on the runtime of `Builder::new_seeded(7)`, in which one thing runs at a
///   time, in an order that follows from the seed, by a stopped clock.
/// * `seeds = 200`: it runs 200 times, each time on a fresh runtime, with the seeds 0 to 199, until it
///   fails.
///
/// A test that fails prints `seed 17 failed: replay with PREEMPT_SEED=17`. Environment variables:
/// `PREEMPT_SEED=17` has all such tests run with that seed only, `PREEMPT_SEEDS=5000` has those with
/// `seeds` run with as many, and `PREEMPT_SEED_TRACE=1` shows on standard error what is drawn. These
/// options go with `crate` only.
///
/// ```ignore
/// #[preempt::test(seeds = 200)]
/// async fn nothing_is_lost() {
///     let total = Arc::new(AtomicU32::new(0));
///     let tasks = [(); 2].map(|()| preempt::spawn(add_one(total.clone())));
///     for task in tasks {
///         task.await.unwrap();
///     }
///     assert_eq!(total.load(SeqCst), 2);
/// }
/// ```
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry_point::expand(EntryPoint::Test, args.into(), item.into()).into()
}
