use preempt::preemptible;

#[preemptible]
struct Struct;

#[preemptible]
enum Enum {
    A,
}

#[preemptible]
union Union {
    a: u32,
}

#[preemptible]
static STATIC: u32 = 1;

#[preemptible]
const CONST: u32 = 1;

#[preemptible]
type Alias = u32;

#[preemptible]
use std::fmt;

#[preemptible]
extern crate core as other_name;

#[preemptible]
unsafe extern "C" {}

#[preemptible]
macro_rules! nothing {
    () => {};
}

struct Impl;

impl Impl {
    #[preemptible]
    const ASSOCIATED: u32 = 1;
}

fn main() {
    let _ = (Struct, Enum::A, Union { a: 1 }, STATIC, CONST, Alias::MAX, Impl::ASSOCIATED);
    let _: Option<fmt::Error> = None;
    nothing!();
}
