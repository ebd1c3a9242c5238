//! Is the program's allocator one that a poll must not be suspended in?
//!
//! libc's `malloc` is refused by its address (`text.rs`). Another allocator is ordinary text, so that
//! it has to be wrapped in `preempt_checkpoint::alloc::NoPreempt`. A trial allocation finds out:
//!
//! | the block | verdict |
//! |---|---|
//! | `NoPreempt` has noted the allocation | wrapped |
//! | when it is freed, `malloc` gives the same address, and `malloc` is libc's | libc's |
//! | anything else | to be wrapped |
//!
//! glibc gives a thread the block of a size that the thread freed last, from a cache of the thread's
//! own. So with `System` the second try at the latest succeeds, whatever other threads do (the first
//! may find the cache full); and two allocators never give out the same address while both have
//! their memory. Only addresses are compared: nothing is assumed of a foreign block.
//!
//! # Rejected
//! * `malloc_usable_size` of the block: undefined for a block that is not `malloc`'s.
//! * A difference in `mallinfo2`: counts what other threads allocate and free meanwhile, and is
//!   missing from older glibc.
//! * The symbol behind `#[global_allocator]`: not stable.

use super::text;
use crate::report;
use preempt_checkpoint::runtime as checkpoint;
use std::alloc::{Layout, alloc, dealloc};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr;

/// More than the seven blocks of a size that glibc caches per thread, many times over.
const TRIES: usize = 64;
/// A size that few programs use much. `System` passes it to `malloc`, as the alignment is small.
const BLOCK: Layout = Layout::new::<[u8; 56]>();

/// Where the memory of the global allocator comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Wrapped,
    Malloc,
    Elsewhere,
    /// There is no memory to try it with.
    Unknown,
}

/// Warns if polls may be suspended inside the allocator. Needs the table of `text.rs`.
pub(super) fn check() {
    let is_unsafe = match source() {
        Source::Wrapped | Source::Unknown => false,
        Source::Malloc => malloc_is_ordinary(),
        Source::Elsewhere => true,
    };
    if is_unsafe {
        report::warn(format_args!(
            "the global allocator is not libc's, so a task may be suspended while it holds the \
             allocator's lock, and all others would wait for it; wrap it in \
             `preempt::alloc::NoPreempt`: \
             `#[global_allocator] static GLOBAL: NoPreempt<A> = NoPreempt::new(A);`"
        ));
    }
}

fn source() -> Source {
    let mut held = [ptr::null_mut(); TRIES];
    let source = find_source(&mut held);
    for block in held {
        // SAFETY: null, or from `malloc` and freed once.
        unsafe { libc::free(block) };
    }
    source
}

/// The blocks that are taken from `malloc` are left in `held`, so that each try finds its cache
/// emptier than the one before.
fn find_source(held: &mut [*mut libc::c_void]) -> Source {
    let _earlier = checkpoint::take_protected_allocation();
    for block in held {
        let Some(freed) = allocate_and_free() else { return Source::Unknown };
        if checkpoint::take_protected_allocation() {
            return Source::Wrapped;
        }
        // SAFETY: any size is allowed.
        *block = unsafe { libc::malloc(black_box(BLOCK.size())) };
        if black_box(*block).addr() == freed {
            return Source::Malloc;
        }
    }
    Source::Elsewhere
}

/// The address of a block of the global allocator that is free again. The black boxes keep the
/// compiler from leaving out the pair, or knowing that the address cannot come again.
fn allocate_and_free() -> Option<usize> {
    // SAFETY: the layout's size is not zero.
    let block = black_box(unsafe { alloc(black_box(BLOCK)) });
    let address = black_box(block.addr());
    if block.is_null() {
        return None;
    }
    // SAFETY: allocated above with the same layout, freed once.
    unsafe { dealloc(block, BLOCK) };
    Some(address)
}

/// Whether `malloc` is not libc's, but of the program or a library that replaces it.
fn malloc_is_ordinary() -> bool {
    let address = libc::malloc as *const ();
    text::is_ordinary(address.addr()) && is_defined_at(address)
}

/// `false` for the jump to a function, which stands for its address in a program that is not
/// position-independent; its symbol has no section.
fn is_defined_at(function: *const ()) -> bool {
    const RTLD_DL_SYMENT: libc::c_int = 1;
    let mut info = MaybeUninit::<libc::Dl_info>::uninit();
    let mut symbol = ptr::null_mut::<libc::c_void>();
    // SAFETY: both places are valid for what is stored there.
    let found =
        unsafe { libc::dladdr1(function.cast(), info.as_mut_ptr(), &mut symbol, RTLD_DL_SYMENT) };
    // SAFETY: with this flag a symbol that was found is an entry of a loaded object's table.
    let symbol = unsafe { symbol.cast::<libc::Elf64_Sym>().as_ref() };
    found != 0 && symbol.is_some_and(|symbol| symbol.st_shndx != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::thread;

    /// This test program has the default allocator.
    #[test]
    fn system_is_recognised_while_other_threads_allocate() {
        static STOP: AtomicBool = AtomicBool::new(false);
        let churn = || {
            let mut blocks: Vec<Vec<u8>> = Vec::new();
            while !STOP.load(Relaxed) {
                blocks.push(Vec::with_capacity(BLOCK.size()));
                if blocks.len() > 50 {
                    blocks.drain(..40);
                }
            }
        };
        let churning: Vec<_> = (0..4).map(|_| thread::spawn(churn)).collect();
        for round in 0..2_000 {
            // With all fillings of the thread's cache.
            drop((0..round % 20).map(|_| Box::new([0_u8; 56])).collect::<Vec<_>>());
            assert_eq!(source(), Source::Malloc, "round {round}");
        }
        for _ in 0..200 {
            assert_eq!(thread::spawn(source).join().unwrap(), Source::Malloc);
        }
        STOP.store(true, Relaxed);
        churning.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn malloc_is_libcs_here() {
        text::load().unwrap();
        assert!(!malloc_is_ordinary());
        assert!(is_defined_at(libc::malloc as *const ()));
    }
}
