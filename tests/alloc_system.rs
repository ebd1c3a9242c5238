//! `NoPreempt` itself: it forwards, it counts, and the count is back at zero afterwards.
//!
//! The program's own allocator is `NoPreempt<System>`; what the wrapper passes on is seen by a mock
//! that is called directly.

use preempt::alloc::NoPreempt;
use preempt_checkpoint::runtime::{no_preempt_depth, take_protected_allocation};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::thread;

#[global_allocator]
static GLOBAL: NoPreempt<System> = NoPreempt::new(System);

/// Counts what arrives, and how deep in sections it does.
#[derive(Default)]
struct Mock {
    allocated: AtomicUsize,
    zeroed: AtomicUsize,
    reallocated: AtomicUsize,
    freed: AtomicUsize,
    depth: AtomicU32,
}

impl Mock {
    fn note(&self, count: &AtomicUsize) {
        count.fetch_add(1, Relaxed);
        self.depth.store(no_preempt_depth(), Relaxed);
    }

    /// Calls since the last time, by kind: alloc, alloc_zeroed, realloc, dealloc.
    fn take_counts(&self) -> [usize; 4] {
        [&self.allocated, &self.zeroed, &self.reallocated, &self.freed]
            .map(|count| count.swap(0, Relaxed))
    }

    /// The depth at the last call.
    fn take_depth(&self) -> u32 {
        self.depth.swap(0, Relaxed)
    }
}

// SAFETY: `System`'s guarantees.
unsafe impl GlobalAlloc for Mock {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note(&self.allocated);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.note(&self.freed);
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.note(&self.zeroed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        self.note(&self.reallocated);
        // SAFETY: the caller's contract.
        unsafe { System.realloc(block, layout, new_bytes) }
    }
}

/// Allocates, grows and frees a block with `allocator`; `each` is called after each of the calls.
fn live_of_a_block(allocator: &impl GlobalAlloc, mut each: impl FnMut()) {
    let layout = Layout::from_size_align(100, 8).unwrap();
    let grown = Layout::from_size_align(5_000, 8).unwrap();
    // SAFETY: a layout with a size; the block is written within it, and freed once with the layout
    // that it has by then.
    unsafe {
        let block = allocator.alloc(layout);
        each();
        assert!(!block.is_null());
        block.write_bytes(0xa5, layout.size());
        let block = allocator.realloc(block, layout, grown.size());
        each();
        assert!(!block.is_null());
        assert!((0..layout.size()).all(|i| block.add(i).read() == 0xa5));
        allocator.dealloc(block, grown);
        each();
        let block = allocator.alloc_zeroed(layout);
        each();
        assert!((0..layout.size()).all(|i| block.add(i).read() == 0));
        allocator.dealloc(block, layout);
        each();
    }
}

#[test]
fn every_call_is_forwarded_inside_one_section() {
    let allocator = NoPreempt::new(Mock::default());
    live_of_a_block(&allocator, || {
        assert_eq!(allocator.allocator().take_depth(), 1);
        assert_eq!(no_preempt_depth(), 0);
    });
    assert_eq!(allocator.allocator().take_counts(), [1, 1, 1, 2]);
}

#[test]
fn wrappers_nest_in_each_other_and_in_sections() {
    let allocator = NoPreempt::new(NoPreempt::new(Mock::default()));
    let mock = allocator.allocator().allocator();
    preempt::no_preempt(|| {
        live_of_a_block(&allocator, || {
            assert_eq!(mock.take_depth(), 3);
            assert_eq!(no_preempt_depth(), 1);
        });
    });
    assert_eq!(no_preempt_depth(), 0);
    assert_eq!(mock.take_counts(), [1, 1, 1, 2]);
}

#[test]
fn a_failed_allocation_is_null_and_leaves_the_count_right() {
    /// Nobody has as much memory: half the address space, less what rounding takes.
    const HUGE: usize = isize::MAX as usize - 4096;
    let huge = black_box(Layout::from_size_align(HUGE, 1).unwrap());
    let small = Layout::from_size_align(64, 1).unwrap();
    // The black boxes keep the compiler from taking it that there is always enough memory.
    // SAFETY: layouts with a size; the block that `realloc` could not move is freed as it was.
    unsafe {
        assert!(black_box(GLOBAL.alloc(huge)).is_null());
        assert_eq!(no_preempt_depth(), 0);
        assert!(black_box(GLOBAL.alloc_zeroed(huge)).is_null());
        assert_eq!(no_preempt_depth(), 0);
        let block = black_box(GLOBAL.alloc(small));
        block.write(7);
        assert!(black_box(GLOBAL.realloc(block, small, black_box(HUGE))).is_null());
        assert_eq!(no_preempt_depth(), 0);
        assert_eq!(block.read(), 7);
        GLOBAL.dealloc(block, small);
    }
    assert!(Vec::<u8>::new().try_reserve_exact(HUGE).is_err());
    assert_eq!(no_preempt_depth(), 0);
}

