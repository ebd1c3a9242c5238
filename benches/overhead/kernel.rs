//! A kernel: a name, an input, and the copies of the code that runs on it.

use crate::copies::LAYOUTS;
use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

/// One call of a copy. Every copy of a kernel works on the same memory, so that only their code
/// differs.
pub(crate) type Run = Box<dyn Fn() -> u64>;

/// The code of one variant in several places.
pub(crate) type Variant = [Run; LAYOUTS];

pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) plain: Variant,
    pub(crate) annotated: Variant,
    /// The same code as `plain`.
    pub(crate) control: Variant,
}

impl Kernel {
    pub(crate) fn new<I: 'static>(
        name: &'static str,
        input: I,
        plain: [fn(&mut I) -> u64; LAYOUTS],
        annotated: [fn(&mut I) -> u64; LAYOUTS],
        control: [fn(&mut I) -> u64; LAYOUTS],
    ) -> Self {
        assert_apart(name, plain.iter().chain(&annotated).chain(&control));
        let input = Rc::new(RefCell::new(input));
        let variant = |copies: [fn(&mut I) -> u64; LAYOUTS]| {
            copies.map(|run| {
                let input = Rc::clone(&input);
                Box::new(move || run(black_box(&mut *input.borrow_mut()))) as Run
            })
        };
        Kernel {
            name,
            plain: variant(plain),
            annotated: variant(annotated),
            control: variant(control),
        }
    }

    pub(crate) fn copies(&self) -> impl Iterator<Item = &Run> {
        self.plain.iter().chain(&self.annotated).chain(&self.control)
    }

    /// Runs every copy once.
    ///
    /// # Panics
    /// If they do not agree.
    pub(crate) fn check(&self) {
        let expected = (self.plain[0])();
        for run in self.copies() {
            assert_eq!(run(), expected, "{}: the copies do not agree", self.name);
        }
    }
}

/// # Panics
/// If two copies are the same function: see `copies.rs`, whose sections are there on x86-64 Linux only.
fn assert_apart<'a, I: 'static>(name: &str, copies: impl Iterator<Item = &'a fn(&mut I) -> u64>) {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return;
    }
    let mut addresses: Vec<usize> = copies.map(|run| *run as usize).collect();
    let all = addresses.len();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), all, "{name}: copies were merged");
}
