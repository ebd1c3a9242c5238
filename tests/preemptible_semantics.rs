//! An annotated function does what the plain function does.
//!
//! Method: [`both!`] compiles one text twice, with and without the attribute, and compares what
//! the two return and what they log: order of drops, of conditions and of iterations.

#![allow(
    clippy::never_loop,
    clippy::redundant_closure_call,
    reason = "loops stand where expressions can, to test the syntax"
)]

use preempt::preemptible;
use std::cell::RefCell;

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn log(entry: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(entry.into()));
}

/// Logs its drop.
struct Noisy(&'static str);

impl Drop for Noisy {
    fn drop(&mut self) {
        log(format!("drop {}", self.0));
    }
}

impl Noisy {
    fn values(&self) -> Vec<u32> {
        vec![1, 2, 3]
    }
}

/// Defines `fn f` plain and annotated, and a test that both give the same for each argument.
macro_rules! both {
    ($(#[$attr:meta])* $test:ident: fn f($arg:ident: u32) -> $output:ty $body:block) => {
        #[test]
        $(#[$attr])*
        fn $test() {
            fn plain($arg: u32) -> $output $body
            #[preemptible]
            fn annotated($arg: u32) -> $output $body
            for n in 0..12 {
                let expected = (plain(n), LOG.take());
                assert_eq!((annotated(n), LOG.take()), expected, "argument {n}");
            }
        }
    };
}

both! { sums: fn f(n: u32) -> u32 {
    let mut sum = 0;
    for i in 0..n { sum += i; }
    for i in (0..=n).rev().step_by(2) { sum += i; }
    for (i, x) in [1, 2, 3].iter().enumerate() { sum += x * i as u32; }
    sum
} }

both! { labelled_break_and_continue: fn f(n: u32) -> Vec<(u32, u32)> {
    let mut seen = Vec::new();
    'outer: for i in 0..n {
        'inner: for j in 0.. {
            if j == 5 { continue 'outer; }
            if i * j == 12 { break 'outer; }
            if (i + j) % 3 == 0 { continue 'inner; }
            if j > i { break; }
            seen.push((i, j));
        }
        seen.push((i, 99));
    }
    seen
} }

both! { break_with_value: fn f(n: u32) -> (u32, &'static str) {
    let mut i = 0;
    let found = loop {
        i += 1;
        if i * i >= n { break i; }
    };
    let word = 'search: {
        while i > 0 {
            if i == 2 { break 'search "two"; }
            i -= 1;
        }
        "none"
    };
    (found, word)
} }

both! { question_mark_and_early_return: fn f(n: u32) -> Result<u32, std::num::ParseIntError> {
    let mut sum = 0;
    for text in ["1", "2", "3", "x", "5"].iter().take(n as usize) {
        let _guard = Noisy("guard");
        if sum > 100 { return Ok(sum); }
        sum += text.parse::<u32>()?;
    }
    Ok(sum)
} }

both! { let_else_and_while_let: fn f(n: u32) -> u32 {
    let mut stack: Vec<u32> = (0..n).collect();
    let mut sum = 0;
    while let Some(top) = stack.pop() {
        let 2.. = top else { continue };
        sum += top;
    }
    sum
} }

both! { let_chains: fn f(n: u32) -> u32 {
    let mut values = (0..n).peekable();
    let mut sum = 0;
    while let Some(x) = values.next() && let Some(y) = values.peek() && x + y < 15 {
        sum += x * y;
    }
    sum
} }

both! { drop_order: fn f(n: u32) -> u32 {
    let _outer = Noisy("outer");
    let mut i = 0;
    for value in Noisy("temporary").values() {
        let _a = Noisy("a");
        let _b = Noisy("b");
        if value == n { break; }
        i += value;
    }
    while let (_guard, true) = (Noisy("condition"), i < 9) {
        let _c = Noisy("c");
        i += 1;
    }
    i
} }

both! { temporaries_of_a_scrutinee_live_through_the_body: fn f(n: u32) -> u32 {
    let cell = RefCell::new((0..n).collect::<Vec<_>>());
    let mut sum = 0;
    while let Some(x) = cell.borrow_mut().pop() {
        log(format!("locked {}", cell.try_borrow().is_err()));
        sum += x;
    }
    sum
} }

both! { match_guards: fn f(n: u32) -> u32 {
    match n {
        x if { let mut y = x; while y > 3 { y -= 3; } y == 2 } => 1,
        x if (loop { break x; }) > 7 => 2,
        _ => 3,
    }
} }

both! { loops_as_expressions: fn f(n: u32) -> u32 {
    let a = 1 + loop { break n; } * 2;
    let b = [loop { break a; }, if n > 3 { loop { break 1; } } else { 2 }];
    let c = (|| loop { break b[0] + b[1]; })();
    c + match loop { break c; } { 0 => 1, x => x }
} }

both! { closures: fn f(n: u32) -> u32 {
    let mut total = 0;
    let mut add = |limit: u32| {
        for i in 0..limit { if i == 7 { return; } total += i; }
    };
    add(n);
    add(3);
    (0..n).map(|i| { let mut j = i; while j > 4 { j /= 2; } j }).sum::<u32>() + total
} }

both! { nested_functions: fn f(n: u32) -> u32 {
    fn double(n: u32) -> u32 {
        let mut out = 0;
        for _ in 0..n { out += 2; }
        out
    }
    double(n)
} }

both! { mutation_of_the_iterated: fn f(n: u32) -> Vec<u32> {
    let mut values = vec![n; 4];
    for (i, value) in values.iter_mut().enumerate() { *value += i as u32; }
    for chunk in values.chunks_mut(2) { chunk.swap(0, 1); }
    values
} }

both! { assignment_before_break: fn f(n: u32) -> u32 {
    let answer;
    let mut i = 0;
    loop {
        if i >= n { answer = i; break; }
        i += 3;
    }
    answer
} }

both! { size_hints_and_laziness: fn f(n: u32) -> Vec<u32> {
    let mut out = Vec::new();
    for x in (0..).inspect(|x| log(format!("next {x}"))).take_while(|x| *x < n) {
        if x == 8 { break; }
        out.push(x);
    }
    out
} }

#[test]
fn recursion() {
    #[preemptible]
    fn fib(n: u64) -> u64 {
        if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
    }
    assert_eq!(fib(20), 6765);
}

#[test]
fn a_panic_unwinds_through_the_loop() {
    #[preemptible]
    fn panics(n: u32) {
        let _outer = Noisy("outer");
        for i in 0..n {
            let _inner = Noisy("inner");
            assert!(i < 2, "on purpose");
        }
    }
    assert!(std::panic::catch_unwind(|| panics(5)).is_err());
    assert_eq!(LOG.take(), ["drop inner", "drop inner", "drop inner", "drop outer"]);
}

#[test]
fn constants_are_evaluated_at_compile_time() {
    #[preemptible]
    fn table() -> [u32; const {
        let mut n = 0;
        while n < 4 {
            n += 1;
        }
        n
    }] {
        const SUM: u32 = {
            let mut i = 0;
            loop {
                i += 1;
                if i == 5 {
                    break i;
                }
            }
        };
        let inline = const {
            let mut i = 0;
            while i < 3 {
                i += 1;
            }
            i
        };
        [
            SUM,
            inline,
            0,
            [0; {
                let mut n = 0;
                while n < 7 {
                    n += 1;
                }
                n
            }]
                .len() as u32,
        ]
    }
    assert_eq!(table(), [5, 3, 0, 7]);
}
