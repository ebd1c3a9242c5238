//! What the attribute can be on: every kind of function, and every item that has functions in it.

use crate::support::{Noisy, block_on, log};
use preempt::preemptible;
use std::fmt::{Debug, Display};
use std::ops::{AddAssign, Index};
use std::panic::Location;

items! {
    mod generics {
        #[preemptible]
        fn generic<T: Clone, const N: usize>(values: &[T; N], times: u32) -> Vec<T>
        where
            T: PartialEq,
        {
            let mut out = Vec::new();
            for _ in 0..times {
                for value in values {
                    out.push(value.clone());
                }
            }
            out
        }

        pub(super) fn run(n: u32) -> (Vec<u32>, Vec<String>) {
            (generic(&[n, 2], n), generic(&["a".to_owned()], n % 3))
        }
    }

    mod impl_trait {
        #[preemptible]
        fn opaque<'a>(values: impl IntoIterator<Item = &'a u32>) -> impl Iterator<Item = u32> + 'a {
            let mut out = Vec::new();
            for value in values {
                out.push(*value);
            }
            out.into_iter()
        }

        #[preemptible]
        fn named(x: impl Display + Copy, n: u32) -> impl Display {
            let mut text = String::new();
            while text.len() < n as usize {
                text += &x.to_string();
            }
            text
        }

        #[preemptible]
        fn closure(n: u32) -> impl Fn(u32) -> u32 {
            move |mut x| {
                for i in 0..n {
                    x = x.wrapping_mul(31) ^ i;
                }
                x
            }
        }

        pub(super) fn run(n: u32) -> (u32, String, u32) {
            let values: Vec<u32> = (0..n).collect();
            (opaque(&values).sum(), named(n, n).to_string(), closure(n)(3))
        }
    }

    mod lifetimes {
        #[preemptible]
        fn longest<'a, 'b: 'a>(a: &'a [u32], b: &'b [u32]) -> &'a [u32] {
            for x in b {
                if *x as usize > a.len() {
                    return b;
                }
            }
            a
        }

        #[preemptible]
        fn elided(values: &mut [u32]) -> Option<&mut u32> {
            for value in values.iter_mut() {
                if *value == 7 {
                    return Some(value);
                }
            }
            None
        }

        pub(super) fn run(n: u32) -> (Vec<u32>, Option<u32>) {
            let mut values: Vec<u32> = (0..n).collect();
            let longest = longest(&values, &[n, 3]).to_vec();
            (longest, elided(&mut values).map(|x| { *x += 1; *x }))
        }
    }

    mod trait_objects {
        #[preemptible]
        fn total(iter: &mut dyn Iterator<Item = u32>, f: &dyn Fn(u32) -> u32) -> u32 {
            let mut sum = 0;
            for x in iter {
                sum += f(x);
            }
            sum
        }

        #[preemptible]
        fn boxed(n: u32) -> Box<dyn FnMut() -> Option<u32>> {
            let mut left = n;
            Box::new(move || {
                while left % 7 != 0 {
                    left -= 1;
                }
                left = left.checked_sub(1)?;
                Some(left)
            })
        }

        pub(super) fn run(n: u32) -> (u32, Vec<u32>) {
            (total(&mut (0..n), &|x| x / 2), std::iter::from_fn(boxed(n)).collect())
        }
    }

    mod higher_ranked {
        #[preemptible]
        fn apply<F>(f: F, n: u32) -> usize
        where
            F: for<'a> Fn(&'a str) -> &'a str,
        {
            let text = "x".repeat(n as usize);
            let mut rest = &*text;
            let mut steps = 0;
            while !rest.is_empty() {
                rest = f(rest);
                steps += 1;
            }
            steps
        }

        pub(super) fn run(n: u32) -> usize {
            apply(|text| &text[1..], n) + apply(|text| &text[text.len()..], n)
        }
    }

    mod unsafe_and_extern {
        #[preemptible]
        unsafe fn sum(first: *const u32, n: usize) -> u32 {
            let mut sum = 0;
            for i in 0..n {
                // SAFETY: the caller says that there are `n`.
                sum += unsafe { *first.add(i) };
            }
            sum
        }

        #[preemptible]
        extern "C" fn called_from_c(n: u32) -> u32 {
            let mut out = 0;
            while out * out < n { out += 1 }
            out
        }

        pub(super) fn run(n: u32) -> (u32, u32) {
            let values: Vec<u32> = (0..n).collect();
            let c: extern "C" fn(u32) -> u32 = called_from_c;
            // SAFETY: that is how many there are.
            (unsafe { sum(values.as_ptr(), values.len()) }, c(n))
        }
    }

    mod recursion {
        #[preemptible]
        fn fib(n: u32) -> u32 {
            if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
        }

        #[preemptible]
        fn even(n: u32) -> bool {
            n == 0 || odd(n - 1)
        }

        #[preemptible]
        fn odd(n: u32) -> bool {
            n != 0 && even(n - 1)
        }

        #[preemptible]
        fn permutations(values: &mut Vec<u32>, from: usize, out: &mut u32) {
            if from == values.len() {
                *out += values[0];
            }
            for i in from..values.len() {
                values.swap(from, i);
                permutations(values, from + 1, out);
                values.swap(from, i);
            }
        }

        pub(super) fn run(n: u32) -> (u32, bool, u32) {
            let mut out = 0;
            if n > 0 {
                permutations(&mut (0..n % 5 + 1).collect(), 0, &mut out);
            }
            (fib(n % 13), even(n), out)
        }
    }

    mod attributes_and_docs {
        /// Documented.
        #[preemptible]
        /// Here, too.
        #[inline(always)]
        #[must_use]
        #[allow(clippy::all, reason = "an attribute like any other")]
        fn documented(n: u32) -> u32 {
            //! And inside.
            #![allow(unused_variables, reason = "an inner attribute")]
            let unused = 1;
            let mut sum = 0;
            for i in 0..n {
                #![allow(unused_assignments, reason = "an inner attribute")]
                sum += i;
            }
            sum
        }

        #[preemptible]
        #[track_caller]
        fn caller(n: u32) -> u32 {
            let mut column = 0;
            for _ in 0..=n {
                column = Location::caller().column();
            }
            column
        }

        #[preemptible]
        #[cfg(any())]
        fn removed(n: Missing) {}

        #[preemptible]
        #[cfg_attr(all(), inline)]
        #[cold]
        fn kept(n: u32) -> u32 {
            n
        }

        pub(super) fn run(n: u32) -> (u32, u32, u32) {
            (documented(n), caller(n), kept(n))
        }
    }

    mod parameters {
        #[preemptible]
        fn patterns((a, _): (u32, u32), [.., b]: [u32; 3], mut c: u32, _: &str) -> u32 {
            for i in 0..a {
                c = c.wrapping_add(i ^ b);
            }
            c
        }

        struct Pair { left: u32, right: Noisy<&'static str> }

        #[preemptible]
        fn dropped(Pair { left, .. }: Pair, second: Noisy<u32>, _: Noisy<u32>) -> u32 {
            for _ in 0..2 {
                log("body");
            }
            left + second.0
        }

        pub(super) fn run(n: u32) -> (u32, u32) {
            let pair = Pair { left: n, right: Noisy("right") };
            log(pair.right.0);
            (patterns((n, 0), [0, 0, n], 1, ""), dropped(pair, Noisy(n), Noisy(1)))
        }
    }

    mod nothing_to_return {
        #[preemptible]
        fn empty() {}

        #[preemptible]
        fn only_a_loop(n: u32) {
            for i in 0..n { log(i.to_string()) }
        }

        #[preemptible]
        fn diverges(n: u32) -> ! {
            let mut i = 0;
            loop {
                if i == n {
                    std::panic::panic_any(n);
                }
                i += 1;
            }
        }

        pub(super) fn run(n: u32) -> Option<u32> {
            empty();
            only_a_loop(n);
            let panic = std::panic::catch_unwind(|| diverges(n)).unwrap_err();
            panic.downcast_ref().copied()
        }
    }

    mod options {
        #[preemptible()]
        fn without(n: u32) -> u32 { let mut x = 0; for i in 0..n { x ^= i } x }

        #[preemptible(crate = preempt)]
        fn with_path(n: u32) -> u32 { let mut x = 0; for i in 0..n { x ^= i } x }

        #[preemptible(crate = ::preempt,)]
        fn with_absolute_path(n: u32) -> u32 { let mut x = 0; for i in 0..n { x ^= i } x }

        #[preemptible(crate = "preempt")]
        fn with_string(n: u32) -> u32 { let mut x = 0; for i in 0..n { x ^= i } x }

        #[preemptible(crate = preempt_checkpoint)]
        fn without_runtime(n: u32) -> u32 { let mut x = 0; for i in 0..n { x ^= i } x }

        #[preemptible(crate = preempt_checkpoint)]
        async fn async_without_runtime(n: u32) -> u32 {
            let mut x = 0;
            for i in 0..n {
                x ^= std::future::ready(i).await;
            }
            x
        }

        pub(super) fn run(n: u32) -> [u32; 6] {
            [
                without(n), with_path(n), with_absolute_path(n), with_string(n),
                without_runtime(n), block_on(async_without_runtime(n)),
            ]
        }
    }

    mod impl_blocks {
        struct Stack<T, const N: usize> { items: Vec<T> }

        #[preemptible]
        impl<T: Clone + Debug, const N: usize> Stack<T, N>
        where
            T: PartialEq,
        {
            const LIMIT: usize = Self::limit();

            const fn limit() -> usize {
                let mut n = 0;
                while n < N {
                    n += 1;
                }
                n
            }

            fn new() -> Self {
                Self { items: Vec::new() }
            }

            fn fill(&mut self, with: &T) -> &mut Self {
                while self.items.len() < Self::LIMIT {
                    self.items.push(with.clone());
                }
                self
            }

            fn count(&self, of: &T) -> usize {
                let mut count = 0;
                for item in &self.items {
                    count += usize::from(item == of);
                }
                count
            }

            fn boxed(self: Box<Self>) -> usize {
                let mut n = 0;
                for _ in self.items { n += 1 }
                n
            }

            async fn asynchronous(&self) -> usize {
                let mut n = 0;
                for _ in &self.items { n += std::future::ready(1).await }
                n
            }

            unsafe fn at(&self, i: usize) -> &T {
                // SAFETY: the caller's.
                unsafe { self.items.get_unchecked(i) }
            }

            fn into_items(mut self) -> Vec<T> {
                for item in &mut self.items { log(format!("{item:?}")) }
                self.items
            }
        }

        pub(super) fn run(n: u32) -> (usize, usize, usize, u32, Vec<u32>) {
            let mut stack = Stack::<u32, 70>::new();
            stack.fill(&n);
            stack.items.push(3);
            let counts = (stack.count(&n), block_on(stack.asynchronous()));
            // SAFETY: there are 71.
            let at = unsafe { *stack.at(70) };
            let boxed = Box::new(Stack::<u32, 70> { items: vec![1; n as usize] }).boxed();
            (counts.0, counts.1, boxed, at, stack.into_items())
        }
    }

    mod trait_impls {
        struct Countdown(u32);

        #[preemptible]
        impl Iterator for Countdown {
            type Item = u32;

            fn next(&mut self) -> Option<u32> {
                while self.0 % 3 == 1 {
                    self.0 -= 1;
                }
                self.0 = self.0.checked_sub(1)?;
                Some(self.0)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (0, Some(self.0 as usize))
            }
        }

        #[preemptible]
        impl AddAssign<u32> for Countdown {
            fn add_assign(&mut self, n: u32) {
                for _ in 0..n {
                    self.0 += 1;
                }
            }
        }

        #[preemptible]
        impl Index<usize> for Countdown {
            type Output = str;

            fn index(&self, i: usize) -> &str {
                for word in ["zero", "one", "two"].into_iter().skip(i) {
                    return word;
                }
                "many"
            }
        }

        #[preemptible]
        impl Drop for Countdown {
            fn drop(&mut self) {
                for i in 0..2 {
                    log(format!("{} {i}", self.0));
                }
            }
        }

        pub(super) fn run(n: u32) -> (Vec<u32>, String) {
            let mut countdown = Countdown(n);
            countdown += 5;
            (countdown.by_ref().collect(), countdown[n as usize % 4].to_owned())
        }
    }

    mod traits {
        #[preemptible]
        trait Shape {
            const SIDES: u32;
            fn side(&self) -> u32;

            fn length(&self) -> u32 {
                let mut length = 0;
                for _ in 0..Self::SIDES {
                    length += self.side();
                }
                length
            }

            fn sides() -> Vec<u32> where Self: Sized {
                let mut sides = Vec::new();
                let mut i = 0;
                while i < Self::SIDES { sides.push(i); i += 1; }
                sides
            }

            fn opaque(&self) -> impl Iterator<Item = u32> {
                let mut out = vec![];
                for i in 0..self.side() { out.push(i) }
                out.into_iter()
            }

            #[allow(async_fn_in_trait, reason = "nobody else implements it")]
            async fn asynchronous(&self) -> u32 {
                let mut n = 0;
                loop {
                    n += std::future::ready(1).await;
                    if n >= self.side() { break n }
                }
            }
        }

        struct Square(u32);

        impl Shape for Square {
            const SIDES: u32 = 4;
            fn side(&self) -> u32 { self.0 }
        }

        pub(super) fn run(n: u32) -> (u32, Vec<u32>, u32, u32) {
            let square = Square(n);
            (square.length(), Square::sides(), square.opaque().sum(), block_on(square.asynchronous()))
        }
    }

    mod modules {
        #[preemptible]
        mod outer {
            //! Documented.
            pub(super) const fn constant(n: u32) -> u32 {
                let mut i = 0;
                while i < n { i += 1; }
                i
            }

            pub(super) const TABLE: [u32; constant(3) as usize] = [constant(1); 3];

            pub(super) fn function(n: u32) -> u32 {
                let mut i = 0;
                loop {
                    if i >= n { break i; }
                    i += 2;
                }
            }

            pub(super) struct Inside(pub(super) u32);

            impl Inside {
                pub(super) fn method(&self) -> u32 {
                    let mut n = 0;
                    for i in (0..self.0).rev() { n ^= i }
                    n
                }
            }

            pub(super) mod inner {
                use super::function;

                pub(in super::super) async fn asynchronous(n: u32) -> u32 {
                    let mut sum = 0;
                    while sum < n { sum += std::future::ready(function(3)).await; }
                    sum
                }

                macro_rules! generated {
                    ($name:ident) => {
                        pub(in super::super) fn $name(n: u32) -> u32 { n + 1 }
                    };
                }
                generated!(from_macro);
            }
        }

        pub(super) fn run(n: u32) -> (u32, u32, u32, u32, u32) {
            use outer::*;
            let inside = Inside(n).method();
            let asynchronous = block_on(inner::asynchronous(n));
            (constant(n), TABLE[0], function(n), inside, asynchronous + inner::from_macro(n))
        }
    }
}

