//! Names: the user's, which may be any, against those that generated code uses.

use crate::support::{block_on, log};
use preempt::preemptible;

items! {
    mod shadowed_crates_and_modules {
        mod core {}
        mod std {}
        mod alloc {}
        mod preempt {}
        mod preempt_checkpoint {}
        mod __private {}

        #[preemptible]
        async fn asynchronous(n: u32) -> u32 {
            let mut sum = 0;
            for i in 0..n { sum += i; ::std::future::ready(()).await }
            sum
        }

        #[preemptible]
        pub(super) fn run(n: u32) -> (u32, u32) {
            mod core {}
            let mut sum = 0;
            for i in 0..n { sum += i }
            for i in &[1, 2, n] { sum ^= i }
            for i in (0..n).rev().step_by(2) { sum ^= i }
            while sum > 100 { sum /= 2 }
            (loop { if sum % 3 == 0 { break sum } sum += 1 }, block_on(asynchronous(n)))
        }
    }

    #[expect(dead_code, reason = "they are there to be in the way")]
    mod shadowed_types_and_traits {
        enum Option<T> { Some(T), None }
        use Option::{None, Some};
        enum Result { Ok, Err }
        use Result::{Err, Ok};
        struct Range;
        struct Vec;
        struct Box;
        struct String;
        struct Rev<T>(T);
        trait Iterator { fn next(&mut self) -> u32; }
        trait IntoIterator { fn into_iter(&self) -> u32; }
        trait ExactSizeIterator {}
        trait Future {}
        trait IntoFuture {}
        trait Fn {}
        trait FnMut {}
        trait FnOnce {}
        trait Drop {}
        trait Copy {}
        trait Sized {}
        trait Clone {}
        impl<T> Iterator for T { fn next(&mut self) -> u32 { panic!("of the user's") } }
        impl<T> IntoIterator for T { fn into_iter(&self) -> u32 { panic!("of the user's") } }
        fn drop(_: u32) -> u32 { panic!("of the user's") }

        #[preemptible]
        async fn asynchronous(n: u32) -> u32 {
            let mut sum = 0;
            for i in 0..n { sum += i; ::std::future::ready(()).await }
            sum
        }

        #[preemptible]
        pub(super) fn run(n: u32) -> (u32, u32) {
            let mut sum = 0;
            for i in 0..n { sum += i }
            for i in 0..=n { sum += i }
            for i in [1, 2, n] { sum ^= i }
            for i in &[1, 2, n] { sum ^= i }
            for i in ::std::iter::Iterator::rev(0..n) { sum ^= i }
            for i in ::std::vec![3, n] { sum ^= i }
            for x in ::std::option::Option::Some(n) { sum ^= x }
            while let Some(x) = if sum > 10 { Some(sum / 2) } else { None } { sum = x }
            (loop { match Ok { Ok | Err => break sum } }, block_on(asynchronous(n)))
        }
    }

    #[expect(non_upper_case_globals, dead_code, reason = "named as a macro may name its variables")]
    mod constants_named_like_variables {
        const it: u8 = 0;
        const iter: u8 = 0;
        const iterator: u8 = 0;
        const item: u8 = 0;
        const next: u8 = 0;
        const n: u8 = 0;
        const i: u8 = 0;
        const x: u8 = 0;
        const end: u8 = 0;
        const start: u8 = 0;
        const left: u8 = 0;
        const count: u8 = 0;
        const len: u8 = 0;
        const chunk: u8 = 0;
        const strip: u8 = 0;
        const stride: u8 = 0;
        const step: u8 = 0;
        const steps: u8 = 0;
        const state: u8 = 0;
        const plan: u8 = 0;
        const source: u8 = 0;
        const range: u8 = 0;
        const rest: u8 = 0;
        const slice: u8 = 0;
        const head: u8 = 0;
        const value: u8 = 0;
        const result: u8 = 0;
        const output: u8 = 0;
        const future: u8 = 0;
        const requested: u8 = 0;
        const budget: u8 = 0;
        const fuel: u8 = 0;
        const pace: u8 = 0;
        const countdown: u8 = 0;
        const guard: u8 = 0;
        const done: u8 = 0;
        const remaining: u8 = 0;
        const limit: u8 = 0;

        #[preemptible]
        async fn asynchronous(of: u32) -> u32 {
            let mut sum = 0;
            for a in 0..of { sum += a; std::future::ready(()).await }
            sum
        }

        #[preemptible]
        pub(super) fn run(of: u32) -> (u32, u32) {
            let mut sum = 0;
            for a in 0..of { sum += a }
            for a in (0..=of).rev() { sum ^= a }
            for a in &[1, 2, of] { sum ^= a }
            for a in [1, of].iter().map(|a| a + 1) { sum ^= a }
            while sum > 100 { sum /= 2 }
            (loop { if sum % 3 == 0 { break sum } sum += 1 }, block_on(asynchronous(of)))
        }
    }

    #[expect(non_camel_case_types, non_upper_case_globals, dead_code, unused_imports, reason = "as above")]
    mod items_named_like_variables {
        struct it;
        struct iter;
        struct next;
        struct chunk;
        struct strip;
        static left: u8 = 0;
        static n: u8 = 0;
        static end: u8 = 0;
        enum Names { item, stride, count, rest, value }
        use Names::{count, item, rest, stride, value};

        #[preemptible]
        pub(super) fn run(of: u32) -> u32 {
            let mut sum = 0;
            for a in 0..of { sum += a }
            for a in (0..of).rev() { sum ^= a }
            for a in &vec![1, 2, of] { sum ^= a }
            for a in [1, of].iter().map(|a| a + 1) { sum ^= a }
            while sum > 100 { sum /= 2 }
            loop { if sum % 3 == 0 { break sum } sum += 1 }
        }
    }

    #[no_implicit_prelude]
    mod without_a_prelude {
        #[preemptible]
        async fn asynchronous(n: u32) -> u32 {
            let mut sum = 0;
            for i in 0..n { sum += i; ::std::future::ready(()).await }
            while ::std::future::ready(sum).await > 100 { sum /= 2 }
            sum
        }

        #[preemptible]
        pub(super) fn run(n: u32) -> (u32, u32) {
            let mut sum = 0;
            for i in 0..n { sum += i }
            for i in 0..=n { sum += i }
            for i in [1, 2, n] { sum ^= i }
            for i in &[1, 2, n] { sum ^= i }
            for i in ::std::iter::Iterator::rev(0..n) { sum ^= i }
            for x in ::std::option::Option::Some(n) { sum ^= x }
            for i in ::std::iter::Iterator::map(0..n, |i| i + 1) { sum ^= i }
            while sum > 100 { sum /= 2 }
            (loop { if sum % 3 == 0 { break sum } sum += 1 }, block_on(asynchronous(n)))
        }
    }

    mod functions_named_like_generated_ones {
        #[expect(dead_code, reason = "they are there to be in the way")]
        mod in_the_way {
            pub(super) fn checkpoint() { panic!() }
            pub(super) fn preempt_requested() -> bool { panic!() }
            pub(super) fn yield_now() { panic!() }
            pub(super) fn give_way(_: u32) { panic!() }
            pub(super) fn into_iter(_: u32) { panic!() }
        }
        #[expect(unused_imports, reason = "they are there to be in the way")]
        use in_the_way::*;

        #[preemptible]
        async fn asynchronous(n: u32) -> u32 {
            let mut sum = 0;
            for i in 0..n { sum += i; std::future::ready(()).await }
            sum
        }

        #[preemptible]
        pub(super) fn run(n: u32) -> (u32, u32) {
            let mut sum = 0;
            for i in 0..n { sum += i }
            while sum > 100 { sum /= 2 }
            (sum, block_on(asynchronous(n)))
        }
    }
}

