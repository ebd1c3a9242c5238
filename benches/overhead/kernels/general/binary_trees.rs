//! Trees are built, walked and dropped, after the Benchmarks Game: allocation and recursion.

use crate::random::Random;

type Input = u32;

fn input(_: &mut Random) -> Input {
    11
}

copies! {
    struct Tree {
        children: Option<(Box<Tree>, Box<Tree>)>,
    }

    #[inline(never)]
    pub(super) fn run(depth: &mut Input) -> u64 {
        count(&build(*depth))
    }

    fn build(depth: u32) -> Tree {
        let children = if depth == 0 {
            None
        } else {
            Some((Box::new(build(depth - 1)), Box::new(build(depth - 1))))
        };
        Tree { children }
    }

    fn count(tree: &Tree) -> u64 {
        match &tree.children {
            None => 1,
            Some((left, right)) => 1 + count(left) + count(right),
        }
    }
}
