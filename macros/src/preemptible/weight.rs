//! What can be told of code from its syntax: how much it does, and what it may do.
//!
//! Types are not known here, so the answers are estimates that only the choice of a check depends
//! on, never its correctness. Each errs to the side that checks more often: a call is taken for a
//! long one unless `names` knows better.

use super::names::{DIVISION, Names};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    BinOp, Block, Expr, ExprAssign, ExprAsync, ExprBinary, ExprCall, ExprCast, ExprClosure,
    ExprConst, ExprForLoop, ExprIf, ExprIndex, ExprLit, ExprLoop, ExprMatch, ExprMethodCall,
    ExprParen, ExprRange, ExprRepeat, ExprUnary, ExprWhile, Item, Lit, Macro, Pat, RangeLimits,
    Stmt, Token, Type,
};

/// What a piece of code does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weight {
    /// Simple operations, each a fraction of a nanosecond to a few.
    pub(crate) operations: u64,
    /// It calls functions that may take long.
    pub(crate) calls: bool,
    /// It loops a number of times that is not known.
    pub(crate) loops: bool,
    /// It branches, apart from loops.
    pub(crate) branches: bool,
    /// It uses what it has read from memory as an index: each may be a cache miss.
    pub(crate) scatters: bool,
}

impl Weight {
    pub(crate) fn and(self, other: Weight) -> Weight {
        Weight {
            operations: self.operations.saturating_add(other.operations),
            calls: self.calls || other.calls,
            loops: self.loops || other.loops,
            branches: self.branches || other.branches,
            scatters: self.scatters || other.scatters,
        }
    }

    /// Whether `operations` is all there is to it.
    pub(crate) fn is_bounded(self) -> bool {
        !self.calls && !self.loops
    }

    pub(crate) fn times(self, count: u64) -> Weight {
        Weight { operations: self.operations.saturating_mul(count), ..self }
    }
}

/// How many values an expression like `0..8` or `(0..=7).rev()` has.
pub(crate) fn literal_count(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Paren(ExprParen { expr, .. }) => literal_count(expr),
        Expr::MethodCall(ExprMethodCall { receiver, method, args, .. })
            if method == "rev" && args.is_empty() =>
        {
            literal_count(receiver)
        }
        Expr::MethodCall(ExprMethodCall { receiver, method, args, .. }) if method == "step_by" => {
            let step = args.first().and_then(literal).filter(|step| *step > 0)?;
            Some(literal_count(receiver)?.div_ceil(step))
        }
        Expr::Range(ExprRange { start: Some(start), limits, end: Some(end), .. }) => {
            let count = literal(end)?.saturating_sub(literal(start)?);
            Some(match limits {
                RangeLimits::HalfOpen(_) => count,
                RangeLimits::Closed(_) => count.saturating_add(1),
            })
        }
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(value), .. }) => value.base10_parse().ok(),
        _ => None,
    }
}

impl Names {
    pub(crate) fn weigh_block(&self, block: &Block) -> Weight {
        self.weigh(|scale| scale.visit_block(block))
    }

    pub(crate) fn weigh_expr(&self, expr: &Expr) -> Weight {
        self.weigh(|scale| scale.visit_expr(expr))
    }

    pub(crate) fn weigh_stmt(&self, stmt: &Stmt) -> Weight {
        self.weigh(|scale| scale.visit_stmt(stmt))
    }

    pub(crate) fn weigh_pat(&self, pat: &Pat) -> Weight {
        self.weigh(|scale| scale.visit_pat(pat))
    }

    fn weigh(&self, visit: impl FnOnce(&mut Scale<'_>)) -> Weight {
        let mut scale = Scale { weight: Weight::default(), names: self };
        visit(&mut scale);
        scale.weight
    }
}

struct Scale<'a> {
    weight: Weight,
    names: &'a Names,
}

impl Scale<'_> {
    fn add(&mut self, operations: u64) {
        self.weight.operations = self.weight.operations.saturating_add(operations);
    }
}

