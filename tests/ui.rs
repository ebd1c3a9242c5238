//! What the macros say and accept, one file per refusal and per group of syntax.
//!
//! Files in `pass` are compiled and run; the others must fail with exactly the `.stderr` beside
//! them. After a change of wording: `TRYBUILD=overwrite cargo test --test ui`, and read the diff.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    for refusals in ["preemptible", "main", "test"] {
        cases.compile_fail(format!("tests/ui/{refusals}/*.rs"));
    }
}
