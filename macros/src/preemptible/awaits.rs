//! Questions about a body's awaits, answered from syntax alone.
//!
//! What closures, async blocks, const blocks and nested items contain is not the body's own.
//! Macro arguments are tokens: an await in them is not seen, which costs a check that is not
//! needed; a `continue` in them is, by its keyword.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Block, Expr, ExprAsync, ExprAwait, ExprClosure, ExprConst, ExprContinue, Item, Macro, Stmt,
};

/// Whether code may await.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    Sync,
    Async,
}

/// Whether `body` contains an await of its own.
pub(crate) fn any_in(body: &Block) -> bool {
    found(|found| found.visit_block(body))
}

/// Whether what `look` visits contains an await of its own.
pub(crate) fn found(look: impl FnOnce(&mut Found)) -> bool {
    let mut found = Found::default();
    look(&mut found);
    found.awaits
}

/// Whether an iteration cannot reach the loop's end, or a `continue`, without an await: each
/// `break`, `return` and `?` leaves the loop, and needs none.
pub(crate) fn in_each_iteration(body: &Block) -> bool {
    for stmt in &body.stmts {
        if continues(stmt) {
            return false;
        }
        if surely_in_stmt(stmt) {
            return true;
        }
    }
    false
}

/// Whether evaluating `expr` awaits, whichever way it goes. May answer `false` for a yes.
pub(crate) fn surely_in(expr: &Expr) -> bool {
    let either = |a: &Expr, b: &Expr| surely_in(a) || surely_in(b);
    match expr {
        Expr::Await(_) => true,
        Expr::Array(e) => e.elems.iter().any(surely_in),
        Expr::Assign(e) => either(&e.left, &e.right),
        Expr::Binary(e) => {
            let lazy = matches!(e.op, syn::BinOp::And(_) | syn::BinOp::Or(_));
            surely_in(&e.left) || (!lazy && surely_in(&e.right))
        }
        Expr::Block(e) => e.label.is_none() && e.block.stmts.iter().any(surely_in_stmt),
        Expr::Call(e) => surely_in(&e.func) || e.args.iter().any(surely_in),
        Expr::Cast(e) => surely_in(&e.expr),
        Expr::Field(e) => surely_in(&e.base),
        Expr::Group(e) => surely_in(&e.expr),
        Expr::If(e) => surely_in(&e.cond),
        Expr::Index(e) => either(&e.expr, &e.index),
        Expr::Let(e) => surely_in(&e.expr),
        Expr::Match(e) => surely_in(&e.expr),
        Expr::MethodCall(e) => surely_in(&e.receiver) || e.args.iter().any(surely_in),
        Expr::Paren(e) => surely_in(&e.expr),
        Expr::Reference(e) => surely_in(&e.expr),
        Expr::Struct(e) => e.fields.iter().any(|field| surely_in(&field.expr)),
        Expr::Try(e) => surely_in(&e.expr),
        Expr::Tuple(e) => e.elems.iter().any(surely_in),
        Expr::Unary(e) => surely_in(&e.expr),
        Expr::Unsafe(e) => e.block.stmts.iter().any(surely_in_stmt),
        _ => false,
    }
}

fn surely_in_stmt(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Local(local) => local.init.as_ref().is_some_and(|init| surely_in(&init.expr)),
        Stmt::Expr(expr, _) => surely_in(expr),
        Stmt::Item(_) | Stmt::Macro(_) => false,
    }
}

fn continues(stmt: &Stmt) -> bool {
    let mut found = Found::default();
    found.visit_stmt(stmt);
    found.continues
}

/// What has been seen.
#[derive(Default)]
pub(crate) struct Found {
    awaits: bool,
    continues: bool,
}

impl<'ast> Visit<'ast> for Found {
    fn visit_expr_await(&mut self, expr: &'ast ExprAwait) {
        self.awaits = true;
        visit::visit_expr_await(self, expr);
    }

    fn visit_expr_continue(&mut self, _: &'ast ExprContinue) {
        self.continues = true;
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        self.continues |= mentions_continue(mac.tokens.clone());
    }

    fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}
    fn visit_expr_const(&mut self, _: &'ast ExprConst) {}
    fn visit_item(&mut self, _: &'ast Item) {}
}

fn mentions_continue(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "continue",
        TokenTree::Group(group) => mentions_continue(group.stream()),
        _ => false,
    })
}
