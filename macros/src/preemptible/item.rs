//! Which items `#[preemptible]` accepts, and how it finds the functions in them.
//!
//! On a function it means that function, and a function that cannot have checks is an error. On
//! an `impl` block, a trait or an inline module it means every function inside that can have
//! checks and does not carry the attribute itself; what cannot is passed over. With `cancel`, functions
//! in it that must not unwind get the checks that do not.

use super::checks::Checks;
use super::function;
use super::options::{is_preemptible, take_skip};
use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{
    Attribute, Block, Error, ImplItem, Item, ItemFn, ItemMod, Meta, Result, Signature, TraitItem,
    TraitItemFn,
};

pub(crate) fn instrument(item: &mut Item, checks: &Checks) -> Result<()> {
    match item {
        Item::Fn(item) => annotated(item, checks),
        Item::Impl(_) | Item::Trait(_) | Item::Mod(ItemMod { content: Some(_), .. }) => {
            included(item, checks);
            Ok(())
        }
        other => Err(refuse(other)),
    }
}

fn annotated(item: &mut ItemFn, checks: &Checks) -> Result<()> {
    if let Some(again) = item.attrs.iter().find(|attr| is_preemptible(attr)) {
        return Err(Error::new_spanned(again, "`#[preemptible]` is given twice: remove one"));
    }
    if let Some(reason) = cannot_check(&item.sig, &item.attrs) {
        return Err(reason);
    }
    if checks.options.cancel
        && let Some(abi) = function::foreign_abi(&item.sig)
    {
        let message = "`#[preemptible(cancel)]` does not apply to an `extern` function that must not \
            unwind: a check that finds the poll cancelled would abort the process; remove `cancel`, \
            or use an ABI that unwinds, such as `extern \"C-unwind\"`";
        return Err(Error::new_spanned(abi, message));
    }
    function::instrument(&item.sig, &mut item.block, checks);
    Ok(())
}

/// Instruments an item of an annotated module, or the `impl` block or trait that is annotated.
fn contained(item: &mut Item, checks: &Checks) {
    let attrs = match item {
        Item::Fn(item) => &mut item.attrs,
        Item::Impl(item) => &mut item.attrs,
        Item::Mod(item) => &mut item.attrs,
        Item::Trait(item) => &mut item.attrs,
        _ => return,
    };
    if is_included(attrs) {
        included(item, checks);
    }
}

fn included(item: &mut Item, checks: &Checks) {
    match item {
        Item::Fn(f) => in_function(&f.attrs, &f.sig, &mut f.block, checks),
        Item::Impl(block) => {
            for item in &mut block.items {
                if let ImplItem::Fn(f) = item
                    && is_included(&mut f.attrs)
                {
                    in_function(&f.attrs, &f.sig, &mut f.block, checks);
                }
            }
        }
        Item::Trait(definition) => {
            for item in &mut definition.items {
                if let TraitItem::Fn(f) = item
                    && let Some(body) = &mut f.default
                    && is_included(&mut f.attrs)
                {
                    in_function(&f.attrs, &f.sig, body, checks);
                }
            }
        }
        Item::Mod(ItemMod { content: Some((_, items)), .. }) => {
            items.iter_mut().for_each(|item| contained(item, checks));
        }
        _ => {}
    }
}

/// Passes over what cannot have checks.
fn in_function(attrs: &[Attribute], sig: &Signature, body: &mut Block, checks: &Checks) {
    if cannot_check(sig, attrs).is_none() {
        function::instrument(sig, body, checks);
    }
}

/// Whether an item is neither marked to be skipped nor has an attribute of its own. Takes the
/// marker away.
fn is_included(attrs: &mut Vec<Attribute>) -> bool {
    !take_skip(attrs) && !attrs.iter().any(is_preemptible)
}

/// Why a function cannot have checks.
fn cannot_check(sig: &Signature, attrs: &[Attribute]) -> Option<Error> {
    if let Some(token) = sig.constness {
        let message = "`#[preemptible]` does not apply to a `const fn`: a check reads this \
            thread's state, which constant evaluation cannot; remove `const` or the attribute";
        return Some(Error::new(token.span, message));
    }
    let naked = attrs.iter().find(|attr| is_naked(attr))?;
    let message = "`#[preemptible]` does not apply to a naked function: its body is assembly \
        only; call `checkpoint()` from a function around it";
    Some(Error::new_spanned(naked, message))
}

/// `#[unsafe(naked)]`
fn is_naked(attr: &Attribute) -> bool {
    match &attr.meta {
        Meta::List(list) => list.path.is_ident("unsafe") && list.tokens.to_string() == "naked",
        _ => false,
    }
}

fn refuse(item: &Item) -> Error {
    let (kind, span) = describe(item);
    let message = match item {
        Item::Mod(_) => "`#[preemptible]` cannot see into a module in another file: write the \
            attribute on the functions in that file"
            .to_owned(),
        Item::Verbatim(_) if kind == BODYLESS => "`#[preemptible]` needs a body to put checks \
            in: write the attribute on the function that implements this one"
            .to_owned(),
        _ => format!(
            "`#[preemptible]` does not apply to {kind}: write it on a function, or on an `impl` \
             block, trait or inline module for all functions in it"
        ),
    };
    Error::new(span, message)
}

const BODYLESS: &str = "a function without a body";

/// What an item that is refused is called, and the token to point at.
fn describe(item: &Item) -> (&'static str, Span) {
    match item {
        Item::Const(item) => ("a constant", item.const_token.span),
        Item::Enum(item) => ("an enum", item.enum_token.span),
        Item::ExternCrate(item) => ("an `extern crate`", item.extern_token.span),
        Item::ForeignMod(item) => ("a block of foreign items", item.abi.extern_token.span),
        Item::Macro(item) => ("a macro invocation", item.mac.path.span()),
        Item::Mod(item) => ("a module in another file", item.mod_token.span),
        Item::Static(item) => ("a static", item.static_token.span),
        Item::Struct(item) => ("a struct", item.struct_token.span),
        Item::TraitAlias(item) => ("a trait alias", item.trait_token.span),
        Item::Type(item) => ("a type alias", item.type_token.span),
        Item::Union(item) => ("a union", item.union_token.span),
        Item::Use(item) => ("a `use`", item.use_token.span),
        Item::Verbatim(tokens) => match syn::parse2::<TraitItemFn>(tokens.clone()) {
            Ok(declaration) => (BODYLESS, declaration.sig.fn_token.span),
            Err(_) => ("this item", tokens.span()),
        },
        other => ("this item", other.to_token_stream().span()),
    }
}
