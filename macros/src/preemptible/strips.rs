//! The tokens of strip-mined loops. What they call is explained in `preempt_checkpoint`'s
//! `strips.rs`.
//!
//! A `break` of the user's has to leave both loops, by a static jump: with a variable that says
//! whether it happened, the compiler would not see that what is assigned ahead of a `break` is
//! assigned once. So where there may be one, the inner loop is a `loop` in which the end of a strip
//! is a case of its own, and behind which only a `break` of the user's leads:
//!
//! ```text
//! 'strips: loop {
//!     ..
//!     'user: loop {
//!         if the strip has ended { check; continue 'strips }
//!         if the user's loop has ended { break 'strips }
//!         BODY
//!     }
//!     break 'strips;
//! }
//! ```
//! Macros in the body may hide a `break`. A `continue` finds the inner loop, which is right, in
//! macros too: the body stands where it stood, in a loop with the user's label.
//!
//! Where there is none, the inner loop is a `for` or `while`. A `while` then has one exit for both
//! ends, without which LLVM does not vectorise it.

use super::checks::{Checks, insert};
use super::jumps::{has_hidden_code, jumps};
use super::plan::{self, Stride};
use crate::settings::generated;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    AttrStyle, Attribute, Block, Expr, ExprForLoop, ExprLoop, ExprWhile, Lifetime, Stmt,
    parse_quote, parse_quote_spanned,
};

/// What all three forms need.
struct Parts {
    span: Span,
    /// `::preempt::__private`
    private: TokenStream,
    /// Items and variables ahead of the outer loop.
    prologue: TokenStream,
    /// The length of a strip.
    stride: TokenStream,
    /// At most this many iterations need no check: a constant.
    short: TokenStream,
    /// The check after a strip.
    check: TokenStream,
    /// The outer loop's label.
    outer: Lifetime,
}

impl Parts {
    fn new(checks: &Checks, stride: Stride, keyword: Span) -> Self {
        let span = generated(keyword);
        let private = checks.private(span);
        let outer = checks.label(span);
        let first = match stride {
            Stride::Fixed(iterations) => iterations,
            Stride::Learned { first, .. } => first as usize,
        };
        let short = quote_spanned!(span=> #first);
        let (prologue, stride, check) = match stride {
            Stride::Fixed(_) => {
                let check = checks.checkpoint(keyword);
                (TokenStream::new(), short.clone(), check.into_token_stream())
            }
            Stride::Learned { first, most } => {
                // Loops that are over soon do not even look at what was learned, unless nothing is
                // known of what they do.
                let start = if first > plan::FEW {
                    short.clone()
                } else {
                    quote_spanned!(span=> __STRIDE.get())
                };
                let end_strip = checks.end_strip(span);
                (
                    quote_spanned!(span=>
                        static __STRIDE: #private::Stride = #private::Stride::new(#first, #most);
                        let mut __stride = #start;
                        let mut __clock = 0;
                    ),
                    quote_spanned!(span=> __stride),
                    quote_spanned!(span=>
                        __clock = __STRIDE.#end_strip(__clock);
                        __stride = __STRIDE.get();
                    ),
                )
            }
        };
        Parts { span, private, prologue, stride, short, check, outer }
    }
}

pub(crate) fn for_loop(checks: &Checks, stride: Stride, expr: &ExprForLoop) -> Expr {
    let ExprForLoop { attrs, label, pat, expr: iterable, body, .. } = expr;
    let Parts { span, private, prologue, stride, short, check, outer } =
        Parts::new(checks, stride, expr.for_token.span);
    // What is not an iterator is an error at the expression, and the same one each time.
    let at = generated(iterable.span());
    let private_there = checks.private(at);
    let take =
        quote_spanned!(at=> #private_there::Strips::next(__strips, &mut __iter, &mut __left));
    let is_done =
        quote_spanned!(at=> #private_there::Strips::is_done(__strips, &mut __iter, __left));
    let (for_token, in_token) = (expr.for_token, expr.in_token);
    let strips = if jumps(body, label.as_ref()).may_break() {
        quote_spanned!(span=>
            #outer: loop {
                let mut __left = #stride;
                let mut __strip = #take;
                let () = #label loop {
                    match #private::Iterator::next(&mut __strip) {
                        #private::None => {
                            if #is_done {
                                break #outer;
                            }
                            #check
                            continue #outer;
                        }
                        #private::Some(#pat) => #body
                    }
                };
                #[allow(unreachable_code)]
                break #outer;
            }
        )
    } else {
        quote_spanned!(span=>
            loop {
                let mut __left = #stride;
                #label #for_token #pat #in_token #take #body
                if #is_done {
                    break;
                }
                #check
            }
        )
    };
    let is_short = quote_spanned!(at=> #private_there::Strips::is_short(__strips, &__iter, #short));
    let strips = if is_small(body, checks) {
        quote_spanned!(span=>
            if #is_short {
                #label #for_token #pat #in_token __iter #body
            } else {
                #strips
            }
        )
    } else {
        strips
    };
    let attrs = all_outer(attrs);
    let into_iter = quote_spanned!(at=> #private_there::IntoIterator::into_iter);
    let probe = quote_spanned!(at=> (&&&#private_there::Probe(&__iter)).__preempt_strips());
    let strips = quote_spanned!(span=>
        #(#attrs)*
        match #into_iter(#iterable) {
            mut __iter => {
                let __strips = {
                    #[allow(unused_imports)]
                    use #private::{ViaCount as _, ViaNext as _, ViaParts as _};
                    #probe
                };
                #prologue
                #strips;
            }
        }
    );
    parse_quote!(#strips)
}

pub(crate) fn while_loop(checks: &Checks, stride: Stride, expr: &ExprWhile) -> Expr {
    let ExprWhile { attrs, label, cond, body, .. } = expr;
    let Parts { span, prologue, stride, check, outer, .. } =
        Parts::new(checks, stride, expr.while_token.span);
    let while_token = expr.while_token;
    let jumps = jumps(body, label.as_ref());
    let strips = if has_let(cond) || jumps.may_break() {
        let if_token = syn::Token![if](while_token.span);
        quote_spanned!(span=>
            #outer: loop {
                let mut __left = #stride;
                let () = #label loop {
                    if __left == 0 {
                        #check
                        continue #outer;
                    }
                    __left -= 1;
                    #if_token #cond #body else {
                        break #outer;
                    }
                };
                #[allow(unreachable_code)]
                break #outer;
            }
        )
    } else if !plan::counts(cond) || jumps.may_continue() {
        let mut body = body.clone();
        insert(parse_quote_spanned!(span=> __left -= 1;), &mut body);
        quote_spanned!(span=>
            loop {
                let mut __left = #stride;
                #label #while_token __left != 0 && (#cond) #body
                if __left != 0 {
                    break;
                }
                #check
            }
        )
    } else {
        // One condition for both ends, evaluated where it was, and no more often.
        let body = &in_a_block(body, span);
        quote_spanned!(span=>
            let mut __goes_on: bool = #cond;
            loop {
                let mut __left = #stride;
                #label #while_token (__left != 0) & __goes_on {
                    __left -= 1;
                    #body
                    __goes_on = #cond;
                }
                if !__goes_on {
                    break;
                }
                #check
            }
        )
    };
    behind(&prologue, &strips, attrs, span)
}

