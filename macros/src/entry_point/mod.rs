//! `#[preempt::main]` and `#[preempt::test]`: an `async fn` becomes a function that builds a
//! runtime and runs the body on it.
//!
//! The body becomes an async block and not a nested `async fn`, so that arguments, `self` and
//! generics of functions other than `main` need no forwarding.

mod options;

use crate::error::{self, Errors};
use crate::settings::generated;
use options::{Flavor, Options, Seeds};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Error, ItemFn, Result, ReturnType, Stmt, TypeImplTrait, TypeNever};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryPoint {
    Main,
    Test,
}

impl EntryPoint {
    /// What messages call the macro.
    fn attribute(self) -> &'static str {
        match self {
            EntryPoint::Main => "`#[preempt::main]`",
            EntryPoint::Test => "`#[preempt::test]`",
        }
    }
}

pub(crate) fn expand(entry_point: EntryPoint, args: TokenStream, item: TokenStream) -> TokenStream {
    let function = match parse(entry_point, item.clone()) {
        Ok(function) => function,
        Err(error) => return error::beside(&error, &item),
    };
    let (options, error) = Options::parse(args, entry_point);
    let expanded = run(entry_point, &options, function);
    match error {
        Some(error) => error::beside(&error, &expanded),
        None => expanded,
    }
}

fn parse(entry_point: EntryPoint, item: TokenStream) -> Result<ItemFn> {
    let attribute = entry_point.attribute();
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        Error::new(error.span(), format!("{attribute} expects an `async fn`: {error}"))
    })?;
    let mut errors = Errors::default();
    errors.check(is_async(&function, attribute));
    errors.check(takes_nothing(&function, entry_point));
    errors.check(is_the_only_test(&function, entry_point));
    errors.into_result().map(|()| function)
}

fn is_async(function: &ItemFn, attribute: &str) -> Result<()> {
    if function.sig.asyncness.is_some() {
        return Ok(());
    }
    let name = &function.sig.ident;
    let message = format!("{attribute} runs an `async fn`: write `async fn {name}`");
    Err(Error::new(function.sig.fn_token.span, message))
}

/// `main` is called by the system and a test by the test harness, neither with arguments.
fn takes_nothing(function: &ItemFn, entry_point: EntryPoint) -> Result<()> {
    let sig = &function.sig;
    let message = match entry_point {
        _ if sig.inputs.is_empty() => return Ok(()),
        EntryPoint::Main if sig.ident != "main" => return Ok(()),
        EntryPoint::Main => "`main` takes no arguments: call `std::env::args()` in it",
        EntryPoint::Test => "a test takes no arguments: make the values in its body",
    };
    Err(Error::new_spanned(&sig.inputs, message))
}

fn is_the_only_test(function: &ItemFn, entry_point: EntryPoint) -> Result<()> {
    match function.attrs.iter().find(|attr| is_test(attr)) {
        Some(other) if entry_point == EntryPoint::Test => {
            let message = "`#[preempt::test]` makes the function a test by itself, and it would \
                run twice: remove this attribute";
            Err(Error::new_spanned(other, message))
        }
        _ => Ok(()),
    }
}

fn is_test(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == "test")
}

