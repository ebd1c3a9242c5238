//! `#[preemptible]`: puts checks into functions.
//!
//! | file       | owns                                                                      |
//! |------------|---------------------------------------------------------------------------|
//! | `mod`      | the entry: arguments, then the item, then errors beside the item           |
//! | `options`  | the arguments, and the marker `skip`                                       |
//! | `fragments`| keeps the arguments of macros in one piece                                 |
//! | `item`     | which items are accepted, and the functions in them                        |
//! | `function` | the check at a function's entry                                            |
//! | `loops`    | finds the loops, and the code in which there must be no checks             |
//! | `plan`     | which checks a loop gets                                                   |
//! | `weight`   | what can be told of code from its syntax                                   |
//! | `names`    | what a call costs, as far as its name tells                                |
//! | `jumps`    | the ways out of a loop, and code that cannot be seen through               |
//! | `awaits`   | questions about a body: does it await, does each iteration surely await    |
//! | `checks`   | the tokens of single checks                                                |
//! | `strips`   | the tokens of strip-mined loops                                            |

mod awaits;
mod checks;
mod fragments;
mod function;
mod item;
mod jumps;
mod loops;
mod names;
mod options;
mod plan;
mod strips;
mod weight;

use crate::error;
use checks::Checks;
use names::Names;
use options::Options;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Result;

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    instrument(args, item.clone()).unwrap_or_else(|error| error::beside(&error, &item))
}

fn instrument(args: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(args)?;
    let mut item = syn::parse2(fragments::open_lets(item))?;
    fragments::enclose(&mut item);
    let checks = Checks::new(options, Names::of(&item));
    item::instrument(&mut item, &checks)?;
    Ok(item.into_token_stream())
}

#[cfg(test)]
#[path = "snapshots.rs"]
mod recorded;
#[cfg(test)]
mod tests;
