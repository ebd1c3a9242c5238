//! What depends on the instruction set, one file per ISA.
//!
//! Only x86-64 is written. Room is kept for aarch64 (`tpidr_el0` instead of the FS base, `x18`
//! untouched, FPCR instead of MXCSR): it needs a file with the items listed in `x86_64.rs`. Until
//! then other instruction sets have the kernel backend, which needs none of this.

mod x86_64;
mod xstate;

pub(crate) use x86_64::{
    FsBase, SwitchFrame, inject_stack_bytes, interrupted, new_stack, rewrite, switch, text,
    trampoline,
};
pub(crate) use xstate::{is_prepared, prepare};
