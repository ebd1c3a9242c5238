//! Input and output: the standard streams, and what blocking operations share.

mod buffer;
mod stdin;
mod stdout;

pub use stdin::{Stdin, stdin};
pub use stdout::{Stderr, Stdout, stderr, stdout};

pub(crate) use buffer::{Buffer, MOST_BYTES};
