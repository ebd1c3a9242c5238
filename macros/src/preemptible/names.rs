//! What a call costs, as far as its name tells.

use std::collections::HashMap;
use syn::{Expr, ExprCall, ExprMethodCall, ImplItem, Item, ItemMod, Signature, TraitItem};

/// The functions of an annotated `impl` block, trait or module that do not loop and call nobody who
/// may take long.
///
/// A function counts by its name: where two have the same one, or a local closure takes it, the
/// answer may be wrong. It only decides how often there is a check.
#[derive(Default)]
pub(crate) struct Names {
    functions: HashMap<String, u64>,
    methods: HashMap<String, u64>,
}

/// More than this is no detail of its caller.
const LEAF: u64 = 256;

impl Names {
    /// Looks through an item. Functions that call such functions are found in the next round.
    pub(crate) fn of(item: &Item) -> Names {
        const ROUNDS: usize = 4;
        let mut names = Names::default();
        for _ in 0..ROUNDS {
            let mut next = Names::default();
            names.collect(item, &mut next);
            names = next;
        }
        names
    }

    fn collect(&self, item: &Item, found: &mut Names) {
        match item {
            Item::Fn(f) => self.note(&f.sig, &f.block, found),
            Item::Impl(block) => {
                for item in &block.items {
                    if let ImplItem::Fn(f) = item {
                        self.note(&f.sig, &f.block, found);
                    }
                }
            }
            Item::Trait(definition) => {
                for item in &definition.items {
                    if let TraitItem::Fn(f) = item
                        && let Some(body) = &f.default
                    {
                        self.note(&f.sig, body, found);
                    }
                }
            }
            Item::Mod(ItemMod { content: Some((_, items)), .. }) => {
                items.iter().for_each(|item| self.collect(item, found));
            }
            _ => {}
        }
    }

    fn note(&self, sig: &Signature, body: &syn::Block, found: &mut Names) {
        let weight = self.weigh_block(body);
        if weight.is_bounded() && weight.operations <= LEAF && sig.asyncness.is_none() {
            let is_method = sig.receiver().is_some();
            let names = if is_method { &mut found.methods } else { &mut found.functions };
            names.insert(sig.ident.to_string(), weight.operations);
        }
    }

    /// What a call of a function costs, without its arguments; `None` if that is not known.
    pub(crate) fn call(&self, call: &ExprCall) -> Option<u64> {
        let Expr::Path(path) = &*call.func else { return None };
        let segments = &path.path.segments;
        let name = segments.last()?.ident.to_string();
        if is_constructor(&name) {
            return Some(1);
        }
        let of_self = segments.len() == 2 && segments[0].ident == "Self";
        let own = match segments.len() {
            1 => self.functions.get(&name),
            2 if of_self => self.functions.get(&name).or_else(|| self.methods.get(&name)),
            _ => None,
        };
        own.copied().or_else(|| cost(&name))
    }

    /// What a call of a method costs.
    pub(crate) fn method_call(&self, call: &ExprMethodCall) -> Option<u64> {
        let name = call.method.to_string();
        let of_self = matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self"));
        let own = if of_self { self.methods.get(&name) } else { None };
        own.copied().or_else(|| cost(&name))
    }
}

/// What a division costs.
pub(crate) const DIVISION: u64 = 8;
/// What a function of libm costs.
const TRANSCENDENTAL: u64 = 32;

/// `Some(..)`, `Point(..)`: by convention.
fn is_constructor(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

/// What functions and methods of std with this name cost, where an adapter of iterators costs nothing
/// until it is asked for items; `None` for names that say nothing.
fn cost(name: &str) -> Option<u64> {
    const PREFIXES: &[&str] = &[
        "wrapping_",
        "checked_",
        "saturating_",
        "overflowing_",
        "unchecked_",
        "is_ascii",
        "to_ascii",
    ];
    let cheap = match name {
        "abs" | "abs_diff" | "signum" | "min" | "max" | "clamp" | "pow" | "powi" | "rem_euclid"
        | "mul_add" | "floor" | "ceil" | "round" | "fract" | "recip" | "to_radians"
        | "to_degrees" | "is_nan" | "is_finite" | "is_infinite" | "to_bits" | "from_bits"
        | "count_ones" | "count_zeros" | "leading_zeros" | "trailing_zeros" | "rotate_left"
        | "rotate_right" | "swap_bytes" | "reverse_bits" | "to_be" | "to_le" | "to_be_bytes"
        | "to_le_bytes" | "to_ne_bytes" | "from_be_bytes" | "from_le_bytes" | "from_ne_bytes"
        | "is_power_of_two" | "next_power_of_two" | "cast" | "len" | "is_empty" | "is_some"
        | "is_none" | "is_ok" | "is_err" | "unwrap" | "expect" | "unwrap_or"
        | "unwrap_or_default" | "ok" | "err" | "as_ref" | "as_mut" | "as_slice"
        | "as_mut_slice" | "as_bytes" | "as_str" | "as_ptr" | "as_mut_ptr" | "get" | "get_mut"
        | "get_unchecked" | "get_unchecked_mut" | "first" | "last" | "swap" | "take" | "set"
        | "load" | "store" | "push" | "pop" | "iter" | "iter_mut" | "from" | "into"
        | "try_from" | "try_into" | "add" | "offset" | "cmp" | "partial_cmp" | "total_cmp"
        | "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "size_of" | "black_box" | "zip"
        | "enumerate" | "rev" | "step_by" | "skip" | "chunks" | "chunks_mut" | "chunks_exact"
        | "chunks_exact_mut" | "windows" | "by_ref" | "into_iter" | "bytes" | "chars"
        | "char_indices" | "peekable" | "copied" | "split_at" | "split_at_mut" | "as_deref" => 2,
        "sqrt" => DIVISION,
        "sin" | "cos" | "tan" | "sin_cos" | "asin" | "acos" | "atan" | "atan2" | "exp" | "exp2"
        | "ln" | "log" | "log2" | "log10" | "powf" | "hypot" | "cbrt" | "sinh" | "cosh"
        | "tanh" => TRANSCENDENTAL,
        _ if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => 2,
        _ => return None,
    };
    Some(cheap)
}
