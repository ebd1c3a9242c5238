//! What can be told of code from its syntax: how much it does, and what it may do.
//!
//! Types are not known here, so the answers are estimates that only the choice of a check depends
//! on, never its correctness. Each errs to the side that checks more often: a call is taken for a
//! long one unless its name belongs to std's cheap functions.

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    BinOp, Block, Expr, ExprAssign, ExprAsync, ExprBinary, ExprBreak, ExprCall, ExprCast,
    ExprClosure, ExprConst, ExprContinue, ExprForLoop, ExprIf, ExprIndex, ExprLit, ExprLoop,
    ExprMatch, ExprMethodCall, ExprParen, ExprRange, ExprRepeat, ExprUnary, ExprWhile, Item, Label,
    Lifetime, Lit, Macro, Pat, RangeLimits, Stmt, Token, Type,
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
    pub(crate) fn of_block(block: &Block) -> Weight {
        weigh(|visitor| visitor.visit_block(block))
    }

    pub(crate) fn of_expr(expr: &Expr) -> Weight {
        weigh(|visitor| visitor.visit_expr(expr))
    }

    pub(crate) fn of_stmt(stmt: &Stmt) -> Weight {
        weigh(|visitor| visitor.visit_stmt(stmt))
    }

    pub(crate) fn of_pat(pat: &Pat) -> Weight {
        weigh(|visitor| visitor.visit_pat(pat))
    }

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

/// Whether `body` is so small that having it twice costs little, and contains nothing that must not
/// be there twice.
pub(crate) fn is_small(body: &Block) -> bool {
    let weight = Weight::of_block(body);
    weight.operations <= 32 && !weight.loops && !has_hidden_code(body)
}

fn has_hidden_code(body: &Block) -> bool {
    hidden_code(|hidden| hidden.visit_block(body))
}

/// Whether an expression contains what must not be there twice.
pub(crate) fn has_hidden_code_in(expr: &Expr) -> bool {
    hidden_code(|hidden| hidden.visit_expr(expr))
}

fn hidden_code(look: impl FnOnce(&mut dyn for<'ast> Visit<'ast>)) -> bool {
    struct Hidden(bool);
    impl<'ast> Visit<'ast> for Hidden {
        fn visit_macro(&mut self, _: &'ast Macro) {
            self.0 = true;
        }
        fn visit_item(&mut self, _: &'ast Item) {
            self.0 = true;
        }
        fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {
            self.0 = true;
        }
        fn visit_expr_async(&mut self, _: &'ast ExprAsync) {
            self.0 = true;
        }
        fn visit_expr_const(&mut self, _: &'ast ExprConst) {
            self.0 = true;
        }
    }
    let mut hidden = Hidden(false);
    look(&mut hidden);
    hidden.0
}

/// Where the ways out of an iteration of a loop are, but for its end.
pub(crate) struct Jumps<'a> {
    label: Option<&'a Label>,
    /// How many loops inside the loop we are in.
    depth: usize,
    /// There is a `break` out of it.
    pub(crate) breaks: bool,
    /// There is a `continue` of it.
    pub(crate) continues: bool,
    /// There is a macro, which may contain either.
    pub(crate) hidden: bool,
}

/// The jumps in `body`, of a loop with this label.
pub(crate) fn jumps<'a>(body: &Block, label: Option<&'a Label>) -> Jumps<'a> {
    let mut jumps = Jumps { label, depth: 0, breaks: false, continues: false, hidden: false };
    jumps.visit_block(body);
    jumps
}

impl Jumps<'_> {
    pub(crate) fn may_break(&self) -> bool {
        self.breaks || self.hidden
    }

    pub(crate) fn may_continue(&self) -> bool {
        self.continues || self.hidden
    }

    fn is_own(&self, label: Option<&Lifetime>) -> bool {
        match (label, self.label) {
            (None, _) => self.depth == 0,
            (Some(target), Some(own)) => target.ident == own.name.ident,
            (Some(_), None) => false,
        }
    }

    fn deeper(&mut self, visit: impl FnOnce(&mut Self)) {
        self.depth += 1;
        visit(self);
        self.depth -= 1;
    }
}

