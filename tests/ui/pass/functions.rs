//! Every kind of function that can have checks.

#![deny(warnings)]
#![allow(dead_code)]

use preempt::preemptible;

#[preemptible]
fn generic<T: Clone, const N: usize>(values: &[T; N]) -> Vec<T>
where
    T: PartialEq,
{
    let mut out = Vec::new();
    for value in values {
        out.push(value.clone());
    }
    out
}

#[preemptible]
fn opaque<'a>(values: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
    values.iter().copied()
}

#[preemptible]
unsafe fn unsafe_fn(pointer: *const u32) -> u32 {
    // SAFETY: the caller's.
    unsafe { *pointer }
}

#[preemptible]
#[unsafe(no_mangle)]
pub extern "C" fn preempt_ui_exported(n: u32) -> u32 {
    n
}

#[preemptible]
#[inline(always)]
#[must_use]
#[track_caller]
pub(crate) fn attributes() -> u32 {
    1
}

#[preemptible]
fn inner_attributes() {
    #![allow(unused_variables)]
    let unused = 1;
    for i in 0..3 {
        #![allow(unused_assignments)]
        let _ = i;
    }
}

#[preemptible]
fn empty() {}

#[preemptible]
fn diverges() -> ! {
    loop {
        std::thread::park();
    }
}

#[preemptible]
fn patterns((a, _): (u32, u32), [.., b]: [u32; 3], mut c: u32) -> u32 {
    c += a;
    c + b
}

#[preemptible]
fn higher_ranked(f: impl for<'a> Fn(&'a str) -> &'a str, g: &dyn Fn(u32) -> u32) -> usize {
    f("abc").len() + g(1) as usize
}

#[preemptible(crate = preempt)]
fn with_path() {}

#[preemptible(crate = "preempt",)]
fn with_string() {}

// The library author's path: no runtime.
#[preemptible(crate = preempt_checkpoint)]
fn without_runtime() {
    for _ in 0..3 {}
}

#[preemptible(crate = preempt_checkpoint)]
async fn async_without_runtime() {
    for _ in 0..3 {
        std::future::ready(()).await;
    }
}

#[preemptible]
fn named_like_generated() -> u32 {
    let checkpoint = 1;
    let preempt = 2;
    mod preempt_checkpoint {}
    checkpoint + preempt
}

macro_rules! generated {
    ($name:ident, $body:expr) => {
        #[preemptible]
        fn $name() -> u32 {
            let mut sum = 0;
            for i in 0..3 {
                sum += $body + i;
            }
            sum
        }
    };
}
generated!(from_macro, { 1 });

trait Shape {
    const SIDES: u32;
    fn area(&self) -> u32;
    #[preemptible]
    fn sides(&self) -> u32 {
        let mut n = 0;
        while n < Self::SIDES {
            n += 1;
        }
        n
    }
}

struct Square(u32);

impl Shape for Square {
    const SIDES: u32 = 4;
    #[preemptible]
    fn area(&self) -> u32 {
        self.0 * self.0
    }
}

impl Square {
    #[preemptible]
    fn by_value(self) -> u32 {
        self.0
    }
    #[preemptible]
    fn by_mut(&mut self) -> &mut u32 {
        &mut self.0
    }
    #[preemptible]
    fn by_box(self: Box<Self>) -> u32 {
        self.0
    }
    #[preemptible]
    async fn in_future<'a>(&'a self, other: &'a u32) -> &'a u32 {
        loop {
            std::future::ready(()).await;
            break if self.0 > *other { &self.0 } else { other };
        }
    }
}

trait Source {
    fn next(&mut self) -> impl Future<Output = Option<u32>> + Send;
}

impl Source for u32 {
    #[preemptible]
    async fn next(&mut self) -> Option<u32> {
        *self = self.checked_sub(1)?;
        Some(*self)
    }
}

#[preemptible]
impl Square {
    const SIDE: u32 = Self::unit().0;

    const fn unit() -> Self {
        let mut n = 0;
        while n < 1 {
            n += 1;
        }
        Square(n)
    }

    fn grow(&mut self) {
        for _ in 0..3 {
            self.0 += 1;
        }
    }
}

#[preemptible]
mod module {
    pub(super) const fn constant() -> u32 {
        3
    }

    pub(super) fn function() -> u32 {
        loop {
            break 4;
        }
    }

    pub(super) mod inner {
        pub(in super::super) async fn asynchronous() -> u32 {
            5
        }
    }
}

#[preemptible]
trait Defaults {
    fn required(&self) -> u32;
    fn provided(&self) -> u32 {
        loop {
            break self.required();
        }
    }
}

impl Defaults for () {
    fn required(&self) -> u32 {
        6
    }
}

fn main() {
    use futures::executor::block_on;
    assert_eq!(generic(&[1, 2]), [1, 2]);
    assert_eq!(opaque(&[1, 2]).sum::<u32>(), 3);
    // SAFETY: the pointer comes from a reference.
    assert_eq!(unsafe { unsafe_fn(&7) }, 7);
    assert_eq!(patterns((1, 0), [0, 0, 2], 3), 6);
    assert_eq!(higher_ranked(|s| &s[1..], &|n| n + 1), 4);
    assert_eq!(named_like_generated(), 3);
    assert_eq!(from_macro(), 6);
    assert_eq!((Square(3).sides(), Square(3).area(), Square(3).by_value()), (4, 9, 3));
    assert_eq!(Box::new(Square(3)).by_box(), 3);
    assert_eq!(*block_on(Square(3).in_future(&5)), 5);
    assert_eq!(block_on(2u32.next()), Some(1));
    let mut square = Square::unit();
    square.grow();
    assert_eq!((*square.by_mut(), Square::SIDE), (4, 1));
    assert_eq!((module::constant(), module::function()), (3, 4));
    assert_eq!(block_on(module::inner::asynchronous()), 5);
    assert_eq!(().provided(), 6);
    inner_attributes();
}
