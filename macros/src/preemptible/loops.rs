//! The checks of loops.
//!
//! Sync code, and loops of async code that contain no await, check at the top of each iteration:
//! ```text
//! while COND { BODY }        while COND { checkpoint(); BODY }
//! ```
//! Loops of async code that await check inside those awaits, before the future's first poll:
//! ```text
//! for PAT in ITER {          for PAT in ITER {
//!     FUTURE.await                give_way(FUTURE).await
//! }                          }
//! ```
//! and at the top too unless each iteration surely awaits.
//!
//! Rejected: `if preempt_requested() { yield_now().await }` at the top. A new await changes the
//! program: what is alive there and done with before the user's await (`for p in pointers { let n =
//! unsafe { *p }; send(n).await }`) becomes part of the future, which stops being `Send`; and it
//! is a new point at which the task can be cancelled. Inside an existing await, neither can happen.
//!
//! Const contexts (const blocks, array lengths, generic arguments) and nested items are left
//! alone, macro arguments stay the tokens that they are.

use super::awaits::{self, Context};
use super::checks::{Checks, insert};
use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{
    AngleBracketedGenericArguments, Block, ExprAsync, ExprAwait, ExprClosure, ExprConst,
    ExprForLoop, ExprLoop, ExprRepeat, ExprWhile, Item, Type,
};

pub(crate) fn instrument(body: &mut Block, context: Context, checks: &Checks) {
    Loops { checks, context, inside: false }.visit_block_mut(body);
}

struct Loops<'a> {
    checks: &'a Checks,
    context: Context,
    /// Whether the code visited is inside a loop of this context.
    inside: bool,
}

impl Loops<'_> {
    /// Visits what is evaluated once per iteration.
    fn repeated(&mut self, visit: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.inside, true);
        visit(self);
        self.inside = outside;
    }

    /// Visits a body that runs in a context of its own, as a closure's does.
    fn apart(&mut self, is_async: bool, visit: impl FnOnce(&mut Self)) {
        let context = if is_async { Context::Async } else { Context::Sync };
        visit(&mut Loops { checks: self.checks, context, inside: false });
    }

    /// Puts the check at the top of an iteration, if none of its awaits is sure to check.
    fn back_edge(&mut self, body: &mut Block, keyword: Span, awaits: bool) {
        let awaits = self.context == Context::Async && awaits;
        self.repeated(|this| this.visit_block_mut(body));
        if !awaits {
            insert(self.checks.checkpoint(keyword), body);
        }
    }
}

impl VisitMut for Loops<'_> {
    fn visit_expr_for_loop_mut(&mut self, expr: &mut ExprForLoop) {
        self.visit_expr_mut(&mut expr.expr);
        let awaits = awaits::in_each_iteration(&expr.body);
        self.back_edge(&mut expr.body, expr.for_token.span, awaits);
    }

    fn visit_expr_while_mut(&mut self, expr: &mut ExprWhile) {
        let awaits = awaits::surely_in(&expr.cond) || awaits::in_each_iteration(&expr.body);
        self.repeated(|this| this.visit_expr_mut(&mut expr.cond));
        self.back_edge(&mut expr.body, expr.while_token.span, awaits);
    }

    fn visit_expr_loop_mut(&mut self, expr: &mut ExprLoop) {
        let awaits = awaits::in_each_iteration(&expr.body);
        self.back_edge(&mut expr.body, expr.loop_token.span, awaits);
    }

    fn visit_expr_await_mut(&mut self, expr: &mut ExprAwait) {
        visit_mut::visit_expr_await_mut(self, expr);
        if self.context == Context::Async && self.inside {
            *expr.base = self.checks.give_way(&expr.base, expr.await_token.span);
        }
    }

    fn visit_expr_closure_mut(&mut self, expr: &mut ExprClosure) {
        self.apart(expr.asyncness.is_some(), |this| this.visit_expr_mut(&mut expr.body));
    }

    fn visit_expr_async_mut(&mut self, expr: &mut ExprAsync) {
        self.apart(true, |this| this.visit_block_mut(&mut expr.block));
    }

    /// `[VALUE; LENGTH]`: the length is a constant.
    fn visit_expr_repeat_mut(&mut self, expr: &mut ExprRepeat) {
        self.visit_expr_mut(&mut expr.expr);
    }

    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_angle_bracketed_generic_arguments_mut(
        &mut self,
        _: &mut AngleBracketedGenericArguments,
    ) {
    }
    fn visit_item_mut(&mut self, _: &mut Item) {}
}
