//! Attribute macros.
use proc_macro::TokenStream;

/// To be written.
#[proc_macro_attribute]
pub fn preemptible(_args: TokenStream, item: TokenStream) -> TokenStream {
    item
}
