//! The tokens of the checks. Each is given the user's token that it belongs to (a loop's keyword,
//! `fn`, `await`), and points there when the compiler has something to say about it.

use super::names::Names;
use super::options::Options;
use crate::settings::generated;
use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use std::cell::Cell;
use syn::spanned::Spanned;
use syn::{Block, Expr, Ident, Lifetime, Stmt, parse_quote, parse_quote_spanned};

/// Writes checks that call into `<root>::__private`.
pub(crate) struct Checks {
    pub(crate) options: Options,
    /// What is known of the functions in the annotated item.
    pub(crate) names: Names,
    labels: Cell<usize>,
    /// Whether the checks of the function at hand may unwind.
    cancel: Cell<bool>,
}

impl Checks {
    pub(crate) fn new(options: Options, names: Names) -> Self {
        Checks { options, names, labels: Cell::new(0), cancel: Cell::new(false) }
    }

    /// The checks that follow are of a function, which may be unwound or not.
    pub(crate) fn begin_function(&self, may_unwind: bool) {
        self.cancel.set(self.options.cancel && may_unwind);
    }

    /// A label that nobody else uses.
    pub(crate) fn label(&self, span: Span) -> Lifetime {
        let number = self.labels.get();
        self.labels.set(number + 1);
        Lifetime::new(&format!("'strips{number}"), span)
    }

    /// `::preempt::__private`; `span` is one for generated tokens.
    pub(crate) fn private(&self, span: Span) -> TokenStream {
        let root = self.options.root.at(span);
        quote_spanned!(span=> #root::__private)
    }

    /// Output: `::preempt::__private::checkpoint();`, with the option `cancel`
    /// `::preempt::__private::checkpoint_or_cancel();`
    pub(crate) fn checkpoint(&self, span: Span) -> Stmt {
        let name = if self.cancel.get() { "checkpoint_or_cancel" } else { "checkpoint" };
        let checkpoint = self.function(name, span);
        let call = quote_spanned!(generated(span)=> #checkpoint(););
        parse_quote!(#call)
    }

    /// The method of a stride that ends a strip with a check.
    pub(crate) fn end_strip(&self, span: Span) -> Ident {
        let name = if self.cancel.get() { "end_strip_or_cancel" } else { "end_strip" };
        Ident::new(name, span)
    }

    /// Output:
    /// ```text
    /// if ::preempt::__private::preempt_requested() {
    ///     ::preempt::__private::yield_now().await;
    /// }
    /// ```
    pub(crate) fn yield_point(&self, span: Span) -> Stmt {
        let requested = self.function("preempt_requested", span);
        let yield_now = self.function("yield_now", span);
        let check = quote_spanned!(generated(span)=> if #requested() { #yield_now().await; });
        parse_quote!(#check)
    }

    /// Input: `FUTURE` of a `FUTURE.await`
    ///
    /// Output: `::preempt::__private::give_way(FUTURE)`
    ///
    /// With the user's own spans, not generated ones: the compiler speaks of the value of an await by
    /// the span of the whole, which it cannot tell if a part of it is from elsewhere.
    pub(crate) fn give_way(&self, future: &Expr) -> Expr {
        let span = future.span();
        let root = self.options.root.exactly_at(span);
        parse_quote_spanned!(span=> #root::__private::give_way(#future))
    }

    fn function(&self, name: &str, span: Span) -> TokenStream {
        let span = generated(span);
        let private = self.private(span);
        let name = Ident::new(name, span);
        quote_spanned!(span=> #private::#name)
    }
}

/// Puts `check` in front of a body, behind the items that it starts with: `use` and `fn` in front
/// of the first statement is the order that readers and `clippy::items_after_statements` expect.
pub(crate) fn insert(check: Stmt, body: &mut Block) {
    let items = body.stmts.iter().take_while(|stmt| matches!(stmt, Stmt::Item(_))).count();
    body.stmts.insert(items, check);
}
