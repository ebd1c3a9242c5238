//! The check at a function's entry, which covers recursion and call chains without loops.
//!
//! ```text
//! fn f(..) { BODY }          fn f(..) { checkpoint(); BODY }
//! async fn f(..) { BODY }    async fn f(..) { if preempt_requested() { yield_now().await } BODY }
//! ```
//! At the entry of an `async fn` only the arguments are live. They are part of its future from the
//! start, so the new await can make no future lose `Send`, and being dropped there is being dropped
//! before the user's code has begun.
//!
//! An `async fn` whose body never awaits gets the sync check: keeping the arguments across an await
//! doubles such a future (`async fn f(b: [u8; 1024])`: 1025 to 2050 bytes, rustc 1.95).

use super::awaits::{self, Context};
use super::checks::{Checks, insert};
use super::loops;
use syn::{Block, Signature};

pub(crate) fn instrument(sig: &Signature, body: &mut Block, checks: &Checks) {
    let context = if sig.asyncness.is_some() { Context::Async } else { Context::Sync };
    let yields = context == Context::Async && awaits::any_in(body);
    loops::instrument(body, context, checks);
    let span = sig.fn_token.span;
    let check = if yields { checks.yield_point(span) } else { checks.checkpoint(span) };
    insert(check, body);
}