impl<'ast> Visit<'ast> for Scale<'_> {
    fn visit_expr_binary(&mut self, expr: &'ast ExprBinary) {
        self.weight.branches |= matches!(expr.op, BinOp::And(_) | BinOp::Or(_));
        self.add(match expr.op {
            BinOp::Div(_) | BinOp::DivAssign(_) | BinOp::Rem(_) | BinOp::RemAssign(_) => DIVISION,
            _ => 1,
        });
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_assign(&mut self, expr: &'ast ExprAssign) {
        self.add(1);
        visit::visit_expr_assign(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &'ast ExprUnary) {
        self.add(1);
        visit::visit_expr_unary(self, expr);
    }

    fn visit_expr_cast(&mut self, expr: &'ast ExprCast) {
        self.add(1);
        self.visit_expr(&expr.expr);
    }

    fn visit_expr_index(&mut self, expr: &'ast ExprIndex) {
        self.add(2);
        self.weight.scatters |= reads_memory(&expr.index);
        visit::visit_expr_index(self, expr);
    }

    fn visit_expr_if(&mut self, expr: &'ast ExprIf) {
        self.add(1);
        self.weight.branches = true;
        visit::visit_expr_if(self, expr);
    }

    fn visit_expr_match(&mut self, expr: &'ast ExprMatch) {
        self.add(1);
        self.weight.branches = true;
        visit::visit_expr_match(self, expr);
    }

    fn visit_expr_try(&mut self, expr: &'ast syn::ExprTry) {
        self.add(1);
        self.weight.branches = true;
        visit::visit_expr_try(self, expr);
    }

    fn visit_expr_method_call(&mut self, expr: &'ast ExprMethodCall) {
        match self.names.method_call(expr) {
            Some(operations) => self.add(operations),
            None => self.weight.calls = true,
        }
        visit::visit_expr_method_call(self, expr);
    }

    fn visit_expr_call(&mut self, expr: &'ast ExprCall) {
        match self.names.call(expr) {
            Some(operations) => self.add(operations),
            None => self.weight.calls = true,
        }
        visit::visit_expr_call(self, expr);
    }

    fn visit_expr_await(&mut self, expr: &'ast syn::ExprAwait) {
        self.weight.calls = true;
        visit::visit_expr_await(self, expr);
    }

    /// Filled at some sixteen bytes per operation; a length that is no literal is taken for short.
    fn visit_expr_repeat(&mut self, expr: &'ast ExprRepeat) {
        self.add(1 + literal(&expr.len).unwrap_or(64) / 8);
        self.visit_expr(&expr.expr);
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast ExprForLoop) {
        self.visit_expr(&expr.expr);
        match literal_count(&expr.expr) {
            Some(count) => {
                self.weight = self.weight.and(self.names.weigh_block(&expr.body).times(count))
            }
            None => {
                self.weight.loops = true;
                self.visit_block(&expr.body);
            }
        }
    }

    fn visit_expr_while(&mut self, expr: &'ast ExprWhile) {
        self.weight.loops = true;
        visit::visit_expr_while(self, expr);
    }

    fn visit_expr_loop(&mut self, expr: &'ast ExprLoop) {
        self.weight.loops = true;
        visit::visit_expr_loop(self, expr);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        let name = mac.path.segments.last().map(|segment| segment.ident.to_string());
        match name.as_deref() {
            // Not reached in a program that goes on.
            Some("panic" | "todo" | "unimplemented" | "unreachable") => {}
            Some(
                "assert" | "assert_eq" | "assert_ne" | "debug_assert" | "debug_assert_eq"
                | "debug_assert_ne",
            ) => match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(mac.tokens.clone()) {
                Ok(arguments) => arguments.iter().take(2).for_each(|expr| {
                    let weight = self.names.weigh_expr(expr);
                    self.weight = self.weight.and(weight);
                    self.add(1);
                }),
                Err(_) => self.weight.calls = true,
            },
            _ => self.weight.calls = true,
        }
    }

    // Code that runs when it is called, by whoever that is.
    fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}
    fn visit_expr_const(&mut self, _: &'ast ExprConst) {}
    fn visit_item(&mut self, _: &'ast Item) {}
    fn visit_type(&mut self, _: &'ast Type) {}
}

/// Whether an index was itself read from an array or behind a pointer.
fn reads_memory(index: &Expr) -> bool {
    struct Reads(bool);
    impl<'ast> Visit<'ast> for Reads {
        fn visit_expr_index(&mut self, _: &'ast ExprIndex) {
            self.0 = true;
        }
        fn visit_expr_unary(&mut self, expr: &'ast ExprUnary) {
            self.0 |= matches!(expr.op, syn::UnOp::Deref(_));
            visit::visit_expr_unary(self, expr);
        }
    }
    let mut reads = Reads(false);
    reads.visit_expr(index);
    reads.0
}
