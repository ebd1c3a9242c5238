//! One source, several functions: `copies!` makes of a kernel's items the modules that are compared.
//!
//! A file of a kernel defines its input once, and inside of `copies! { .. }` the code that is
//! measured, as a user would write it, with the entry `run(&mut Input) -> u64`. It becomes
//!
//! ```text
//! mod plain_0 { .. }     mod control_0 { .. }     #[preemptible] mod annotated_0 { .. }
//!       ..                     ..                               ..
//! mod plain_3 { .. }     mod control_3 { .. }     #[preemptible] mod annotated_3 { .. }
//! ```
//!
//! The code of the first two columns is the same. What is measured between them is noise.
//!
//! # How copies stay apart, and what is in their layout
//! Each copy has a section of its own. LLVM merges functions that are equal, and all copies would be
//! one; functions in different sections are not equal. And the section places them: it begins 0,
//! 16, 32 or 48 bytes after a multiple of 64, so that over its copies each variant has every
//! position of its loops relative to the blocks in which processors fetch code. (Functions are
//! aligned to 16.) What remains of the layout is where in a larger table, such as those of the
//! branch predictor, the code lies.
//!
//! The section is an attribute of each function and method, which neither changes the code nor
//! means anything to `#[preemptible]`. The source passes through as token trees: nothing is wrapped in
//! groups on the way.
//!
//! Rejected: a marker such as `black_box(COPY)` in the bodies. It is a call to whoever reads the
//! source, as `#[preemptible]` does, and may change where that puts its checks. Only in `run`, it
//! would leave helpers that are not inlined, such as recursive ones, merged.

/// How many layouts each variant has.
pub(crate) const LAYOUTS: usize = 4;

macro_rules! copies {
    // The walk over the items. State: [attributes] name padding [what is done] what is left.
    (@top $attr:tt $name:ident $pad:tt [$($done:tt)*] pub $vis:tt fn $($left:tt)*) => {
        copies!(@top $attr $name $pad [$($done)* #[cfg_attr(
            all(target_arch = "x86_64", target_os = "linux"),
            unsafe(link_section = concat!(".text.", module_path!()))
        )] pub $vis fn] $($left)*);
    };
    // Only ever evaluated at compile time.
    (@top $attr:tt $name:ident $pad:tt [$($done:tt)*] const fn $($left:tt)*) => {
        copies!(@top $attr $name $pad [$($done)* const fn] $($left)*);
    };
    (@top $attr:tt $name:ident $pad:tt [$($done:tt)*] fn $($left:tt)*) => {
        copies!(@top $attr $name $pad [$($done)* #[cfg_attr(
            all(target_arch = "x86_64", target_os = "linux"),
            unsafe(link_section = concat!(".text.", module_path!()))
        )] fn] $($left)*);
    };
    (@top $attr:tt $name:ident $pad:tt [$($done:tt)*] impl $($left:tt)*) => {
        copies!(@impl $attr $name $pad [$($done)* impl] $($left)*);
    };
    (@top $attr:tt $name:ident $pad:tt [$($done:tt)*] $next:tt $($left:tt)*) => {
        copies!(@top $attr $name $pad [$($done)* $next] $($left)*);
    };
    (@top [$($attr:tt)*] $name:ident $pad:tt [$($done:tt)*]) => {
        $($attr)*
        mod $name {
            use super::*;

            // The assembly of a module comes before its functions.
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            core::arch::global_asm!(concat!(
                ".pushsection \".text.", module_path!(), "\",\"ax\",@progbits\n",
                ".balign 64\n.skip ", $pad, "\n.popsection"
            ));

            $($done)*
        }
    };
    // The head of an impl block, up to its braces.
    (@impl $attr:tt $name:ident $pad:tt $done:tt {$($body:tt)*} $($left:tt)*) => {
        copies!(@body $attr $name $pad $done {$($left)*} [] $($body)*);
    };
    (@impl $attr:tt $name:ident $pad:tt [$($done:tt)*] $next:tt $($left:tt)*) => {
        copies!(@impl $attr $name $pad [$($done)* $next] $($left)*);
    };
    // The body of an impl block, then back to the top with what follows it.
    (@body $attr:tt $name:ident $pad:tt $done:tt $after:tt [$($body:tt)*] fn $($left:tt)*) => {
        copies!(@body $attr $name $pad $done $after [$($body)* #[cfg_attr(
            all(target_arch = "x86_64", target_os = "linux"),
            unsafe(link_section = concat!(".text.", module_path!()))
        )] fn] $($left)*);
    };
    (@body $attr:tt $name:ident $pad:tt $done:tt $after:tt [$($body:tt)*] $next:tt $($left:tt)*) => {
        copies!(@body $attr $name $pad $done $after [$($body)* $next] $($left)*);
    };
    (@body $attr:tt $name:ident $pad:tt [$($done:tt)*] {$($after:tt)*} $body:tt) => {
        copies!(@close $attr $name $pad [$($done)*] $body $($after)*);
    };
    (@close $attr:tt $name:ident $pad:tt [$($done:tt)*] [$($body:tt)*] $($after:tt)*) => {
        copies!(@top $attr $name $pad [$($done)* { $($body)* }] $($after)*);
    };

    ($($source:tt)*) => {
        copies!(@top [] plain_0 0 [] $($source)*);
        copies!(@top [#[preempt::preemptible]] annotated_0 0 [] $($source)*);
        copies!(@top [] control_0 0 [] $($source)*);
        copies!(@top [] plain_1 16 [] $($source)*);
        copies!(@top [#[preempt::preemptible]] annotated_1 16 [] $($source)*);
        copies!(@top [] control_1 16 [] $($source)*);
        copies!(@top [] plain_2 32 [] $($source)*);
        copies!(@top [#[preempt::preemptible]] annotated_2 32 [] $($source)*);
        copies!(@top [] control_2 32 [] $($source)*);
        copies!(@top [] plain_3 48 [] $($source)*);
        copies!(@top [#[preempt::preemptible]] annotated_3 48 [] $($source)*);
        copies!(@top [] control_3 48 [] $($source)*);

        pub(crate) fn kernel(name: &'static str) -> $crate::kernel::Kernel {
            let mut random = $crate::random::Random::new(name);
            $crate::kernel::Kernel::new(
                name,
                input(&mut random),
                [plain_0::run, plain_1::run, plain_2::run, plain_3::run],
                [annotated_0::run, annotated_1::run, annotated_2::run, annotated_3::run],
                [control_0::run, control_1::run, control_2::run, control_3::run],
            )
        }
    };
}