/// The attribute on single methods.
macro_rules! methods {
    ($module:ident $(#[$attr:meta])*) => {
        mod $module {
            use std::fmt;

            pub(super) trait Shape {
                const SIDES: u32;
                fn side(&self) -> u32;

                $(#[$attr])*
                fn length(&self) -> u32 {
                    let mut length = 0;
                    let mut n = 0;
                    while n < Self::SIDES {
                        n += 1;
                        length += self.side();
                    }
                    length
                }
            }

            #[derive(Clone)]
            pub(super) struct Polygon<const N: u32>(pub(super) u32);

            impl<const N: u32> Shape for Polygon<N> {
                const SIDES: u32 = N;

                $(#[$attr])*
                fn side(&self) -> u32 {
                    let mut side = 0;
                    for _ in 0..self.0 {
                        side += 1;
                    }
                    side
                }
            }

            impl<const N: u32> fmt::Display for Polygon<N> {
                $(#[$attr])*
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    for _ in 0..N {
                        write!(f, "-{}", self.0)?;
                    }
                    Ok(())
                }
            }

            impl<const N: u32> Polygon<N> {
                $(#[$attr])*
                pub(super) fn by_value(self) -> u32 {
                    self.0
                }

                $(#[$attr])*
                pub(super) fn by_mut(&mut self) -> &mut u32 {
                    loop {
                        self.0 += 1;
                        if self.0 % 4 == 0 {
                            return &mut self.0;
                        }
                    }
                }

                $(#[$attr])*
                pub(super) async fn in_future<'a>(&'a self, other: &'a u32) -> &'a u32 {
                    let mut i = 0;
                    loop {
                        i += std::future::ready(1).await;
                        if i > self.0 {
                            break if self.0 > *other { &self.0 } else { other };
                        }
                    }
                }
            }

            pub(super) fn run(n: u32) -> (u32, u32, String, u32, u32) {
                let mut polygon = Polygon::<5>(n);
                let reference = *crate::support::block_on(polygon.in_future(&7));
                (
                    polygon.length(),
                    reference,
                    polygon.to_string(),
                    *polygon.by_mut(),
                    polygon.clone().by_value(),
                )
            }
        }
    };
}

methods!(methods_plain);
methods!(methods_annotated #[preempt::preemptible]);

#[test]
fn methods() {
    crate::support::compare(methods_plain::run, methods_annotated::run);
}

#[preemptible]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn preempt_syntax_exported(n: u32) -> u32 {
    n + 1
}

/// Once only: a symbol cannot be there plain as well.
#[test]
fn an_exported_symbol() {
    // SAFETY: it is the function above.
    unsafe extern "C" {
        safe fn preempt_syntax_exported(n: u32) -> u32;
    }
    assert_eq!(self::preempt_syntax_exported(1), preempt_syntax_exported(1));
}
