//! The kernels. Another one is a file in `general/` or a module in `vector.rs`, and a line in the
//! list there.

mod general;
mod vector;

use crate::kernel::Kernel;

pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) kernels: Vec<Kernel>,
}

pub(crate) fn sets() -> Vec<Set> {
    vec![
        Set { name: "general", kernels: general::kernels() },
        Set { name: "vector", kernels: vector::kernels() },
    ]
}
