//! What the macros say, one file per refusal, and what the compiler says of mistakes in the code that
//! they are on: each file must fail to compile with exactly the `.stderr` beside it.
//!
//! A package of its own, because trybuild builds the dev-dependencies of the package once more, and
//! those of the facade are many. Without programs to run, `cargo check` is all that it needs: what
//! must compile is among the facade's tests (`preemptible_*`, `entry_point`).
//!
//! After a change of wording: `TRYBUILD=overwrite cargo test -p preempt-ui-tests`, and read the
//! diff.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("*/*.rs");
}
