//! The check at a function's entry, which covers recursion and call chains without loops.
//!
//! Functions that call nobody who may take long need none. In the others it comes as late as it can
//! and still be ahead of every such call, so that the base cases of a recursion stay free:
//!
//! ```text
//! fn f(n: u64) -> u64 {                       fn f(n: u64) -> u64 {
//!     if n < 2 { n } else { f(n - 1) }            if n < 2 { n } else { checkpoint(); f(n - 1) }
//! }                                           }
//! ```
//!
//! An `async fn` that awaits yields, and does so first of all:
//!
//! ```text
//! async fn f(..) { BODY }    async fn f(..) { if preempt_requested() { yield_now().await } BODY }
//! ```
//! There only the arguments are live. They are part of its future from the start, so the new await
//! can make no future lose `Send`, and being dropped there is being dropped before the user's code
//! has begun.
//!
//! An `async fn` whose body never awaits gets the sync check: keeping the arguments across an await
//! doubles such a future (`async fn f(b: [u8; 1024])`: 1025 to 2050 bytes, rustc 1.95).

use super::awaits::{self, Context};
use super::checks::{Checks, insert};
use super::loops;
use proc_macro2::Span;
use syn::{Abi, Block, Expr, ExprBlock, LitStr, Signature, Stmt};

pub(crate) fn instrument(sig: &Signature, body: &mut Block, checks: &Checks) {
    checks.begin_function(foreign_abi(sig).is_none());
    let context = if sig.asyncness.is_some() { Context::Async } else { Context::Sync };
    let span = sig.fn_token.span;
    let yields = context == Context::Async && awaits::any_in(body);
    let calls = checks.names.weigh_block(body).calls;
    if !yields && checks.options.entry.unwrap_or(calls) {
        if calls {
            ahead_of_calls(body, checks, span);
        } else {
            insert(checks.checkpoint(span), body);
        }
    }
    loops::instrument(body, context, checks);
    if yields && checks.options.entry != Some(false) {
        insert(checks.yield_point(span), body);
    }
}

/// The ABI of a function that a panic, and so a check with `cancel`, cannot leave: it would abort.
pub(crate) fn foreign_abi(sig: &Signature) -> Option<&Abi> {
    let unwinds = |name: &LitStr| name.value() == "Rust" || name.value().ends_with("-unwind");
    sig.abi.as_ref().filter(|abi| !abi.name.as_ref().is_some_and(unwinds))
}

/// Puts a check where every path to a call comes by, and no other if possible.
fn ahead_of_calls(block: &mut Block, checks: &Checks, span: Span) {
    let calls = |stmt: &Stmt| checks.names.weigh_stmt(stmt).calls;
    let Some(first) = block.stmts.iter().position(calls) else { return };
    let is_last = !block.stmts[first + 1..].iter().any(calls);
    if is_last
        && let Stmt::Expr(expr, _) = &mut block.stmts[first]
        && into_branches(expr, checks, span)
    {
        return;
    }
    block.stmts.insert(first, checks.checkpoint(span));
}

/// Puts checks into those branches of `expr` that call. False if it calls outside of them.
fn into_branches(expr: &mut Expr, checks: &Checks, span: Span) -> bool {
    match expr {
        Expr::If(expr) if !checks.names.weigh_expr(&expr.cond).calls => {
            ahead_of_calls(&mut expr.then_branch, checks, span);
            if let Some((_, branch)) = &mut expr.else_branch {
                in_branch(branch, checks, span);
            }
        }
        Expr::Match(expr)
            if !checks.names.weigh_expr(&expr.expr).calls
                // A guard is part of the pattern.
                && !expr.arms.iter().any(|arm| checks.names.weigh_pat(&arm.pat).calls) =>
        {
            expr.arms.iter_mut().for_each(|arm| in_branch(&mut arm.body, checks, span));
        }
        Expr::Block(expr) => ahead_of_calls(&mut expr.block, checks, span),
        Expr::Unsafe(expr) => ahead_of_calls(&mut expr.block, checks, span),
        _ => return false,
    }
    true
}

fn in_branch(branch: &mut Expr, checks: &Checks, span: Span) {
    if !checks.names.weigh_expr(branch).calls || into_branches(branch, checks, span) {
        return;
    }
    let stmts = vec![checks.checkpoint(span), Stmt::Expr(branch.clone(), None)];
    let block = Block { brace_token: syn::token::Brace(span), stmts };
    *branch = Expr::Block(ExprBlock { attrs: Vec::new(), label: None, block });
}
