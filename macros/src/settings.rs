//! The argument list of an attribute: `name = value, ..`, and the values that it can hold.
//!
//! Each macro names its options and takes the settings one at a time; unknown names, duplicates
//! and missing values are refused here, in the same words for all macros.

use crate::error::Errors;
use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use std::fmt::Display;
use std::str::FromStr;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Result, Token};

/// One `name = value`.
pub(crate) struct Setting {
    pub(crate) name: Ident,
    value: Option<Expr>,
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input.call(Ident::parse_any)?;
        let equals: Option<Token![=]> = input.parse()?;
        let value = equals.map(|_| input.parse()).transpose()?;
        Ok(Setting { name, value })
    }
}

impl Setting {
    /// The value of `crate = path`. A string is read as a path, as tokio's macros do.
    pub(crate) fn path(&self) -> Result<Path> {
        let value = self.value("a path to a crate")?;
        let path = match value {
            Expr::Path(value) if value.qself.is_none() => Some(value.path.clone()),
            Expr::Lit(ExprLit { lit: Lit::Str(value), .. }) => {
                value.parse_with(Path::parse_mod_style).ok()
            }
            _ => None,
        };
        path.ok_or_else(|| self.expected("a path to a crate", value))
    }

    pub(crate) fn string(&self) -> Result<&LitStr> {
        match self.value("a string")? {
            Expr::Lit(ExprLit { lit: Lit::Str(value), .. }) => Ok(value),
            other => Err(self.expected("a string", other)),
        }
    }

    /// An integer, and where it stands.
    pub(crate) fn integer<N: FromStr<Err: Display>>(&self) -> Result<(N, Span)> {
        match self.value("an integer")? {
            Expr::Lit(ExprLit { lit: Lit::Int(value), .. }) => {
                Ok((value.base10_parse()?, value.span()))
            }
            other => Err(self.expected("an integer", other)),
        }
    }

    /// `true` or `false`, and where it stands.
    pub(crate) fn boolean(&self) -> Result<(bool, Span)> {
        match self.value("`true` or `false`")? {
            Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) => Ok((value.value, value.span)),
            other => Err(self.expected("`true` or `false`", other)),
        }
    }

    /// `name` alone, or `name = true` or `false`.
    pub(crate) fn switch(&self) -> Result<bool> {
        if self.value.is_none() { Ok(true) } else { Ok(self.boolean()?.0) }
    }

    fn value(&self, kind: &str) -> Result<&Expr> {
        self.value.as_ref().ok_or_else(|| {
            let name = &self.name;
            Error::new(name.span(), format!("`{name}` needs {kind}: write `{name} = ..`"))
        })
    }

    fn expected(&self, kind: &str, found: &Expr) -> Error {
        Error::new_spanned(found, format!("`{}` must be {kind}", self.name))
    }
}

/// Hands each setting of `args` to `take`, which is called with names from `known` only, with each
/// at most once. `attribute` is what messages call the macro. Reports every error, not just the
/// first.
pub(crate) fn read(
    args: TokenStream,
    attribute: &str,
    known: &[&str],
    mut take: impl FnMut(&Setting) -> Result<()>,
) -> Result<()> {
    let settings = Punctuated::<Setting, Token![,]>::parse_terminated.parse2(args)?;
    let mut errors = Errors::default();
    for (position, setting) in settings.iter().enumerate() {
        let name = &setting.name;
        if !known.iter().any(|option| name == option) {
            errors.push(unknown(name, attribute, known));
        } else if settings.iter().take(position).any(|earlier| earlier.name == *name) {
            errors.push(Error::new(name.span(), format!("`{name}` is set twice: remove one")));
        } else {
            errors.check(take(setting));
        }
    }
    errors.into_result()
}

fn unknown(name: &Ident, attribute: &str, known: &[&str]) -> Error {
    let known = known.iter().map(|option| format!("`{option}`")).collect::<Vec<_>>().join(", ");
    Error::new(name.span(), format!("unknown option `{name}`: {attribute} knows {known}"))
}

/// The path that generated code starts with: `crate = path`, else the facade.
pub(crate) struct Root(Option<Path>);

impl Root {
    pub(crate) fn new(path: Option<Path>) -> Self {
        Root(path)
    }

    /// The path; where it is not the user's own, it points at `span`.
    pub(crate) fn at(&self, span: Span) -> TokenStream {
        self.exactly_at(generated(span))
    }

    /// The path, as if the user had written it at `span`.
    pub(crate) fn exactly_at(&self, span: Span) -> TokenStream {
        match &self.0 {
            Some(path) => path.to_token_stream(),
            None => quote::quote_spanned!(span=> ::preempt),
        }
    }
}

/// For generated tokens: errors point at the user's `span`, names resolve where the macro is
/// defined, and lints know that the user did not write this.
pub(crate) fn generated(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}
