//! Where sync code checks, counted: a hook stands in for the runtime, and keeps the request up so
//! that every check calls it.
//!
//! Loops are long and counts are bounds: a loop may check once per strip of iterations.

use preempt::preemptible;
use preempt_checkpoint::runtime;
use std::cell::Cell;
use std::thread;

thread_local! {
    static CHECKS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CHECKS.set(CHECKS.get() + 1);
}

/// How many checks `body` makes while a request is up.
fn checks_of<T>(body: impl FnOnce() -> T + Send + 'static) -> u64 {
    let counted = thread::spawn(|| {
        runtime::install(count);
        // SAFETY: the flag is this thread's own.
        unsafe { runtime::this_thread().request_remote() };
        body();
        CHECKS.get()
    });
    counted.join().expect("the body panicked")
}

/// Iterations of each loop, and the fewest checks that they must make.
const LONG: u64 = 1 << 20;
const SEVERAL: u64 = LONG / (1 << 16);

#[preemptible]
fn for_loop(n: u64) -> u64 {
    let mut sum = 0;
    for i in 0..n {
        sum ^= std::hint::black_box(i);
    }
    sum
}

#[test]
fn a_for_loop_checks() {
    assert!(checks_of(|| for_loop(LONG)) >= SEVERAL);
}

#[test]
fn a_while_loop_checks() {
    #[preemptible]
    fn while_loop(mut n: u64) {
        while n > 0 {
            n = std::hint::black_box(n) - 1;
        }
    }
    assert!(checks_of(|| while_loop(LONG)) >= SEVERAL);
}

#[test]
fn a_loop_checks() {
    #[preemptible]
    fn endless(mut n: u64) {
        loop {
            n -= 1;
            if n == 0 {
                break;
            }
        }
    }
    assert!(checks_of(|| endless(LONG)) >= SEVERAL);
}

#[test]
fn continue_does_not_pass_the_check_by() {
    #[preemptible]
    fn continues(n: u64) {
        let mut i = 0;
        'outer: while i < n {
            i += 1;
            for j in 0..3 {
                if std::hint::black_box(j) == i % 2 {
                    continue 'outer;
                }
            }
        }
    }
    assert!(checks_of(|| continues(LONG)) >= SEVERAL);
}

#[test]
fn recursion_checks() {
    #[preemptible]
    fn fib(n: u32) -> u64 {
        if n < 2 { 1 } else { fib(n - 1) + fib(n - 2) }
    }
    assert!(checks_of(|| fib(20)) >= 1000);
}

#[test]
fn a_function_called_in_a_plain_loop_checks() {
    #[preemptible]
    fn called(n: u64) -> u64 {
        std::hint::black_box(for_loop(0) + n)
    }
    assert!(checks_of(|| (0..LONG).map(called).sum::<u64>()) >= SEVERAL);
}

#[test]
fn closures_check_in_their_loops() {
    #[preemptible]
    fn with_closure(n: u64) -> u64 {
        let spin = |n| {
            let mut sum = 0;
            for i in 0..n {
                sum ^= std::hint::black_box(i);
            }
            sum
        };
        spin(n)
    }
    assert!(checks_of(|| with_closure(LONG)) >= SEVERAL);
}

#[test]
fn methods_of_an_annotated_impl_check() {
    struct Spinner(u64);
    #[preemptible]
    impl Spinner {
        fn spin(&self) {
            for i in 0..self.0 {
                std::hint::black_box(i);
            }
        }
    }
    assert!(checks_of(|| Spinner(LONG).spin()) >= SEVERAL);
}

#[test]
fn default_methods_of_an_annotated_trait_check() {
    #[preemptible]
    trait Spin {
        fn times(&self) -> u64;
        fn spin(&self) {
            for i in 0..self.times() {
                std::hint::black_box(i);
            }
        }
    }
    impl Spin for u64 {
        fn times(&self) -> u64 {
            *self
        }
    }
    assert!(checks_of(|| LONG.spin()) >= SEVERAL);
}

#[test]
fn nested_functions_do_not_check() {
    #[preemptible]
    fn outer(n: u64) {
        fn inner(n: u64) {
            for i in 0..n {
                std::hint::black_box(i);
            }
        }
        inner(n);
    }
    assert!(checks_of(|| outer(LONG)) <= 1);
}

