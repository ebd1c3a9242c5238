//! Fibers of the preempt runtime: a stack, a thread-local block and a saved context, moved together.
//!
//! Empty until forced preemption needs it; the executor hands processors off instead.