pub(crate) fn endless_loop(checks: &Checks, stride: Stride, expr: &ExprLoop) -> Expr {
    let ExprLoop { attrs, label, body, .. } = expr;
    let Parts { span, prologue, stride, check, outer, .. } =
        Parts::new(checks, stride, expr.loop_token.span);
    let mut body = body.clone();
    let strips = if jumps(&body, label.as_ref()).may_break() {
        let end_of_strip = quote_spanned!(span=>
            if __left == 0 {
                #check
                continue #outer;
            }
        );
        insert(parse_quote_spanned!(span=> __left -= 1;), &mut body);
        insert(parse_quote!(#end_of_strip), &mut body);
        quote_spanned!(span=>
            #outer: loop {
                let mut __left = #stride;
                #[allow(unreachable_code)]
                break #outer (#label loop #body);
            }
        )
    } else {
        insert(parse_quote_spanned!(span=> __left -= 1;), &mut body);
        quote_spanned!(span=>
            loop {
                let mut __left = #stride;
                #label while __left != 0 #body
                #check
            }
        )
    };
    behind(&prologue, &strips, attrs, span)
}

/// The strips of a `while` or `loop`, in a block with what has to stand ahead of them.
fn behind(prologue: &TokenStream, strips: &TokenStream, attrs: &[Attribute], span: Span) -> Expr {
    let attrs = all_outer(attrs);
    let block = quote_spanned!(span=> { #prologue #strips });
    parse_quote!(#(#attrs)* #block)
}

/// Whether having a body twice costs little, and is possible.
fn is_small(body: &Block, checks: &Checks) -> bool {
    let weight = checks.names.weigh_block(body);
    weight.operations <= 32 && !weight.loops && !has_hidden_code(body)
}

/// The attributes of a loop, those that stand inside its body included: the body gets another place.
fn all_outer(attrs: &[Attribute]) -> impl Iterator<Item = Attribute> {
    attrs.iter().cloned().map(|attr| Attribute { style: AttrStyle::Outer, ..attr })
}

/// A body as a statement that others follow. A block, so that what is declared in it ends with it;
/// but around one expression the compiler thinks braces unnecessary.
fn in_a_block(body: &Block, span: Span) -> TokenStream {
    match &body.stmts[..] {
        [Stmt::Expr(expr, None)] => quote_spanned!(span=> #expr;),
        _ => quote_spanned!(span=> let () = #body;),
    }
}

/// `while let`, and chains with a `let` in them.
fn has_let(cond: &Expr) -> bool {
    match cond {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        Expr::Group(group) => has_let(&group.expr),
        _ => false,
    }
}