#[test]
fn nothing_is_called_without_a_request() {
    let calls = thread::spawn(|| {
        runtime::install(count);
        for_loop(LONG);
        CHECKS.get()
    });
    assert_eq!(calls.join().unwrap(), 0);
}

#[test]
fn a_loop_stops_soon_after_a_request_from_another_thread() {
    thread_local! {
        static ASKED: Cell<bool> = const { Cell::new(false) };
    }
    fn note() {
        ASKED.set(true);
        runtime::clear_request();
    }
    #[preemptible]
    fn until_asked() {
        while !ASKED.get() {}
    }
    runtime::install(note);
    let flag = runtime::this_thread();
    thread::scope(|scope| {
        // SAFETY: the scope ends before the thread that owns the flag does.
        scope.spawn(move || unsafe { flag.request_remote() });
        until_asked();
    });
    runtime::uninstall();
}

#[test]
fn every_sets_the_number_of_iterations_between_checks() {
    #[preemptible(every = 1)]
    fn each(n: u64) -> u64 {
        let mut sum = 0;
        for i in 0..n {
            sum += i;
        }
        sum
    }
    #[preemptible(every = 100)]
    fn in_a_hundred(n: u64) -> u64 {
        let mut sum = 0;
        for i in 0..n {
            sum += i;
        }
        sum
    }
    #[preemptible(every = 100)]
    fn of_a_while(n: u64) -> u64 {
        let mut i = 0;
        while i < n {
            i += 1;
        }
        i
    }
    #[preemptible(every = 100)]
    fn of_a_loop(n: u64) -> u64 {
        let mut i = 0;
        loop {
            i += 1;
            if i == n {
                return i;
            }
        }
    }
    assert_eq!(checks_of(|| each(1000)), 1000);
    // After each full strip but the last, with which the loop ends.
    assert_eq!(checks_of(|| in_a_hundred(1000)), 9);
    assert_eq!(checks_of(|| in_a_hundred(1001)), 10);
    assert_eq!(checks_of(|| in_a_hundred(100)), 0);
    assert_eq!(checks_of(|| of_a_while(1000)), 9);
    assert_eq!(checks_of(|| of_a_while(1001)), 10);
    assert_eq!(checks_of(|| of_a_loop(1000)), 9);
    assert_eq!(checks_of(|| of_a_loop(1001)), 10);
}

#[test]
fn entry_and_loops_can_be_switched_off() {
    fn twice(n: u64) -> u64 {
        2 * n
    }
    #[preemptible(every = 1, entry = false)]
    fn without_entry(n: u64) -> u64 {
        let mut sum = 0;
        for i in 0..n {
            sum += twice(i);
        }
        sum
    }
    #[preemptible(loops = false)]
    fn without_loops(n: u64) -> u64 {
        let mut sum = 0;
        for i in 0..n {
            sum += twice(i);
        }
        sum
    }
    #[preemptible(entry = true)]
    fn with_entry(n: u64) -> u64 {
        n + 1
    }
    assert_eq!(checks_of(|| without_entry(1000)), 1000);
    assert_eq!(checks_of(|| without_loops(1000)), 1);
    assert_eq!(checks_of(|| with_entry(1000)), 1);
}

#[test]
fn a_skipped_loop_does_not_check() {
    #[preemptible(every = 1)]
    fn skips(n: u64) -> u64 {
        let mut sum = 0;
        #[preemptible(skip)]
        for i in 0..n {
            sum += i;
        }
        for i in 0..n {
            sum += i;
        }
        sum
    }
    assert_eq!(checks_of(|| skips(1000)), 1000);
}

/// A strip is learned to take microseconds: far more than an iteration here, and far less than the
/// whole loop.
#[test]
fn strides_are_learned_from_time() {
    #[preemptible]
    fn fast(n: u64) -> u64 {
        let mut sum = 0_u64;
        for i in 0..n {
            sum = sum.wrapping_mul(31).wrapping_add(i);
        }
        sum
    }
    #[preemptible]
    fn slow(n: u64) {
        for _ in 0..n {
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
    }
    let n = 10_000_000;
    let checks = checks_of(move || fast(n));
    assert!(checks > 100 && checks < n / 100, "{checks} checks");
    let checks = checks_of(|| slow(100));
    assert!(checks > 80, "{checks} checks in 100 slow iterations");
}