/// Traits in scope whose methods every type has, by value and by reference: what an expansion that
/// calls methods would call instead.
mod blanket_traits {
    use super::*;

    macro_rules! blanket {
        ($($name:ident)*) => {
            #[allow(dead_code, reason = "whoever calls one is wrong")]
            mod by_value {
                pub(super) trait ByValue: Sized { $(fn $name(self) -> ! { panic!(stringify!($name)) })* }
                impl<T> ByValue for T {}
            }
            #[allow(dead_code, reason = "whoever calls one is wrong")]
            mod by_reference {
                pub(super) trait ByReference { $(fn $name(&self) -> ! { panic!(stringify!($name)) })* }
                impl<T: ?Sized> ByReference for T {}
            }
            #[allow(dead_code, reason = "whoever calls one is wrong")]
            mod by_mut {
                pub(super) trait ByMut { $(fn $name(&mut self) -> ! { panic!(stringify!($name)) })* }
                impl<T: ?Sized> ByMut for T {}
            }
        };
    }
    blanket! { checkpoint strip strips step stride chunk split_at len is_empty plan kind dispatch wrap start
    begin end first cut part portion next_chunk next_strip take_strip advance more rest done finish
    iterate into_strips into_iter into_plan by_count by_range count_down fuel pace poll }