/// Input:
/// ```text
/// async fn main() -> OUTPUT { BODY }
/// ```
/// Output:
/// ```text
/// fn main() -> OUTPUT {
///     ::preempt::runtime::Builder::new_multi_thread()
///         .worker_threads(4)
///         .enable_all()
///         .build()
///         .expect("..")
///         .block_on(async { BODY })
/// }
/// ```
/// `#[preempt::test]` puts `#[::core::prelude::v1::test]` in front.
fn run(entry_point: EntryPoint, options: &Options, mut function: ItemFn) -> TokenStream {
    let async_token = function.sig.asyncness.take();
    let span = generated(async_token.map_or(function.sig.fn_token.span, |token| token.span));
    let body = pin_output(&function.sig.output, *function.block);
    if let Some(seeds) = options.seeds {
        function.block = seeded(options, seeds, &body, &function.sig.output, span);
        if let ReturnType::Type(_, ty) = &mut function.sig.output {
            **ty = syn::parse_quote_spanned!(span=> ::std::process::ExitCode);
        }
        return quote_spanned!(span=> #[::core::prelude::v1::test] #function);
    }
    let builder = builder(options, span);
    function.block = syn::parse_quote_spanned! {span=> {
        #builder.block_on(async #body)
    }};
    let test = (entry_point == EntryPoint::Test)
        .then(|| quote_spanned!(span=> #[::core::prelude::v1::test]));
    quote!(#test #function)
}

/// Output, for `#[preempt::test(seeds = 200)]`; `seed = 7` is `Seeds::One(7)`:
/// ```text
/// {
///     ::preempt::__private::seeds::run(
///         ::preempt::__private::seeds::Seeds::Many(200),
///         |runtime| runtime.block_on(async { BODY }),
///     )
/// }
/// ```
/// The function then returns `ExitCode` if it returned anything, as the last output says nothing about the
/// other seeds.
fn seeded(
    options: &Options,
    seeds: Seeds,
    body: &Block,
    output: &ReturnType,
    span: proc_macro2::Span,
) -> Box<Block> {
    let root = options.root.at(span);
    let seeds = match seeds {
        Seeds::One(seed) => quote_spanned!(span=> One(#seed)),
        Seeds::Many(count) => quote_spanned!(span=> Many(#count)),
    };
    let run = quote_spanned! {span=>
        #root::__private::seeds::run(
            #root::__private::seeds::Seeds::#seeds,
            |runtime| runtime.block_on(async #body),
        )
    };
    match output {
        // What returns nothing fails by a panic only.
        ReturnType::Default => syn::parse_quote_spanned!(span=> { let _success = #run; }),
        ReturnType::Type(..) => syn::parse_quote_spanned!(span=> { #run }),
    }
}

fn builder(options: &Options, span: proc_macro2::Span) -> TokenStream {
    let root = options.root.at(span);
    let new = match options.flavor {
        Flavor::CurrentThread => quote_spanned!(span=> new_current_thread()),
        Flavor::MultiThread => quote_spanned!(span=> new_multi_thread()),
    };
    let start_paused = options.start_paused.map(|on| quote_spanned!(span=> .start_paused(#on)));
    let workers = options.worker_threads.map(|n| quote_spanned!(span=> .worker_threads(#n)));
    quote_spanned! {span=>
        #root::runtime::Builder::#new
            #workers
            #start_paused
            .enable_all()
            .build()
            .expect("the runtime could not be built")
    }
}

/// Tells the compiler what the body returns, before it reads the body: then `?` in it needs no
/// annotation, and a value of the wrong type is an error at that value.
///
/// Output:
/// ```text
/// {
///     if let Some(output) = None::<OUTPUT> { return output; }
///     BODY
/// }
/// ```
/// A type that cannot be named there (`!`, `impl Trait`) is left to inference.
fn pin_output(output: &ReturnType, mut body: Block) -> Block {
    let span = generated(body.brace_token.span.open());
    let output = match output {
        ReturnType::Default => quote_spanned!(span=> ()),
        ReturnType::Type(_, ty) if can_be_named(output) => ty.to_token_stream(),
        ReturnType::Type(..) => return body,
    };
    let pin: Stmt = syn::parse_quote_spanned! {span=>
        if let ::core::option::Option::Some(output) = ::core::option::Option::None::<#output> {
            return output;
        }
    };
    body.stmts.insert(0, pin);
    body
}

fn can_be_named(output: &ReturnType) -> bool {
    struct Unnameable(bool);
    impl<'ast> Visit<'ast> for Unnameable {
        fn visit_type_impl_trait(&mut self, _: &'ast TypeImplTrait) {
            self.0 = true;
        }
        fn visit_type_never(&mut self, _: &'ast TypeNever) {
            self.0 = true;
        }
    }
    let mut found = Unnameable(false);
    visit::visit_return_type(&mut found, output);
    !found.0
}

#[cfg(test)]
mod tests;
