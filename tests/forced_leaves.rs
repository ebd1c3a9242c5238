//! Goal: a poll that copies, fills, compares or searches large blocks spends its time in libc, and is
//! suspended there all the same, in the middle of a call; where libc calls these functions itself,
//! under the lock of the allocator, it is not.
//! Method: one processor and no hand-off, so that a poll of another task during a call proves that
//! the call was suspended. The blocks are so large that next to all of the time passes in the calls.
//! Each result is checked.

#![cfg(target_os = "linux")]

mod forced_support;

use forced_support::*;
use preempt::runtime::{Backend, Runtime};
use std::hint::black_box;
use std::ptr;
use std::sync::Arc;

/// Takes longer to copy than a few time slices.
const BYTES: usize = 8 << 20;
/// How many calls have to be suspended. Each is, unless the machine is faster than any.
const SUSPENDED_CALLS: usize = 20;

/// Without a period that divides the size of a page or of a register.
fn pattern(seed: usize) -> Vec<u8> {
    (0..BYTES).map(|i| (i % 251 + i / 65_537 + seed) as u8).collect()
}

/// Spawns a hog that makes `call`, which is told how often it was called, until other tasks have run
/// in the middle of enough of the calls. `check` looks at the result of each.
fn is_suspended<T>(
    runtime: &Runtime,
    mut state: T,
    call: impl Fn(&mut T, usize) + Send + 'static,
    check: impl Fn(&T, usize) + Send + 'static,
) where
    T: Send + 'static,
{
    let others = Others::spawn(runtime.handle());
    let their = others.others();
    let hog = runtime.spawn(async move {
        let (mut suspended, mut calls) = (0, 0);
        while suspended < SUSPENDED_CALLS {
            let before = their.polls();
            call(&mut state, calls);
            suspended += usize::from(their.polls() > before);
            check(&state, calls);
            calls += 1;
        }
        calls
    });
    let calls = runtime.block_on(hog).unwrap();
    let metrics = runtime.metrics();
    println!("{calls} calls, {metrics:?}");
    assert!(metrics.detaches >= SUSPENDED_CALLS as u64, "{metrics:?}");
    assert!(metrics.refusals.text <= metrics.detaches / 5, "{metrics:?}");
}

#[test]
fn a_poll_that_copies_is_suspended() {
    let sources = [pattern(0), pattern(1)].map(Arc::new);
    on_one_processor(move |runtime| {
        let sources = sources.clone();
        is_suspended(
            runtime,
            (sources, vec![0; BYTES]),
            |(sources, target), call| {
                let source = black_box(&sources[call % 2]);
                // SAFETY: both have that many bytes, and they are apart.
                unsafe { ptr::copy_nonoverlapping(source.as_ptr(), target.as_mut_ptr(), BYTES) };
            },
            |(sources, target), call| assert!(**sources[call % 2] == **target),
        );
    });
}

/// `memmove`, forwards and backwards.
#[test]
fn a_poll_that_moves_within_a_block_is_suspended() {
    const SHIFT: usize = 4_099;
    let original = Arc::new(pattern(2));
    on_one_processor(move |runtime| {
        let block: Vec<u8> = original.to_vec();
        is_suspended(
            runtime,
            (original.clone(), block),
            |(_, block), call| {
                let block = black_box(block);
                if call % 2 == 0 {
                    block.copy_within(..BYTES - SHIFT, SHIFT);
                } else {
                    block.copy_within(SHIFT.., 0);
                }
            },
            |(original, block), call| {
                let moved = &original[..BYTES - SHIFT];
                let expected =
                    if call % 2 == 0 { &block[SHIFT..] } else { &block[..BYTES - SHIFT] };
                assert!(moved == expected);
            },
        );
    });
}

#[test]
fn a_poll_that_fills_is_suspended() {
    on_one_processor(|runtime| {
        is_suspended(
            runtime,
            vec![255_u8; BYTES],
            |block, call| black_box(block).fill(call as u8),
            |block, call| {
                assert!(block[0] == call as u8 && block[1..] == block[..BYTES - 1]);
            },
        );
    });
}

#[test]
fn a_poll_that_compares_is_suspended() {
    let blocks = [pattern(3), pattern(3)].map(Arc::new);
    on_one_processor(move |runtime| {
        let [left, right] = blocks.clone().map(|block| block.to_vec());
        is_suspended(
            runtime,
            (left, right, None),
            |(left, right, order), call| {
                // Equal, and different in the last byte.
                right[BYTES - 1] = left[BYTES - 1].wrapping_add((call % 2) as u8);
                let (left, right) = (black_box(&left[..]), black_box(&right[..]));
                *order = Some((left == right, left.cmp(right)));
            },
            |(left, right, order), call| {
                let expected = left[BYTES - 1].cmp(&right[BYTES - 1]);
                assert_eq!(*order, Some((call % 2 == 0, expected)));
            },
        );
    });
}

#[test]
fn a_poll_that_searches_is_suspended() {
    on_one_processor(|runtime| {
        is_suspended(
            runtime,
            (vec![1_u8; BYTES], [0; 2]),
            |(block, found), call| {
                let end = BYTES - 1 - call % 64;
                block[BYTES - 100..].fill(1);
                block[end] = 0;
                let text = black_box(block.as_ptr());
                // SAFETY: there is a zero in it.
                *found = unsafe {
                    [
                        libc::strlen(text.cast()),
                        libc::memchr(text.cast(), 0, BYTES).addr() - text.addr(),
                    ]
                };
            },
            |(_, found), call| assert_eq!(*found, [BYTES - 1 - call % 64; 2]),
        );
    });
}

// ---- in libc's own hands ----

/// All allocations share one lock, and each `realloc` of a large block copies it under that lock.
fn share_one_arena() {
    const LARGEST: i32 = 1 << 30;
    for (parameter, value) in [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, LARGEST)] {
        // SAFETY: numbers only.
        assert_eq!(unsafe { libc::mallopt(parameter, value) }, 1);
    }
}

/// Grows a block step by step, with something behind it, so that it has to move.
fn grow(seed: usize) {
    const STEP: usize = 256 << 10;
    let mut block: Vec<u8> = Vec::new();
    let mut in_its_way = Vec::new();
    for step in 1..=12 {
        block.reserve_exact(STEP);
        block.resize(step * STEP, (step + seed) as u8);
        in_its_way.push(vec![seed; 500]);
        let mut parts = (seed + 1..).zip(block.chunks(STEP));
        assert!(parts.all(|(byte, part)| part.iter().all(|&found| found == byte as u8)));
    }
    assert!(in_its_way.iter().flatten().all(|&word| word == seed));
}

/// A poll that was suspended with the lock of the arena would stop everything that allocates.
fn all_grow(backend: Backend) {
    share_one_arena();
    let runtime = builder(backend, 1).hand_off(false).build().unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            runtime.spawn(async move {
                for round in 0..10 {
                    grow(task * 10 + round);
                }
            })
        })
        .collect();
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    let metrics = runtime.metrics();
    println!("{metrics:?}");
    assert!(metrics.detaches > 0 && metrics.refusals.text > 0, "{metrics:?}");
}

#[test]
fn a_poll_is_not_suspended_while_realloc_copies() {
    Child::each_backend("a_poll_is_not_suspended_while_realloc_copies", all_grow, |child| {
        child.succeeded()
    });
}
