//! Functions that macros write, from fragments of their callers; and macros in annotated bodies.

use crate::support::{compare, log};

/// A function of fragments of each kind.
macro_rules! of_fragments {
    (
        $(#[$attr:meta])* $vis:vis fn $name:ident($n:ident) -> $output:ty;
        $label:lifetime, $pat:pat, $iter:expr, $cond:expr, $body:block, $stmt:stmt, $value:expr,
        $literal:literal, $path:path, $($tokens:tt)*
    ) => {
        $(#[$attr])*
        $vis fn $name($n: u32) -> $output {
            let mut out: $output = $path();
            $label: for $pat in $iter {
                #[allow(redundant_semicolons, reason = "the statement has none of its own")]
                $stmt;
                for i in 0..$literal {
                    if i + 1 == $n { continue $label }
                    out.push(i + $value);
                }
                while $cond { out.push($literal); break }
                out.extend($body);
                out.extend(loop { if out.len() > 2000 { break $label } else { break $iter.map(|x| x.0) } });
                { $($tokens)* }
                if $iter.len() > 30 { break $label }
            }
            out
        }
    };
}

macro_rules! instance {
    ($name:ident $(#[$attr:meta])*) => {
        of_fragments! {
            $(#[$attr])*
            pub(crate) fn $name(n) -> Vec<u32>;
            'user, (i, step), (0..n % 40).map(|i| (i, i + 1)),
            { let mut i = n; while i > 5 { i /= 3 } i == 2 },
            { let mut i = 0; 'inner: for j in 0..n { i += j; if i > 30 { break 'inner } } [i] },
            let i = i + 1, (i ^ step), 3, Vec::new,
            let mut last = i; loop { last /= 2; if last < 2 { break } }
        }
    };
}

instance! { fragments_plain }
instance! { fragments_annotated #[preempt::preemptible] }

#[test]
fn fragments() {
    compare(fragments_plain, fragments_annotated);
}

/// Variables and labels of a macro and of its caller, of the same names: the caller's are not in
/// the way of the macro's, and the other way round.
macro_rules! hygienic {
    ($name:ident, $n:ident, $i:ident, $label:lifetime, $inner:expr, $jump:expr, $(#[$attr:meta])*) => {
        $(#[$attr])*
        fn $name($n: u32) -> u32 {
            let i = 5;
            let mut sum = 0;
            'a: for j in 0..3 {
                $label: for $i in i..$n {
                    for i in 0..4 {
                        let x = $inner;
                        sum = (sum + x * i + j) % 1009;
                        if sum % 17 == 3 { continue 'a }
                        if sum % 19 == 3 { $jump }
                        if sum % 23 == 3 { break $label }
                    }
                    sum += i + $i;
                }
            }
            sum
        }
    };
}

hygienic! { hygiene_plain, n, i, 'b,
{ let mut x = i + n; 'a: while x > 9 { x /= 2; if x == 11 { break 'a } } x }, continue 'b, }
hygienic! { hygiene_annotated, n, i, 'b,
{ let mut x = i + n; 'a: while x > 9 { x /= 2; if x == 11 { break 'a } } x }, continue 'b,
#[preempt::preemptible] }

#[test]
fn hygiene() {
    compare(hygiene_plain, hygiene_annotated);
}

/// The body alone is the caller's, and the keyword the macro's; and the loop alone.
macro_rules! bodies {
    ($name:ident $(#[$attr:meta])*) => {
        block_in_a_loop! { $name $(#[$attr])* n {
            let mut i = n;
            for j in 0..n {
                if j == 9 { continue }
                if j == 40 { break }
                i ^= j;
            }
            if i % 2 == 0 { return i }
            i + 1
        } }
    };
}
macro_rules! block_in_a_loop {
    ($name:ident $(#[$attr:meta])* $n:ident $body:block) => {
        $(#[$attr])*
        fn $name($n: u32) -> u32 $body
    };
}

bodies! { body_plain }
bodies! { body_annotated #[preempt::preemptible] }

#[test]
fn bodies() {
    compare(body_plain, body_annotated);
}

/// Items of a macro that repeats them, in an annotated block.
macro_rules! repeated {
    ($module:ident $(#[$attr:meta])* { $($method:ident: $op:tt $start:expr),* }) => {
        mod $module {
            pub(super) struct Folds(pub(super) Vec<u32>);

            $(#[$attr])*
            impl Folds {
                $(pub(super) fn $method(&self) -> u32 {
                    let mut out = $start;
                    for x in &self.0 { out = out $op *x }
                    out
                })*
            }

            pub(super) fn run(n: u32) -> Vec<u32> {
                let folds = Folds((0..n).collect());
                vec![$(folds.$method()),*]
            }
        }
    };
}

repeated! { repeated_plain { sum: + 0, xor: ^ 1, or: | 2 } }
repeated! { repeated_annotated #[preempt::preemptible] { sum: + 0, xor: ^ 1, or: | 2 } }

#[test]
fn repeated_methods() {
    compare(repeated_plain::run, repeated_annotated::run);
}

macro_rules! stop {
    () => { break };
    ($label:lifetime) => { break $label };
    ($label:lifetime, $value:expr) => { break $label $value };
    (= $value:expr) => { break $value };
}
macro_rules! again {
    () => { continue };
    ($label:lifetime) => { continue $label };
}
macro_rules! give {
    ($value:expr) => {
        return $value
    };
}
macro_rules! or_again {
    ($option:expr) => {
        match $option {
            Some(x) => x,
            None => continue,
        }
    };
}
macro_rules! repeat {
    ($i:ident < $n:expr => $($body:tt)*) => {
        for $i in 0..$n { $($body)* }
    };
}

both! {
    fn jumps_in_macros(n: u32) -> Vec<u32> {
        let mut out = vec![];
        'outer: for i in 0..n {
            let mut j = 0;
            while j < 6 {
                j += 1;
                if j == 3 { again!() }
                if i % 7 == 5 { again!('outer) }
                if i * j == 44 { stop!() }
                if i == 60 && j == 5 { stop!('outer) }
                let x = or_again!(i.checked_sub(j));
                out.push(x);
                if out.len() == 900 { give!(out) }
            }
            loop { j += 1; if j % 4 == 0 { stop!() } if j > 20 { again!('outer) } }
            out.push(loop { j += 1; if j % 5 == 0 { stop!(= j) } });
        }
        out.push('found: { for i in 0..n { if i * i > n { stop!('found, i) } } 7 });
        out
    }

    fn loops_in_macros(n: u32) -> Vec<u32> {
        let mut out = vec![];
        repeat!(i < n % 30 => if i == 9 { again!() } out.push(i); repeat!(j < i => if j > 2 { stop!() } out.push(j)));
        for i in 0..n { repeat!(j < 3 => if j == i { stop!() } out.push(j)); if i > 40 { stop!() } }
        let words = vec![{ let mut x = 0; while x < n { x += 3 } x }; 2];
        out.extend(words);
        log(format!("{}", { let mut x = 0; for i in 0..n { x ^= i } x }));
        assert!(out.iter().all(|x| { let mut y = *x; while y > 9 { y -= 1 } y <= 9 }));
        out.push(u32::from(matches!(n, x if { let mut y = x; while y > 3 { y -= 3 } y == 2 })));
        out
    }

    fn macros_defined_in_the_body(n: u32) -> Vec<u32> {
        let mut out = vec![];
        macro_rules! push { ($x:expr) => { for x in $x { out.push(x) } } }
        push!(0..n % 9);
        for x in 0..n {
            macro_rules! limit { () => { if x > 20 { break } } }
            limit!();
            push!([x, n]);
        }
        out
    }

    fn patterns_iterators_and_conditions_of_macros(n: u32) -> Vec<u32> {
        macro_rules! pair { ($a:pat, $b:pat) => { ($a, $b) } }
        macro_rules! count { ($n:expr) => { (0..$n).zip(1..) } }
        macro_rules! below { ($a:expr, $b:expr) => { $a < $b } }
        let mut out = vec![];
        for pair!(a, mut b) in count!(n) { b += 1; out.push(a * b) }
        for pair!(_, b) in vec![(1, 2), (3, n)] { out.push(b) }
        let mut i = 0;
        while below!(i, n) { i += 7; out.push(i) }
        while let pair!(Some(x), true) = (out.pop(), i > 30) { if x % 2 == 0 { break } }
        out
    }
}
