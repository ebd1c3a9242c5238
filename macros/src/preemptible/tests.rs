//! Where `#[preemptible]` puts checks, token by token; strips are in `snapshots/`. What the result does is tested by running it, in
//! the facade's `tests/preemptible_*.rs`; what it says, in `tests/ui`.

use proc_macro2::TokenStream;
use quote::quote;

fn expand(item: TokenStream) -> String {
    super::expand(quote!(crate = p, every = 1), item).to_string()
}

macro_rules! expands {
    ($($name:ident: { $($input:tt)* } => { $($output:tt)* })*) => {$(
        #[test]
        fn $name() {
            assert_eq!(expand(quote!($($input)*)), quote!($($output)*).to_string());
        }
    )*};
}

expands! {
    a_function_that_calls_checks_at_entry: {
        pub fn f(n: u8) -> u8 { let n = n + 1; g(n) }
    } => {
        pub fn f(n: u8) -> u8 { let n = n + 1; p::__private::checkpoint(); g(n) }
    }

    a_function_that_calls_nobody_needs_no_check: {
        pub fn f(n: u8) -> u8 { Some(n.wrapping_add(1)).unwrap() }
    } => {
        pub fn f(n: u8) -> u8 { Some(n.wrapping_add(1)).unwrap() }
    }

    base_cases_are_free: {
        fn f(n: &Node) -> u8 {
            if n.leaf { 1 } else if n.half { f(n.left) } else { match n { A(x) if x > 1 => 1, A(x) => f(x), _ => { 2 } } }
        }
    } => {
        fn f(n: &Node) -> u8 {
            if n.leaf { 1 }
            else if n.half { p::__private::checkpoint(); f(n.left) }
            else { match n { A(x) if x > 1 => 1, A(x) => { p::__private::checkpoint(); f(x) }, _ => { 2 } } }
        }
    }

    a_check_is_ahead_of_every_call: {
        fn f(n: u8) { if n > 1 { g(); } h(); }
    } => {
        fn f(n: u8) { p::__private::checkpoint(); if n > 1 { g(); } h(); }
    }

    items_stay_in_front: {
        fn f() { use a::b; fn g() { loop {} } b(); }
    } => {
        fn f() { use a::b; fn g() { loop {} } p::__private::checkpoint(); b(); }
    }

    sync_loops_check_at_the_top: {
        fn f() {
            'a: for x in y { g(x); }
            while let Some(x) = y() && x > 1 { continue; }
            loop { break 'a 1; }
        }
    } => {
        fn f() {
            p::__private::checkpoint();
            'a: for x in y { p::__private::checkpoint(); g(x); }
            while let Some(x) = y() && x > 1 { p::__private::checkpoint(); continue; }
            loop { p::__private::checkpoint(); break 'a 1; }
        }
    }

    an_async_fn_that_awaits_yields_at_entry: {
        async fn f() { g().await; }
    } => {
        async fn f() {
            if p::__private::preempt_requested() { p::__private::yield_now().await; }
            g().await;
        }
    }

    an_async_fn_that_never_awaits_does_not_grow: {
        async fn f() { for x in y { g(x); } }
    } => {
        async fn f() {
            p::__private::checkpoint();
            for x in y { p::__private::checkpoint(); g(x); }
        }
    }

    async_loops_check_in_their_awaits: {
        async fn f() {
            loop { let x = g().await?; h(x); }
            while g().await { h(); }
            for x in g().await { h(x); }
        }
    } => {
        async fn f() {
            if p::__private::preempt_requested() { p::__private::yield_now().await; }
            loop { let x = p::__private::give_way(g()).await?; h(x); }
            while p::__private::give_way(g()).await { h(); }
            for x in g().await { p::__private::checkpoint(); h(x); }
        }
    }

    iterations_that_may_not_await_check_at_the_top_too: {
        async fn f() {
            loop { if x { g().await; } }
            loop { if x { continue; } g().await; }
            loop { m!(continue); g().await; }
            loop { m!(x); g().await; continue; }
        }
    } => {
        async fn f() {
            if p::__private::preempt_requested() { p::__private::yield_now().await; }
            loop { p::__private::checkpoint(); if x { p::__private::give_way(g()).await; } }
            loop { p::__private::checkpoint(); if x { continue; } p::__private::give_way(g()).await; }
            loop { p::__private::checkpoint(); m!(continue); p::__private::give_way(g()).await; }
            loop { m!(x); p::__private::give_way(g()).await; continue; }
        }
    }

    each_context_follows_its_own_rule: {
        fn f() {
            let a = async move { loop { g().await; } };
            let b = async |y| while x { g().await; };
            loop { let c = async { g().await }; let d = |y| loop {}; }
        }
    } => {
        fn f() {
            let a = async move { loop { p::__private::give_way(g()).await; } };
            let b = async |y| while x { p::__private::give_way(g()).await; };
            loop {
                p::__private::checkpoint();
                let c = async { g().await };
                let d = |y| loop { p::__private::checkpoint(); };
            }
        }
    }

    const_contexts_are_left_alone: {
        fn f() {
            const A: u8 = loop { break 1; };
            let a = [loop { break 1 }; { loop { break 2 } }];
            let b: [u8; { loop { break 1 } }] = const { loop { break [1] } };
            g::<{ loop { break 1 } }>();
        }
    } => {
        fn f() {
            const A: u8 = loop { break 1; };
            let a = [loop { p::__private::checkpoint(); break 1 }; { loop { break 2 } }];
            let b: [u8; { loop { break 1 } }] = const { loop { break [1] } };
            p::__private::checkpoint();
            g::<{ loop { break 1 } }>();
        }
    }

    macro_arguments_stay_tokens: {
        fn f() { m! { loop {} }; }
    } => {
        fn f() { p::__private::checkpoint(); m! { loop {} }; }
    }

    containers_mean_what_can_have_checks: {
        mod m {
            fn a() { x() }
            const fn b() { x() }
            #[preemptible] fn c() { x() }
            #[preemptible(skip)] fn l() { x() }
            impl S { fn d() { x() } const fn e() { x() } const F: u8 = 1; #[unsafe(naked)] fn g() { x() } }
            #[preempt::preemptible] impl S { fn h() { x() } }
            trait T { fn i(); fn j() { x() } }
            mod n { async fn k() { x() } }
        }
    } => {
        mod m {
            fn a() { p::__private::checkpoint(); x() }
            const fn b() { x() }
            #[preemptible] fn c() { x() }
            fn l() { x() }
            impl S {
                fn d() { p::__private::checkpoint(); x() }
                const fn e() { x() }
                const F: u8 = 1;
                #[unsafe(naked)] fn g() { x() }
            }
            #[preempt::preemptible] impl S { fn h() { x() } }
            trait T { fn i(); fn j() { p::__private::checkpoint(); x() } }
            mod n { async fn k() { p::__private::checkpoint(); x() } }
        }
    }

    what_is_skipped_is_left_alone: {
        fn f() {
            #[preemptible(skip)] for x in y { while z { #[preemptible(skip)] loop {} } }
            #[preemptible(skip)] { loop {} }
            #[preemptible(skip)] let x = loop {};
            loop {}
        }
    } => {
        fn f() {
            for x in y { while z { loop {} } }
            { loop {} }
            let x = loop {};
            loop { p::__private::checkpoint(); }
        }
    }
}

#[test]
fn the_facade_is_the_default() {
    let expanded = super::expand(
        quote!(),
        quote!(
            fn f() {
                g()
            }
        ),
    )
    .to_string();
    assert_eq!(
        expanded,
        quote!(
            fn f() {
                ::preempt::__private::checkpoint();
                g()
            }
        )
        .to_string()
    );
}

#[test]
fn an_error_leaves_the_item_as_it_was() {
    for item in [
        quote!(
            const fn f() {
                loop {}
            }
        ),
        quote!(
            struct S;
        ),
        quote!(fn f() { ??? }),
    ] {
        let expanded = expand(item.clone()).to_string();
        assert!(expanded.contains("compile_error"), "{expanded}");
        assert!(expanded.ends_with(&item.to_string()), "{expanded}");
    }
}

fn expand_with_cancel(item: TokenStream) -> String {
    super::expand(quote!(crate = p, every = 1, cancel), item).to_string()
}

#[test]
fn with_cancel_sync_checks_may_unwind_and_async_ones_yield() {
    let expanded = expand_with_cancel(quote!(
        async fn f() {
            loop {
                g().await;
            }
            for x in y {
                let h = |z| loop {};
            }
        }
    ));
    let expected = quote!(
        async fn f() {
            if p::__private::preempt_requested() {
                p::__private::yield_now().await;
            }
            loop {
                p::__private::give_way(g()).await;
            }
            for x in y {
                p::__private::checkpoint_or_cancel();
                let h = |z| loop {
                    p::__private::checkpoint_or_cancel();
                };
            }
        }
    );
    assert_eq!(expanded, expected.to_string());
}

#[test]
fn with_cancel_on_a_container_functions_that_must_not_unwind_do_not() {
    let expanded = expand_with_cancel(quote!(
        mod m {
            extern "C" fn a() {
                x()
            }
            fn b() {
                x()
            }
            extern "C" fn c() {
                x()
            }
            extern "C-unwind" fn d() {
                x()
            }
            extern "Rust" fn e() {
                x()
            }
        }
    ));
    let expected = quote!(
        mod m {
            extern "C" fn a() {
                p::__private::checkpoint();
                x()
            }
            fn b() {
                p::__private::checkpoint_or_cancel();
                x()
            }
            extern "C" fn c() {
                p::__private::checkpoint();
                x()
            }
            extern "C-unwind" fn d() {
                p::__private::checkpoint_or_cancel();
                x()
            }
            extern "Rust" fn e() {
                p::__private::checkpoint_or_cancel();
                x()
            }
        }
    );
    assert_eq!(expanded, expected.to_string());
}
