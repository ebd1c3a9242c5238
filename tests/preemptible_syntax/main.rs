//! Goal: an annotated function does what the plain one does, whatever syntax it is made of.
//! Method: each text is compiled twice, with and without the attribute (`support`), and the two are
//! run for a range of arguments: the annotated one without a request, and under one that every check
//! sees.
//!
//! The files go by theme: the functions that the attribute is on, what stands in them, what a
//! `for` runs over, and what may confuse a macro.

#![allow(
    clippy::all,
    for_loops_over_fallibles,
    unused_braces,
    unused_parens,
    reason = "code in every form, also in those that lints know better"
)]
// `without_preemptible!` takes a step per token.
#![recursion_limit = "512"]

#[macro_use]
mod support;

mod asynchronous;
mod attributes;
mod bindings;
mod functions;
mod hygiene;
mod inference;
mod iterators;
mod loops;
mod macros;
