//! The options of `#[preemptible]`, and the marker `#[preemptible(skip)]`.

use super::plan::{Plan, Stride};
use crate::settings::{self, Root};
use proc_macro2::TokenStream;
use syn::{Attribute, Error, Meta, Result};

const KNOWN: &[&str] = &["cancel", "crate", "entry", "every", "loops"];

/// What the attribute's arguments say.
pub(crate) struct Options {
    pub(crate) root: Root,
    /// Whether functions check at their entry; the macro decides where this is `None`.
    pub(crate) entry: Option<bool>,
    /// Whether checks end polls that were cancelled, by unwinding.
    pub(crate) cancel: bool,
    every: Option<usize>,
    loops: bool,
}

impl Options {
    pub(crate) fn parse(args: TokenStream) -> Result<Self> {
        let (mut path, mut entry, mut every, mut loops, mut cancel) =
            (None, None, None, true, false);
        if let Ok(marker) = syn::parse2::<syn::Ident>(args.clone())
            && marker == "skip"
        {
            let message = "nothing around this is `#[preemptible]`, so there is nothing to skip: \
                remove the attribute";
            return Err(Error::new(marker.span(), message));
        }
        settings::read(args, "`#[preemptible]`", KNOWN, |setting| {
            match setting.name.to_string().as_str() {
                "cancel" => cancel = setting.switch()?,
                "crate" => path = Some(setting.path()?),
                "entry" => entry = Some(setting.boolean()?.0),
                "loops" => loops = setting.boolean()?.0,
                _ => {
                    let (iterations, span) = setting.integer()?;
                    if !(1..=1 << 20).contains(&iterations) {
                        let message = "`every` must be from 1 to 1048576 iterations";
                        return Err(Error::new(span, message));
                    }
                    every = Some(iterations);
                }
            }
            Ok(())
        })?;
        Ok(Options { root: Root::new(path), entry, cancel, every, loops })
    }

    /// What every loop gets, if the options say so.
    pub(crate) fn plan(&self) -> Option<Plan> {
        if !self.loops {
            return Some(Plan::Plain);
        }
        match self.every? {
            1 => Some(Plan::Each),
            iterations => Some(Plan::Strips(Stride::Fixed(iterations))),
        }
    }
}

/// `#[preemptible]`, with whatever arguments.
pub(crate) fn is_preemptible(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == "preemptible")
}

/// `#[preemptible(skip)]`.
fn is_skip(attr: &Attribute) -> bool {
    match &attr.meta {
        Meta::List(list) => is_preemptible(attr) && list.tokens.to_string() == "skip",
        _ => false,
    }
}

/// Takes the marker away. Whether it was there.
pub(crate) fn take_skip(attrs: &mut Vec<Attribute>) -> bool {
    let before = attrs.len();
    attrs.retain(|attr| !is_skip(attr));
    attrs.len() < before
}