impl<'ast> Visit<'ast> for Jumps<'_> {
    fn visit_expr_break(&mut self, expr: &'ast ExprBreak) {
        self.breaks |= self.is_own(expr.label.as_ref());
        visit::visit_expr_break(self, expr);
    }

    fn visit_expr_continue(&mut self, expr: &'ast ExprContinue) {
        self.continues |= self.is_own(expr.label.as_ref());
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast ExprForLoop) {
        self.visit_expr(&expr.expr);
        self.deeper(|this| this.visit_block(&expr.body));
    }

    fn visit_expr_while(&mut self, expr: &'ast ExprWhile) {
        self.deeper(|this| visit::visit_expr_while(this, expr));
    }

    fn visit_expr_loop(&mut self, expr: &'ast ExprLoop) {
        self.deeper(|this| visit::visit_expr_loop(this, expr));
    }

    fn visit_macro(&mut self, _: &'ast Macro) {
        self.hidden = true;
    }

    fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}
    fn visit_expr_const(&mut self, _: &'ast ExprConst) {}
    fn visit_item(&mut self, _: &'ast Item) {}
    fn visit_type(&mut self, _: &'ast Type) {}
}

fn weigh(visit: impl FnOnce(&mut Scale)) -> Weight {
    let mut scale = Scale::default();
    visit(&mut scale);
    scale.0
}

#[derive(Default)]
struct Scale(Weight);

impl Scale {
    fn add(&mut self, operations: u64) {
        self.0.operations = self.0.operations.saturating_add(operations);
    }
}

/// What the slow ones weigh: divisions, and functions of libm.
const DIVISION: u64 = 8;
const TRANSCENDENTAL: u64 = 32;

impl<'ast> Visit<'ast> for Scale {
    fn visit_expr_binary(&mut self, expr: &'ast ExprBinary) {
        self.0.branches |= matches!(expr.op, BinOp::And(_) | BinOp::Or(_));
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
        self.0.scatters |= reads_memory(&expr.index);
        visit::visit_expr_index(self, expr);
    }

    fn visit_expr_if(&mut self, expr: &'ast ExprIf) {
        self.add(1);
        self.0.branches = true;
        visit::visit_expr_if(self, expr);
    }

    fn visit_expr_match(&mut self, expr: &'ast ExprMatch) {
        self.add(1);
        self.0.branches = true;
        visit::visit_expr_match(self, expr);
    }

    fn visit_expr_try(&mut self, expr: &'ast syn::ExprTry) {
        self.add(1);
        self.0.branches = true;
        visit::visit_expr_try(self, expr);
    }

    fn visit_expr_method_call(&mut self, expr: &'ast ExprMethodCall) {
        match cost(&expr.method.to_string()) {
            Some(operations) => self.add(operations),
            None => self.0.calls = true,
        }
        visit::visit_expr_method_call(self, expr);
    }

    fn visit_expr_call(&mut self, expr: &'ast ExprCall) {
        match called(&expr.func)
            .and_then(|name| if is_constructor(&name) { Some(1) } else { cost(&name) })
        {
            Some(operations) => self.add(operations),
            None => self.0.calls = true,
        }
        visit::visit_expr_call(self, expr);
    }

    fn visit_expr_await(&mut self, expr: &'ast syn::ExprAwait) {
        self.0.calls = true;
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
            Some(count) => self.0 = self.0.and(Weight::of_block(&expr.body).times(count)),
            None => {
                self.0.loops = true;
                self.visit_block(&expr.body);
            }
        }
    }

    fn visit_expr_while(&mut self, expr: &'ast ExprWhile) {
        self.0.loops = true;
        visit::visit_expr_while(self, expr);
    }

    fn visit_expr_loop(&mut self, expr: &'ast ExprLoop) {
        self.0.loops = true;
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
                    let weight = Weight::of_expr(expr);
                    self.0 = self.0.and(weight);
                    self.add(1);
                }),
                Err(_) => self.0.calls = true,
            },
            _ => self.0.calls = true,
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

fn called(function: &Expr) -> Option<String> {
    match function {
        Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// `Some(..)`, `Point(..)`: by convention.
fn is_constructor(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

/// What functions and methods of std with this name cost; `None` for names that say nothing.
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
        | "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "size_of" | "black_box" | "copied"
        | "split_at" | "split_at_mut" | "as_deref" => 2,
        "sqrt" => DIVISION,
        "sin" | "cos" | "tan" | "sin_cos" | "asin" | "acos" | "atan" | "atan2" | "exp" | "exp2"
        | "ln" | "log" | "log2" | "log10" | "powf" | "hypot" | "cbrt" | "sinh" | "cosh"
        | "tanh" => TRANSCENDENTAL,
        _ if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => 2,
        _ => return None,
    };
    Some(cheap)
}
