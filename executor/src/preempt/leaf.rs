//! Leaf functions of libc: a poll may be suspended in them, although libc is not ordinary code.
//!
//! Polls that copy, fill or compare large blocks spend their time in `memcpy` and its like. These
//! hold no lock, keep no state and call nobody. But their caller may hold one: `realloc` copies
//! under the lock of an arena. So it is the caller that decides:
//!
//! ```text
//!            │ frames of the caller                │
//!            ├─────────────────────────────────────┤
//!   rsp ───▶ │ return address                      │  in ordinary code? Then this point is, too.
//!            └─────────────────────────────────────┘
//!              pc: anywhere in the leaf function
//! ```
//!
//! [`find`] looks once for the implementations that this process uses, and accepts those that have
//! no frame at any instruction (`unwind.rs`), so that the return address is where the picture has
//! it. What it does not find is refused as before.
//!
//! # Jumps between functions
//! * A leaf may jump into another (`mempcpy` into `memmove`) or out of its own range (`__memcpy_chk`
//!   to the function that reports an overflow, some old variants to others). What counts is where
//!   the pc is: within the range of a leaf the return address is at the stack pointer, however the
//!   pc came there; elsewhere the point is refused.
//! * Ordinary code may end in a jump to a leaf. The return address is then that of its caller; if
//!   that is libc (a comparison function that `qsort` has called), the point is refused, which is
//!   safe.
//! * Code of libc may end in a jump to a leaf, and its caller counts in its place. It has done its
//!   work by then, so that it holds nothing that its caller does not know of.
//!
//! Variants for large blocks use non-temporal stores, whose order other processors see only after a
//! fence at the end. It is executed on another processor if the poll goes on there; by then the locked
//! instructions of the switch and of the queue have ordered the earlier ones, as the system's do when
//! it moves a thread.
//!
//! # Signal safety
//! [`is_called_by_ordinary_code`] reads an immutable table, and one word of the poll's own stack.
//!
//! # Rejected
//! * Every frameless function of libc: the wrappers of system calls are such, and `gettid` depends
//!   on the kernel thread. Only names tell what a function does.
//! * Functions with a frame (`strstr`), by the offset of each instruction's row: rare in Rust, whose
//!   own searches are ordinary code.
//! * Unwinding in the handler, which would find any caller: takes locks.
//! * Implementations of our own in the place of libc's: they would have to be as fast on every
//!   processor.

use super::text;
use super::unwind::Object;
use preempt_fiber::{Interrupted, Stack};
use std::ffi::CStr;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;

/// What rustc and LLVM call on their own (the first line), what C libraries call, and how a compiler
/// calls them that checks for overflows. Each works on memory that it is passed and on nothing else.
#[rustfmt::skip]
const NAMES: &[&CStr] = &[
    c"memcpy", c"memmove", c"memset", c"memcmp", c"bcmp", c"strlen",
    c"mempcpy", c"memchr", c"memrchr", c"rawmemchr", c"__memcmpeq", c"bzero",
    c"strnlen", c"strcmp", c"strncmp", c"strchr", c"strchrnul", c"strrchr",
    c"strcpy", c"stpcpy", c"strncpy", c"stpncpy", c"strcat", c"strncat",
    c"strspn", c"strcspn", c"strpbrk",
    c"wcslen", c"wcsnlen", c"wmemchr", c"wmemcmp", c"wmemset",
    c"__memcpy_chk", c"__memmove_chk", c"__mempcpy_chk", c"__memset_chk",
];

/// Sorted, apart from each other.
static LEAVES: OnceLock<Vec<Range<usize>>> = OnceLock::new();

/// Looks for the functions, once per process. For ordinary code only: takes the dynamic linker's
/// lock, before any poll can be suspended that holds it.
pub(super) fn find() {
    LEAVES.get_or_init(|| found().unwrap_or_default());
}

/// Whether the pc is in a leaf function that ordinary code has called. `stack` is that of the
/// interrupted code.
pub(super) fn is_called_by_ordinary_code(at: Interrupted, stack: Stack) -> bool {
    let leaves = LEAVES.get().map_or(&[][..], Vec::as_slice);
    text::contains(leaves, at.pc) && word_at(at.sp, stack).is_some_and(text::is_ordinary)
}

