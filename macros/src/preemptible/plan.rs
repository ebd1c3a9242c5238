//! Which checks a loop gets.
//!
//! | loop                                                        | gets                            |
//! |-------------------------------------------------------------|---------------------------------|
//! | a literal number of iterations, some microseconds in all    | nothing                         |
//! | `for`, and `while i < n`, with simple operations only       | strips, so long at first that   |
//! |                                                             | it can be vectorised            |
//! | other `for`: calls, inner loops, indices read from memory   | strips of a length learned from |
//! |                                                             | time                            |
//! | other `while`, and `loop`                                   | a check in each iteration       |
//!
//! The last cannot be vectorised anyway, and with a body of some instructions counting costs more
//! than the check does: a search for a byte takes 2.0 times as long in strips of 64, and 1.01 times
//! with a check for each byte.
//!
//! The option `every` sets the length of all strips.

use super::checks::Checks;
use super::jumps::jumps;
use super::weight::{Weight, literal_count};
use syn::{Expr, ExprForLoop, ExprLoop, ExprWhile};

/// The checks of one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// None.
    Plain,
    /// One in each iteration.
    Each,
    /// One after each strip.
    Strips(Stride),
}

/// How many iterations a strip has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stride {
    Fixed(usize),
    /// What the loop has learned.
    Learned {
        first: u32,
        most: u32,
    },
}

/// Simple operations in about 5 us.
const STRIP: u64 = 8192;
/// Iterations of which nothing is known, and that need no check.
pub(crate) const FEW: u32 = 8;
const UNKNOWN: Plan = Plan::Strips(Stride::Learned { first: FEW, most: 1024 });
/// The first strip of loops that may miss the cache each time.
const SCATTERED: Plan = Plan::Strips(Stride::Learned { first: 256, most: 4096 });

pub(crate) fn for_loop(expr: &ExprForLoop, checks: &Checks) -> Plan {
    checks.options.plan().unwrap_or_else(|| {
        let body = checks.names.weigh_block(&expr.body);
        if is_over_soon(expr, body) {
            Plan::Plain
        } else if !body.is_bounded() {
            UNKNOWN
        } else if body.scatters {
            SCATTERED
        } else {
            long(body)
        }
    })
}

/// Whether all iterations together are not more than a strip.
fn is_over_soon(expr: &ExprForLoop, body: Weight) -> bool {
    let Some(count) = literal_count(&expr.expr) else { return false };
    if body.is_bounded() { body.times(count).operations <= STRIP } else { count <= u64::from(FEW) }
}

pub(crate) fn while_loop(expr: &ExprWhile, checks: &Checks) -> Plan {
    checks.options.plan().unwrap_or_else(|| {
        if matches!(&*expr.cond, Expr::Lit(_)) {
            // `while true`, for which the compiler has advice.
            return Plan::Each;
        }
        let body = checks.names.weigh_block(&expr.body);
        let all = checks.names.weigh_expr(&expr.cond).and(body);
        if counts(&expr.cond) && all.is_bounded() && !all.branches && !all.scatters {
            long(all)
        } else {
            Plan::Each
        }
    })
}

pub(crate) fn endless_loop(expr: &ExprLoop, checks: &Checks) -> Plan {
    let jumps = jumps(&expr.body, expr.label.as_ref());
    match checks.options.plan() {
        // Only macros may end it: whether it has a type is not known.
        Some(Plan::Strips(_)) if jumps.hidden && !jumps.breaks => Plan::Each,
        Some(plan) => plan,
        None => Plan::Each,
    }
}

/// A multiple of 64, so that strips end where vectors do.
fn long(weight: Weight) -> Plan {
    let first = (STRIP / weight.operations.max(1)).clamp(1, 1024);
    let first = if first > 64 { first / 64 * 64 } else { first };
    let first = u32::try_from(first).unwrap_or(1024);
    Plan::Strips(Stride::Learned { first, most: 16 * first })
}

/// `i < n` and the like: a condition with which the compiler can tell the number of iterations.
pub(crate) fn counts(cond: &Expr) -> bool {
    use syn::BinOp::{Ge, Gt, Le, Lt, Ne};
    let Expr::Binary(cond) = cond else { return false };
    matches!(cond.op, Lt(_) | Le(_) | Gt(_) | Ge(_) | Ne(_))
        && is_place(&cond.left)
        && is_place(&cond.right)
}

/// A variable, a field, a literal, or one with a number added.
fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) | Expr::Lit(_) => true,
        Expr::Field(field) => is_place(&field.base),
        Expr::Paren(paren) => is_place(&paren.expr),
        Expr::MethodCall(call) => call.method == "len" && is_place(&call.receiver),
        Expr::Binary(sum) => {
            matches!(sum.op, syn::BinOp::Add(_) | syn::BinOp::Sub(_))
                && is_place(&sum.left)
                && is_place(&sum.right)
        }
        _ => false,
    }
}
