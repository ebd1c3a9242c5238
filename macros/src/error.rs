//! How the macros report errors: beside the user's item, never instead of it.
//!
//! If the item vanished, each use of it would be one more error, and an editor would lose
//! completion inside the body while the user is still typing the attribute.

use proc_macro2::TokenStream;
use quote::quote;

/// Input: an error and the item that the attribute is on.
///
/// Output: `::core::compile_error! { "message" }` at the error's tokens, and the item untouched.
pub(crate) fn beside(error: &syn::Error, item: &TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#error #item)
}

/// Adds up errors, so that the user sees all of them in one compilation.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Notes the error of `result`, if it is one.
    pub(crate) fn check<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn into_option(self) -> Option<syn::Error> {
        self.0
    }

    /// `Err` with all errors if there were any.
    pub(crate) fn into_result(self) -> syn::Result<()> {
        self.into_option().map_or(Ok(()), Err)
    }
}
