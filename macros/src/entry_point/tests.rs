//! What `#[preempt::main]` and `#[preempt::test]` write, token by token.

use super::{EntryPoint, expand};
use proc_macro2::TokenStream;
use quote::quote;

macro_rules! expands {
    ($($name:ident: $entry:ident($($args:tt)*) { $($input:tt)* } => { $($output:tt)* })*) => {$(
        #[test]
        fn $name() {
            let expanded = expand(EntryPoint::$entry, quote!($($args)*), quote!($($input)*));
            assert_eq!(expanded.to_string(), quote!($($output)*).to_string());
        }
    )*};
}

expands! {
    main_is_multi_threaded: Main() {
        async fn main() { g().await; }
    } => {
        fn main() {
            ::preempt::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .expect("the runtime could not be built")
                .block_on(async {
                    if let ::core::option::Option::Some(output) = ::core::option::Option::None::<()> {
                        return output;
                    }
                    g().await;
                })
        }
    }

    options_reach_the_builder: Main(flavor = "multi_thread", worker_threads = 3, crate = a::b) {
        pub async fn run(x: u8) -> ! { g(x) }
    } => {
        pub fn run(x: u8) -> ! {
            a::b::runtime::Builder::new_multi_thread()
                .worker_threads(3usize)
                .enable_all()
                .build()
                .expect("the runtime could not be built")
                .block_on(async { g(x) })
        }
    }

    a_test_has_one_thread: Test(crate = "p") {
        #[should_panic] async fn t() -> impl Termination { g() }
    } => {
        #[::core::prelude::v1::test]
        #[should_panic]
        fn t() -> impl Termination {
            p::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the runtime could not be built")
                .block_on(async { g() })
        }
    }

    a_test_with_a_seed: Test(seed = 7) {
        async fn t() { g() }
    } => {
        #[::core::prelude::v1::test]
        fn t() {
            let _success = ::preempt::__private::seeds::run(
                ::preempt::__private::seeds::Seeds::One(7u64),
                |runtime| runtime.block_on(async {
                    if let ::core::option::Option::Some(output) = ::core::option::Option::None::<()> {
                        return output;
                    }
                    g()
                }),
            );
        }
    }

    a_test_with_many_seeds_and_an_output: Test(seeds = 200, crate = p) {
        async fn t() -> impl Termination { g() }
    } => {
        #[::core::prelude::v1::test]
        fn t() -> ::std::process::ExitCode {
            p::__private::seeds::run(
                p::__private::seeds::Seeds::Many(200u64),
                |runtime| runtime.block_on(async { g() }),
            )
        }
    }
}

#[test]
fn a_seed_goes_with_no_other_runtime() {
    let args = quote!(seed = 1, seeds = 2, flavor = "multi_thread", worker_threads = 2);
    let item = quote!(
        async fn t() {}
    );
    let expanded = error_of(EntryPoint::Test, args, item.clone());
    for part in ["remove one", "remove `flavor`", "remove `worker_threads`", "Seeds :: One"] {
        assert!(expanded.contains(part), "{part} in {expanded}");
    }
    assert!(error_of(EntryPoint::Test, quote!(seeds = 0), item.clone()).contains("at least 1"));
    assert!(error_of(EntryPoint::Main, quote!(seed = 1), item).contains("unknown option"));
}

fn error_of(entry_point: EntryPoint, args: TokenStream, item: TokenStream) -> String {
    let expanded = expand(entry_point, args, item).to_string();
    assert!(expanded.contains("compile_error"), "{expanded}");
    expanded
}

#[test]
fn bad_options_still_expand_the_function() {
    let expanded = error_of(
        EntryPoint::Main,
        quote!(worker_threads = 0),
        quote!(
            async fn main() {}
        ),
    );
    assert!(expanded.contains("at least 1"), "{expanded}");
    assert!(expanded.contains("block_on"), "{expanded}");
}

#[test]
fn all_bad_options_are_reported() {
    let args = quote!(flavor = "threaded", workers = 1, flavor = "x", crate);
    let expanded = error_of(
        EntryPoint::Test,
        args,
        quote!(
            async fn t() {}
        ),
    );
    for part in ["unknown flavor", "unknown option", "set twice", "needs a path"] {
        assert!(expanded.contains(part), "{part} in {expanded}");
    }
}

#[test]
fn what_is_no_async_fn_stays_as_it_was() {
    let item = quote!(
        fn main() {}
    );
    let expanded = error_of(EntryPoint::Main, quote!(), item.clone());
    assert!(expanded.ends_with(&item.to_string()), "{expanded}");
}