/// The word at the stack pointer, if that is a place for a return address.
fn word_at(sp: usize, stack: Stack) -> Option<usize> {
    const WORD: usize = size_of::<usize>();
    let is_on_stack = stack.lo <= sp && stack.hi.checked_sub(sp).is_some_and(|above| above >= WORD);
    if !is_on_stack || !sp.is_multiple_of(WORD) {
        return None;
    }
    // SAFETY: aligned, and within the stack of the code that was interrupted.
    Some(unsafe { ptr::with_exposed_provenance::<usize>(sp).read() })
}

fn found() -> Option<Vec<Range<usize>>> {
    // SAFETY: libc is never unloaded.
    let libc = unsafe { Object::containing(address_of(c"gnu_get_libc_version")?) }?;
    let mut leaves: Vec<_> = NAMES
        .iter()
        .filter_map(|name| address_of(name))
        // Another library may have put its own in their place; that one is ordinary code.
        .filter(|&address| libc.contains(address))
        .filter_map(|address| libc.frameless_function(address))
        .collect();
    leaves.sort_by_key(|leaf| leaf.start);
    leaves.dedup();
    Some(leaves)
}

/// Where the function is that this process uses by that name. libc chooses it by what the processor
/// can do.
fn address_of(name: &CStr) -> Option<usize> {
    // SAFETY: a string that ends in a zero byte.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then(|| address.expose_provenance())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare() -> &'static [Range<usize>] {
        text::load().unwrap();
        find();
        LEAVES.get().unwrap()
    }

    fn is_leaf(name: &CStr) -> bool {
        text::contains(prepare(), address_of(name).unwrap())
    }

    /// Looks at a pc in `memcpy` with a stack of one word, at a stack pointer that many bytes above
    /// its lower end.
    fn decides(word: usize, sp_offset: usize) -> bool {
        prepare();
        let words = [word];
        let lo = words.as_ptr().expose_provenance();
        let pc = address_of(c"memcpy").unwrap() + 4;
        let stack = Stack { lo, hi: lo + size_of_val(&words) };
        is_called_by_ordinary_code(Interrupted { pc, sp: lo.wrapping_add(sp_offset) }, stack)
    }

    #[test]
    fn what_rust_code_calls_is_found() {
        for name in &NAMES[..6] {
            assert!(is_leaf(name), "{name:?}");
        }
        println!("{} names, {} functions", NAMES.len(), prepare().len());
    }

    #[test]
    fn other_functions_of_libc_are_not() {
        let others =
            [c"malloc", c"realloc", c"free", c"qsort", c"gettid", c"getpid", c"syscall", c"printf"];
        for name in others {
            assert!(!is_leaf(name), "{name:?}");
        }
    }

    #[test]
    fn leaves_are_apart_from_each_other_and_not_ordinary_by_their_address() {
        let leaves = prepare();
        assert!(leaves.windows(2).all(|pair| pair[0].end <= pair[1].start));
        assert!(leaves.iter().all(|leaf| leaf.start < leaf.end));
        assert!(leaves.iter().all(|leaf| !text::is_ordinary(leaf.start)));
    }

    #[test]
    fn the_caller_decides() {
        assert!(decides(the_caller_decides as *const () as usize, 0));
        assert!(!decides(address_of(c"realloc").unwrap() + 16, 0), "libc");
        assert!(!decides(address_of(c"memset").unwrap() + 4, 0), "a leaf is no caller");
        assert!(!decides((&raw const LEAVES).addr(), 0), "no code");
        assert!(!decides(0, 0));
    }

    #[test]
    fn a_stack_pointer_elsewhere_is_refused() {
        let word = a_stack_pointer_elsewhere_is_refused as *const () as usize;
        assert!(!decides(word, 4), "not aligned");
        assert!(!decides(word, 8), "above the stack");
        assert!(!decides(word, 8_usize.wrapping_neg()), "below it");
        let pc = address_of(c"memcpy").unwrap();
        assert!(!is_called_by_ordinary_code(Interrupted { pc, sp: 0 }, Stack { lo: 0, hi: 0 }));
    }

    #[test]
    fn a_pc_in_other_code_of_libc_is_refused_whoever_called_it() {
        prepare();
        let words = [a_stack_pointer_elsewhere_is_refused as *const () as usize];
        let sp = words.as_ptr().expose_provenance();
        let stack = Stack { lo: sp, hi: sp + 8 };
        for name in [c"malloc", c"gettid"] {
            let pc = address_of(name).unwrap();
            assert!(!is_called_by_ordinary_code(Interrupted { pc, sp }, stack), "{name:?}");
        }
    }
}
