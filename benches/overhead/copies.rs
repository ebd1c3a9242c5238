//! One source, several functions: `copies!` makes of a kernel's items the modules that are compared.
//!
//! A file of a kernel defines its input once, and inside of `copies! { .. }` the code that is
//! measured, as a user would write it, with the entry `run(&mut Input) -> u64`. It becomes
//!
//! ```text
//! mod plain_0 { .. }      mod control_0 { .. }      #[preemptible] mod annotated_0 { .. }
//! mod plain_1 { .. }      mod control_1 { .. }      #[preemptible] mod annotated_1 { .. }
//! mod plain_2 { .. }      mod control_2 { .. }      #[preemptible] mod annotated_2 { .. }
//! ```
//!
//! The code of the first two columns is the same. What is measured between them is noise.
//!
//! # How copies stay apart
//! LLVM merges functions that are equal, and all copies would have one address. Functions in different
//! sections are not equal, so each function and method gets the section of its copy, by an
//! attribute, which neither changes its code nor is seen by `#[preemptible]`. The source passes through as
//! token trees: nothing is wrapped in groups on the way.
//!
//! Rejected: a marker such as `black_box(COPY)` in the bodies. It is a call to whoever reads the
//! source, as `#[preemptible]` does, and may change where that puts its checks. Only in `run`, it
//! would leave helpers that are not inlined, such as recursive ones, merged.

/// How many layouts each variant has.
pub(crate) const LAYOUTS: usize = 3;

macro_rules! copies {
    // The walk over the items. State: [attributes] module section [what is done] what is left.
    (@top $attr:tt $name:ident $section:literal [$($done:tt)*] pub $vis:tt fn $($left:tt)*) => {
        copies!(@top $attr $name $section
            [$($done)* #[cfg_attr(target_os = "linux", unsafe(link_section = $section))] pub $vis fn] $($left)*);
    };
    (@top $attr:tt $name:ident $section:literal [$($done:tt)*] fn $($left:tt)*) => {
        copies!(@top $attr $name $section
            [$($done)* #[cfg_attr(target_os = "linux", unsafe(link_section = $section))] fn] $($left)*);
    };
    (@top $attr:tt $name:ident $section:literal [$($done:tt)*] impl $($left:tt)*) => {
        copies!(@impl $attr $name $section [$($done)* impl] $($left)*);
    };
    (@top $attr:tt $name:ident $section:literal [$($done:tt)*] $next:tt $($left:tt)*) => {
        copies!(@top $attr $name $section [$($done)* $next] $($left)*);
    };
    (@top [$($attr:tt)*] $name:ident $section:literal [$($done:tt)*]) => {
        $($attr)*
        mod $name {
            use super::*;
            $($done)*
        }
    };
    // The head of an impl block, up to its braces.
    (@impl $attr:tt $name:ident $section:literal $done:tt {$($body:tt)*} $($left:tt)*) => {
        copies!(@body $attr $name $section $done {$($left)*} [] $($body)*);
    };
    (@impl $attr:tt $name:ident $section:literal [$($done:tt)*] $next:tt $($left:tt)*) => {
        copies!(@impl $attr $name $section [$($done)* $next] $($left)*);
    };
    // The body of an impl block, then back to the top with what follows it.
    (@body $attr:tt $name:ident $section:literal $done:tt $after:tt [$($body:tt)*] fn $($left:tt)*) => {
        copies!(@body $attr $name $section $done $after
            [$($body)* #[cfg_attr(target_os = "linux", unsafe(link_section = $section))] fn] $($left)*);
    };
    (@body $attr:tt $name:ident $section:literal $done:tt $after:tt [$($body:tt)*] $next:tt $($left:tt)*) => {
        copies!(@body $attr $name $section $done $after [$($body)* $next] $($left)*);
    };
    (@body $attr:tt $name:ident $section:literal [$($done:tt)*] {$($after:tt)*} $body:tt) => {
        copies!(@close $attr $name $section [$($done)*] $body $($after)*);
    };
    (@close $attr:tt $name:ident $section:literal [$($done:tt)*] [$($body:tt)*] $($after:tt)*) => {
        copies!(@top $attr $name $section [$($done)* { $($body)* }] $($after)*);
    };

    ($($source:tt)*) => {
        copies!(@top [] plain_0 ".text.plain_0" [] $($source)*);
        copies!(@top [#[preempt::preemptible]] annotated_0 ".text.annotated_0" [] $($source)*);
        copies!(@top [] control_0 ".text.control_0" [] $($source)*);
        copies!(@top [] plain_1 ".text.plain_1" [] $($source)*);
        copies!(@top [#[preempt::preemptible]] annotated_1 ".text.annotated_1" [] $($source)*);
        copies!(@top [] control_1 ".text.control_1" [] $($source)*);
        copies!(@top [] plain_2 ".text.plain_2" [] $($source)*);
        copies!(@top [#[preempt::preemptible]] annotated_2 ".text.annotated_2" [] $($source)*);
        copies!(@top [] control_2 ".text.control_2" [] $($source)*);

        pub(crate) fn kernel(name: &'static str) -> $crate::kernel::Kernel {
            let mut random = $crate::random::Random::new(name);
            $crate::kernel::Kernel::new(
                name,
                input(&mut random),
                [plain_0::run, plain_1::run, plain_2::run],
                [annotated_0::run, annotated_1::run, annotated_2::run],
                [control_0::run, control_1::run, control_2::run],
            )
        }
    };
}
