//! Generated code is clean under lints that the user turns on: `cargo clippy` on this file is the
//! test. The functions are what users write, in the styles that these lints allow.

#![deny(warnings)]
// Those of rustc that are off by default.
#![deny(
    closure_returning_async_block,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    impl_trait_redundant_captures,
    let_underscore_drop,
    meta_variable_misuse,
    missing_docs,
    non_ascii_idents,
    redundant_lifetimes,
    single_use_lifetimes,
    tail_expr_drop_order,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_pub,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(
    clippy::absolute_paths,
    clippy::allow_attributes,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::default_numeric_fallback,
    clippy::else_if_without_else,
    clippy::expect_used,
    clippy::if_then_some_else_none,
    clippy::indexing_slicing,
    clippy::infinite_loop,
    clippy::integer_division,
    clippy::items_after_statements,
    clippy::let_underscore_must_use,
    clippy::let_underscore_untyped,
    clippy::mem_forget,
    clippy::modulo_arithmetic,
    clippy::panic,
    clippy::redundant_type_annotations,
    clippy::ref_patterns,
    clippy::semicolon_outside_block,
    clippy::shadow_reuse,
    clippy::shadow_same,
    clippy::shadow_unrelated,
    clippy::try_err,
    clippy::unreachable,
    clippy::unseparated_literal_suffix,
    clippy::unwrap_in_result,
    clippy::unwrap_used
)]
#![forbid(unsafe_code)]

use futures::executor::block_on;
use preempt::preemptible;
use std::collections::VecDeque;
use std::future::ready;
use std::iter::repeat_n;
use std::thread::park;

#[preemptible]
fn sums(values: &[u64]) -> u64 {
    const fn double(n: u64) -> u64 {
        n.wrapping_mul(2)
    }
    let mut sum = 0_u64;
    for value in values {
        sum = sum.wrapping_add(double(*value));
    }
    while sum > 100 {
        sum >>= 1_u32;
    }
    loop {
        sum = sum.wrapping_add(1);
        if sum.is_multiple_of(3) {
            break sum;
        }
    }
}

#[preemptible]
fn sources(values: &mut Vec<u64>, mut queue: VecDeque<u64>) -> u64 {
    let mut sum = 0_u64;
    for i in 0..10 {
        sum = sum.wrapping_add(i);
    }
    for i in (0..=10).rev().step_by(3) {
        sum = sum.wrapping_add(i);
    }
    for value in values.iter_mut() {
        *value = value.wrapping_add(sum);
    }
    for (left, right) in values.iter().zip(repeat_n(3, 2)) {
        sum = sum.wrapping_add(left ^ right);
    }
    for chunk in values.chunks(2) {
        sum ^= chunk.first().copied().unwrap_or(sum);
    }
    for value in values.drain(..) {
        sum ^= value;
    }
    for () in [(), ()] {
        sum ^= 1;
    }
    for character in "text".chars() {
        sum ^= u64::from(character);
    }
    while let Some(value) = queue.pop_front() {
        sum ^= value;
    }
    sum
}

#[preemptible]
fn nested(rows: &[Vec<u64>]) -> Option<u64> {
    let mut last = None;
    'rows: for (y, row) in rows.iter().enumerate() {
        for value in row {
            if *value == 0 {
                continue 'rows;
            }
            if *value > 100 {
                break 'rows;
            }
            if row.len() > y {
                return Some(*value);
            }
        }
        last = Some(row.first()?.wrapping_add(1));
    }
    last
}

#[preemptible]
fn first(values: impl Iterator<Item = u64>) -> u64 {
    for value in values {
        if value > 3 {
            return value;
        }
    }
    0
}

#[preemptible]
fn found_late(values: &[u64]) -> u64 {
    let found;
    'found: {
        for value in values {
            if *value > 3 {
                found = *value;
                break 'found;
            }
        }
        found = 0;
    };
    found
}

#[preemptible]
fn never(_: &str) -> ! {
    loop {
        park();
    }
}

#[preemptible]
fn fibonacci(n: u32) -> u64 {
    if n < 2 {
        u64::from(n)
    } else {
        fibonacci(n.wrapping_sub(1)).wrapping_add(fibonacci(n.wrapping_sub(2)))
    }
}

#[preemptible]
fn closures(n: u64) -> u64 {
    let count = |limit: u64| {
        let mut sum = 0_u64;
        for i in 0..limit {
            sum = sum.wrapping_add(i);
        }
        sum
    };
    count(n)
}

struct Total<'a> {
    values: &'a [u64],
}

#[preemptible]
impl Total<'_> {
    const NONE: Self = Self { values: &[] };

    fn total(&self) -> u64 {
        let mut sum = 0_u64;
        for value in self.values {
            sum = sum.wrapping_add(*value);
        }
        sum
    }

    fn is_zero(&self) -> bool {
        self.values.iter().all(|value| *value == 0)
    }
}

#[preemptible]
trait Repeat {
    fn times(&self) -> u64;

    fn repeat(&self) -> u64 {
        let mut sum = 0_u64;
        for i in 0..self.times() {
            sum ^= i;
        }
        sum
    }
}

impl Repeat for u64 {
    fn times(&self) -> u64 {
        *self
    }
}

#[preemptible]
async fn asynchronous(values: &[u64]) -> u64 {
    let mut sum = 0_u64;
    for value in values {
        sum = sum.wrapping_add(ready(*value).await);
    }
    while ready(sum > 100).await {
        sum >>= 1_u32;
    }
    let block = async {
        loop {
            if let Some(value) = ready(values.first()).await {
                break *value;
            }
        }
    };
    sum.wrapping_add(block.await)
}

#[preempt_macros::main(flavor = "current_thread", crate = stand_in)]
async fn on_a_runtime() -> u64 {
    ready(2).await
}

#[path = "entry_point/stand_in.rs"]
#[expect(clippy::pedantic, clippy::nursery, reason = "not the test")]
mod stand_in;

#[test]
fn lint_clean_code_runs() {
    assert_eq!(size_of_val(&never), 0);
    assert_eq!(sums(&[1, 2]), 9);
    assert_eq!(sources(&mut vec![1, 2, 3], VecDeque::from([4])), 140);
    assert_eq!(nested(&[vec![0], vec![1]]), Some(2));
    assert_eq!(first(0..9), 4);
    assert_eq!(found_late(&[1, 5]), 5);
    assert_eq!(fibonacci(10), 55);
    assert_eq!(closures(4), 6);
    assert_eq!(Total { values: &[1, 2] }.total(), 3);
    assert!(Total::NONE.is_zero());
    assert_eq!(4_u64.repeat(), 0);
    assert_eq!(block_on(asynchronous(&[1, 2])), 4);
    assert_eq!(on_a_runtime(), 2);
}
