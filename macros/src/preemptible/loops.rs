//! Finds the loops of a body, and gives them their checks.
//!
//! Sync code, and loops of async code that contain no await, get what `plan` says: strips, or a check
//! at the top of each iteration, or nothing.
//!
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
use super::options::take_skip;
use super::plan::{self, Plan, Stride};
use super::strips;
use proc_macro2::Span;
use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{
    AngleBracketedGenericArguments, Attribute, Block, Expr, ExprAsync, ExprAwait, ExprClosure,
    ExprConst, ExprForLoop, ExprLoop, ExprRepeat, ExprWhile, Item, Local, Type,
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

    fn for_loop(&mut self, expr: &mut ExprForLoop) -> Option<Expr> {
        let awaits = self.awaits(|found| found.visit_block(&expr.body));
        let plan = plan::for_loop(expr, self.checks);
        self.visit_expr_mut(&mut expr.expr);
        self.repeated(|this| this.visit_block_mut(&mut expr.body));
        let stride = self.place(plan, awaits, &mut expr.body, expr.for_token.span)?;
        Some(strips::for_loop(self.checks, stride, expr))
    }

    fn while_loop(&mut self, expr: &mut ExprWhile) -> Option<Expr> {
        let awaits = self.awaits(|found| found.visit_expr_while(expr));
        let surely = awaits::surely_in(&expr.cond);
        let plan = plan::while_loop(expr, self.checks);
        self.repeated(|this| this.visit_expr_mut(&mut expr.cond));
        self.repeated(|this| this.visit_block_mut(&mut expr.body));
        let plan = if surely { Plan::Plain } else { plan };
        let stride = self.place(plan, awaits && !surely, &mut expr.body, expr.while_token.span)?;
        Some(strips::while_loop(self.checks, stride, expr))
    }

    fn endless_loop(&mut self, expr: &mut ExprLoop) -> Option<Expr> {
        let awaits = self.awaits(|found| found.visit_block(&expr.body));
        let plan = plan::endless_loop(expr, self.checks);
        self.repeated(|this| this.visit_block_mut(&mut expr.body));
        let stride = self.place(plan, awaits, &mut expr.body, expr.loop_token.span)?;
        Some(strips::endless_loop(self.checks, stride, expr))
    }

    /// Puts the check of a loop into its body, unless it has to become strips: then says which.
    fn place(&self, plan: Plan, awaits: bool, body: &mut Block, keyword: Span) -> Option<Stride> {
        match plan {
            _ if awaits => self.beside_awaits(body, keyword),
            Plan::Plain => {}
            Plan::Each => self.at_the_top(body, keyword),
            Plan::Strips(stride) => return Some(stride),
        }
        None
    }

    /// Whether this loop's own code awaits, and so checks there.
    fn awaits(&self, look: impl FnOnce(&mut awaits::Found)) -> bool {
        self.context == Context::Async && awaits::found(look)
    }

    /// Puts a check at the top of an iteration, if none of its awaits is sure to check.
    fn beside_awaits(&self, body: &mut Block, keyword: Span) {
        if self.checks.options.plan() != Some(Plan::Plain) && !awaits::in_each_iteration(body) {
            self.at_the_top(body, keyword);
        }
    }

    fn at_the_top(&self, body: &mut Block, keyword: Span) {
        insert(self.checks.checkpoint(keyword), body);
    }
}

impl VisitMut for Loops<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if attributes(expr).is_some_and(take_skip) {
            Unmark.visit_expr_mut(expr);
            return;
        }
        let rewritten = match expr {
            Expr::ForLoop(expr) => self.for_loop(expr),
            Expr::While(expr) => self.while_loop(expr),
            Expr::Loop(expr) => self.endless_loop(expr),
            _ => {
                visit_mut::visit_expr_mut(self, expr);
                None
            }
        };
        if let Some(rewritten) = rewritten {
            *expr = rewritten;
        }
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        if take_skip(&mut local.attrs) {
            Unmark.visit_local_mut(local);
        } else {
            visit_mut::visit_local_mut(self, local);
        }
    }

    fn visit_expr_await_mut(&mut self, expr: &mut ExprAwait) {
        visit_mut::visit_expr_await_mut(self, expr);
        if self.context == Context::Async && self.inside {
            *expr.base = self.checks.give_way(&expr.base);
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

    /// Nested items are not part of the body. A marker on one says what is so already.
    fn visit_item_mut(&mut self, item: &mut Item) {
        if let Item::Fn(f) = item {
            take_skip(&mut f.attrs);
        }
    }
}

/// Takes the markers out of code that is skipped anyway.
struct Unmark;

impl VisitMut for Unmark {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Some(attrs) = attributes(expr) {
            take_skip(attrs);
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        take_skip(&mut local.attrs);
        visit_mut::visit_local_mut(self, local);
    }
}

/// The attributes of an expression that can contain loops.
fn attributes(expr: &mut Expr) -> Option<&mut Vec<Attribute>> {
    Some(match expr {
        Expr::Async(expr) => &mut expr.attrs,
        Expr::Block(expr) => &mut expr.attrs,
        Expr::Call(expr) => &mut expr.attrs,
        Expr::Closure(expr) => &mut expr.attrs,
        Expr::ForLoop(expr) => &mut expr.attrs,
        Expr::If(expr) => &mut expr.attrs,
        Expr::Loop(expr) => &mut expr.attrs,
        Expr::Match(expr) => &mut expr.attrs,
        Expr::MethodCall(expr) => &mut expr.attrs,
        Expr::Unsafe(expr) => &mut expr.attrs,
        Expr::While(expr) => &mut expr.attrs,
        _ => return None,
    })
}
