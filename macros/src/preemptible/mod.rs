//! `#[preemptible]`: puts checks into functions.
//!
//! | file       | owns                                                                      |
//! |------------|---------------------------------------------------------------------------|
//! | `mod`      | the entry: arguments, then the item, then errors beside the item           |
//! | `item`     | which items are accepted, and the functions in them                        |
//! | `function` | the check at a function's entry                                            |
//! | `loops`    | the checks of loops: which kind, where, and where there must be none       |
//! | `awaits`   | questions about a body: does it await, does each iteration surely await    |
//! | `checks`   | the tokens of each kind of check                                           |

mod awaits;
mod checks;
mod function;
mod item;
mod loops;

use crate::error;
use crate::settings::{self, Root};
use checks::Checks;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Result;

const OPTIONS: &[&str] = &["crate"];

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    instrument(args, item.clone()).unwrap_or_else(|error| error::beside(&error, &item))
}

fn instrument(args: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let checks = Checks::new(root(args)?);
    let mut item = syn::parse2(item)?;
    item::instrument(&mut item, &checks)?;
    Ok(item.into_token_stream())
}

fn root(args: TokenStream) -> Result<Root> {
    let mut path = None;
    settings::read(args, "`#[preemptible]`", OPTIONS, |setting| {
        path = Some(setting.path()?);
        Ok(())
    })?;
    Ok(Root::new(path))
}

#[cfg(test)]
mod tests;
