//! Keeps what a macro has handed to a function as one expression or type in one piece.
//!
//! `$e * 2` of `1 + 2` is 6: the compiler puts delimiters that are not seen around `$e`, and forgets
//! them when they come back from a procedural macro (rust-lang/rust#67062), which would make it 5. So
//! parentheses take their place. Inside the arguments of other macros they stay what they are.

use crate::settings::generated;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprParen, Item, Stmt, Type, TypeParen, token};

/// Opens the fragments that are `let` statements, of which syn knows nothing, and gives them the
/// semicolon that they need then.
pub(crate) fn open_lets(tokens: TokenStream) -> TokenStream {
    let mut output = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut is_macro = false;
    while let Some(token) = tokens.next() {
        let bang = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '!');
        match token {
            TokenTree::Group(group) if is_let(&group) => {
                output.extend(group.stream());
                let ends = matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == ';');
                if !ends {
                    output.extend([token::Semi(generated(group.span())).to_token_stream()]);
                }
            }
            TokenTree::Group(group) if !is_macro => {
                let mut opened = Group::new(group.delimiter(), open_lets(group.stream()));
                opened.set_span(group.span());
                output.extend([TokenTree::Group(opened)]);
            }
            other => output.extend([other]),
        }
        is_macro = bang;
    }
    output
}

fn is_let(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::None
        && matches!(first, Some(TokenTree::Ident(keyword)) if keyword == "let")
}

pub(crate) fn enclose(item: &mut Item) {
    Enclose.visit_item_mut(item);
}

struct Enclose;

impl VisitMut for Enclose {
    /// A fragment that is a statement needs no semicolon as long as it is one.
    fn visit_block_mut(&mut self, block: &mut Block) {
        let last = block.stmts.len().saturating_sub(1);
        for stmt in &mut block.stmts[..last] {
            if let Stmt::Expr(Expr::Group(group), semicolon @ None) = stmt {
                *semicolon = Some(token::Semi(generated(group.group_token.span)));
            }
        }
        visit_mut::visit_block_mut(self, block);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        if let Expr::Group(group) = expr {
            let span = generated(group.group_token.span);
            let attrs = std::mem::take(&mut group.attrs);
            let inner = std::mem::replace(&mut *group.expr, Expr::PLACEHOLDER);
            *expr = if is_one_anyway(&inner) {
                inner
            } else {
                Expr::Paren(ExprParen {
                    attrs,
                    paren_token: token::Paren(span),
                    expr: Box::new(inner),
                })
            };
        }
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        if let Type::Group(group) = ty {
            let span = generated(group.group_token.span);
            let inner = (*group.elem).clone();
            *ty = match inner {
                Type::ImplTrait(_) | Type::TraitObject(_) | Type::FnPtr(_) => {
                    Type::Paren(TypeParen {
                        attrs: Vec::new(),
                        paren_token: token::Paren(span),
                        elem: Box::new(inner),
                    })
                }
                one => one,
            };
        }
    }
}

/// Whether an expression holds together whatever stands beside it.
fn is_one_anyway(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(lit) => !lit.to_token_stream().to_string().starts_with('-'),
        Expr::Path(_)
        | Expr::Paren(_)
        | Expr::Tuple(_)
        | Expr::Array(_)
        | Expr::Repeat(_)
        | Expr::Macro(_) => true,
        _ => false,
    }
}
