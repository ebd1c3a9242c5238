//! Input and output: the standard streams, and what blocking operations share.

mod buffer;

pub(crate) use buffer::{Buffer, MOST_BYTES};