    items! {
        mod in_scope {
            #[allow(unused_imports, reason = "they are there to be in the way")]
            use super::super::{by_value::ByValue, by_reference::ByReference, by_mut::ByMut};

            #[preemptible]
            pub(super) fn run(n: u32) -> u32 {
                let mut sum = 0;
                let values = vec![1, n];
                for i in 0..n { sum += i }
                for i in 0..=n { sum += i }
                for i in (0..n).rev() { sum ^= i }
                for i in &values { sum ^= i }
                for i in values.iter().map(|i| i + 1) { sum ^= i }
                for i in values { sum ^= i }
                while sum > 100 { sum /= 2 }
                loop { if sum % 3 == 0 { break sum } sum += 1 }
            }
        }
    }
}

both! {
    fn variables_named_like_generated_ones(n: u32) -> Vec<u32> {
        let (it, iter, next, item, chunk, left) = (1, 2, 3, 4, 5, n);
        let (strip, stride, step, count, len, end, rest) = (6, 7, 8, 9, 10, 11, 12);
        let mut out = vec![];
        for i in 0..left { out.push(it + iter + next + item + chunk + i) }
        for it in 0..left { for iter in it..it + 2 { out.push(strip + stride + step + it * iter) } }
        for chunk in &[count, len, end] { for left in [rest; 2] { out.push(chunk + left) } }
        while let Some(next) = out.pop() { if next % 5 == 0 { out.push(next + 1); break } }
        let mut it = out.iter().copied();
        let mut iter = 0u32;
        for left in it.by_ref() { iter = iter.wrapping_add(left); if iter > 300 { break } }
        for chunk in it { iter = iter.wrapping_add(chunk) }
        out.push(iter);
        out
    }

    fn closures_named_like_generated_functions(n: u32) -> u32 {
        let checkpoint = |x: u32| { log("checkpoint"); x + 1 };
        let preempt_requested = || true;
        let yield_now = 3;
        let mut sum = 0;
        for i in 0..n % 10 { if preempt_requested() { sum += checkpoint(i) + yield_now } }
        sum
    }

    fn macros_named_like_those_of_the_core_library(n: u32) -> u32 {
        #[allow(unused_macros, reason = "they are there to be in the way")]
        mod in_the_way {
            macro_rules! panic { () => { compile_error!("of the user's") } }
            macro_rules! unreachable { () => { compile_error!("of the user's") } }
            macro_rules! matches { () => { compile_error!("of the user's") } }
            macro_rules! debug_assert { () => { compile_error!("of the user's") } }
            pub(super) use {panic, unreachable, matches, debug_assert};
        }
        #[allow(unused_imports, reason = "they are there to be in the way")]
        use in_the_way::{panic, unreachable, matches, debug_assert};
        let mut sum = 0;
        for i in 0..n { sum += i }
        for i in [1, n].iter().rev() { sum ^= i }
        while sum > 100 { sum /= 2 }
        sum
    }
}

items! {
    mod generics_named_like_types_of_the_core_library {
        struct Counter<Option, Iterator>(Option, Iterator);

        #[preemptible]
        impl<Some: Copy + Into<u32>, None> Counter<Some, None> {
            fn total<I, T>(&self, values: I, n: T) -> u32
            where
                I: IntoIterator<Item = T>,
                T: Into<u32>,
            {
                let mut sum = n.into();
                for x in values { sum += x.into() + self.0.into() }
                sum
            }
        }

        #[preemptible]
        fn count<Range: Iterator, String: FnMut(Range::Item) -> bool>(range: Range, mut f: String) -> u32 {
            let mut count = 0;
            for x in range { count += u32::from(f(x)) }
            count
        }

        pub(super) fn run(n: u32) -> (u32, u32) {
            let counter = Counter(3u8, "");
            let _ = counter.1;
            (counter.total(0..n, 1), count(0..n, |x| x % 3 == 0))
        }
    }
}

/// The attribute under other names.
#[test]
fn a_renamed_attribute() {
    use ::preempt::preemptible as checked;
    #[checked]
    fn renamed(n: u32) -> u32 {
        let mut x = 0;
        for i in 0..n {
            x ^= i;
        }
        x
    }
    #[::preempt::preemptible]
    fn absolute(n: u32) -> u32 {
        renamed(n) + 1
    }
    assert_eq!(absolute(6), 2);
}
