//! What a macro hands to an annotated function as one expression, or one type, stays one: `$e * 2`
//! of `1 + 2` is 6.
//!
//! The compiler marks such fragments with delimiters that are not seen, and forgets them when they
//! come back from a procedural macro (rust-lang/rust#67062): whoever writes such an expression has to
//! put it into parentheses.

use std::fmt::Debug;

/// A test that a function which `$make` writes is the same plain and annotated, and gives `$value`.
macro_rules! both {
    ($($test:ident: $make:ident!($($fragment:tt)*) == $value:expr;)*) => {$(
        #[test]
        fn $test() {
            $make! { plain; $($fragment)* }
            $make! { #[preempt::preemptible] annotated; $($fragment)* }
            assert_eq!(plain(), $value);
            assert_eq!(annotated(), $value);
        }
    )*};
}

macro_rules! sum_of_products {
    ($(#[$attr:meta])* $name:ident; $e:expr) => {
        $(#[$attr])*
        fn $name() -> u32 {
            let mut sum = 0;
            for i in 0..4 {
                sum += i * $e;
            }
            sum
        }
    };
}

macro_rules! negative {
    ($(#[$attr:meta])* $name:ident; $e:expr) => {
        $(#[$attr])*
        fn $name() -> i32 {
            -$e
        }
    };
}

macro_rules! absolute {
    ($(#[$attr:meta])* $name:ident; $e:literal) => {
        $(#[$attr])*
        fn $name() -> i32 {
            $e.abs()
        }
    };
}

macro_rules! cast {
    ($(#[$attr:meta])* $name:ident; $e:expr) => {
        $(#[$attr])*
        fn $name() -> u64 {
            $e as u64
        }
    };
}

macro_rules! method {
    ($(#[$attr:meta])* $name:ident; $e:expr) => {
        $(#[$attr])*
        fn $name() -> u32 {
            $e.count_ones()
        }
    };
}

macro_rules! iterated {
    ($(#[$attr:meta])* $name:ident; $e:expr) => {
        $(#[$attr])*
        fn $name() -> u32 {
            let mut sum = 0;
            for x in $e {
                sum += x;
            }
            sum
        }
    };
}

macro_rules! condition {
    ($(#[$attr:meta])* $name:ident; $e:expr) => {
        $(#[$attr])*
        fn $name() -> u32 {
            let mut n = 0;
            while $e {
                n += 1;
                if n == 3 {
                    break;
                }
            }
            n
        }
    };
}

macro_rules! in_an_async_block {
    ($(#[$attr:meta])* $name:ident; $e:expr) => {
        fn $name() -> u32 {
            $(#[$attr])*
            async fn asynchronous() -> u32 {
                let mut sum = 0;
                for _ in 0..2 {
                    sum += async { $e * 2 }.await;
                }
                sum
            }
            futures::executor::block_on(asynchronous())
        }
    };
}

macro_rules! reference_to {
    ($(#[$attr:meta])* $name:ident; $t:ty) => {
        $(#[$attr])*
        fn $name() -> String {
            let reference: &$t = &3;
            format!("{reference:?}")
        }
    };
}

struct Numbers {
    few: [u32; 3],
    any: bool,
}

both! {
    in_a_product: sum_of_products!(1 + 3) == 24;
    behind_a_minus: negative!(1 - 3) == 2;
    a_negative_literal: absolute!(-3i32) == 3;
    in_front_of_as: cast!(1u32 + 2) == 3;
    in_front_of_a_method: method!(1u32 + 1) == 1;
    a_struct_that_is_iterated: iterated!(Numbers { few: [1, 2, 3], any: true }.few) == 6;
    a_struct_in_a_condition: condition!(Numbers { few: [0; 3], any: true }.any) == 3;
    in_a_product_of_an_async_block: in_an_async_block!(1 + 2) == 12;
    a_type_behind_an_ampersand: reference_to!(dyn Debug + Send) == "3";
}

macro_rules! statement_in_a_loop {
    ($(#[$attr:meta])* $name:ident; $stmt:stmt, $n:ident) => {
        $(#[$attr])*
        fn $name() -> u32 {
            let mut sum = 0;
            for $n in 0..4 {
                $stmt
                sum += $n;
            }
            sum
        }
    };
}

both! {
    a_let_without_a_semicolon: statement_in_a_loop!(let n = n * 2, n) == 12;
}