#[test]
fn a_request_is_kept_for_the_next_checkpoint() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    /// Requests in the middle of the allocator, and comes by a checkpoint there.
    struct Requesting;
    // SAFETY: `System`'s guarantees.
    unsafe impl GlobalAlloc for Requesting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: this thread's own flag.
            unsafe { preempt_checkpoint::runtime::this_thread().request_remote() };
            preempt::checkpoint();
            // SAFETY: the caller's contract.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the caller's contract.
            unsafe { System.dealloc(block, layout) }
        }
    }
    fn hook() {
        CALLS.fetch_add(1, Relaxed);
        preempt_checkpoint::runtime::clear_request();
    }
    let on_a_new_thread = || {
        preempt_checkpoint::runtime::install(hook);
        let allocator = NoPreempt::new(Requesting);
        let layout = Layout::new::<u64>();
        // SAFETY: a layout with a size, freed once.
        unsafe { allocator.dealloc(allocator.alloc(layout), layout) };
        assert_eq!(CALLS.load(Relaxed), 0);
        preempt::checkpoint();
        assert_eq!(CALLS.load(Relaxed), 1);
    };
    thread::spawn(on_a_new_thread).join().unwrap();
}

#[test]
fn thread_locals_may_allocate_in_their_destructors() {
    static DEPTHS: AtomicU32 = AtomicU32::new(0);
    static DROPS: AtomicU32 = AtomicU32::new(0);
    struct Allocating(Vec<String>);
    impl Drop for Allocating {
        fn drop(&mut self) {
            self.0.extend((0..100).map(|i| i.to_string()));
            // Makes a thread-local that is new, while others are gone.
            LATE.with(|late| late.borrow_mut().0.push("late".to_owned()));
            DEPTHS.fetch_add(no_preempt_depth(), Relaxed);
            DROPS.fetch_add(1, Relaxed);
        }
    }
    struct Late(Vec<String>);
    impl Drop for Late {
        fn drop(&mut self) {
            self.0.resize(1_000, String::from("later"));
            DEPTHS.fetch_add(no_preempt_depth(), Relaxed);
            DROPS.fetch_add(1, Relaxed);
        }
    }
    thread_local! {
        static EARLY: RefCell<Allocating> = const { RefCell::new(Allocating(Vec::new())) };
        static LATE: RefCell<Late> = const { RefCell::new(Late(Vec::new())) };
    }
    thread::spawn(|| EARLY.with(|early| early.borrow_mut().0.push(String::from("early"))))
        .join()
        .unwrap();
    assert_eq!((DROPS.load(Relaxed), DEPTHS.load(Relaxed)), (2, 0));
}

#[test]
fn threads_have_counts_of_their_own() {
    let totals: Vec<usize> = thread::scope(|scope| {
        let work = || {
            let mut blocks = Vec::new();
            for i in 0..20_000_usize {
                blocks.push(vec![i; i % 7]);
                if i % 3 == 0 {
                    blocks.swap_remove(i % blocks.len());
                }
                assert_eq!(no_preempt_depth(), 0);
            }
            blocks.iter().flatten().sum()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(totals.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn the_global_allocator_is_found_to_be_wrapped() {
    let _earlier = take_protected_allocation();
    assert!(!take_protected_allocation());
    drop(black_box(Box::new(1)));
    assert!(take_protected_allocation());
    assert!(!take_protected_allocation());
}

#[test]
fn it_can_be_made_in_a_constant_and_takes_no_room() {
    const WRAPPED: NoPreempt<System> = NoPreempt::new(System);
    assert_eq!(size_of_val(&WRAPPED), 0);
    let default = NoPreempt::<System>::default();
    assert!(ptr::eq(default.allocator(), &raw const default as *const System));
    assert_eq!(format!("{default:?}"), "NoPreempt { allocator: System }");
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod before_and_after_main {
    use super::no_preempt_depth;
    use std::hint::black_box;

    extern "C" fn allocate() {
        let text = black_box(String::from("before or after main")).repeat(100);
        if text.len() != 2_000 || no_preempt_depth() != 0 {
            std::process::abort();
        }
        drop(black_box(text));
    }

    extern "C" fn before_main() {
        allocate();
        // SAFETY: registers a function that may be called at any time.
        if unsafe { libc::atexit(allocate) } != 0 {
            std::process::abort();
        }
    }

    /// Run by the C runtime before `main`, in every run of this program; aborts if it fails.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static BEFORE_MAIN: extern "C" fn() = before_main;
}
