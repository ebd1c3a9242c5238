//! The ways out of a loop that can be seen in its body, and the code that cannot be seen through.

use syn::visit::{self, Visit};
use syn::{
    Block, ExprAsync, ExprBreak, ExprClosure, ExprConst, ExprContinue, ExprForLoop, ExprLoop,
    ExprWhile, Item, Label, Lifetime, Macro, Type,
};

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

/// Whether a body contains what must not be there twice: items, macros that may write items, and
/// code with a type of its own.
pub(crate) fn has_hidden_code(body: &Block) -> bool {
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
    hidden.visit_block(body);
    hidden.0
}
