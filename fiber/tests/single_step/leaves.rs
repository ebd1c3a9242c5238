//! Leaf functions of libc: a subject that calls nothing else, and where its calls are.

use preempt_fiber::Interrupted;
use std::hint::black_box;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;

/// Calls them with lengths for which they take different ways.
pub(crate) fn subject() -> u64 {
    const MOST: usize = 2_500;
    let mut source = [7_u8; MOST + 1];
    let mut target = [0_u8; MOST + 1];
    let mut sum = 0;
    let mut add =
        |value: u64| sum = (sum ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    for length in [0, 1, 3, 8, 16, 17, 33, 65, 129, 257, 300, 520, 1_100, MOST] {
        source[length] = 0;
        let (from, to) = (black_box(source.as_ptr()), black_box(target.as_mut_ptr()));
        // SAFETY: both arrays are longer than `length`, and `source` has a zero there.
        unsafe {
            libc::memcpy(to.cast(), from.cast(), length);
            libc::memmove(to.add(length / 3).cast(), to.cast(), length / 2);
            libc::memmove(to.cast(), to.add(length / 3).cast(), length / 2);
            add(libc::memcmp(from.cast(), to.cast(), length) as u64);
            add(libc::strlen(from.cast()) as u64);
            add(libc::strcmp(from.cast(), from.cast()) as u64);
            add((libc::memchr(from.cast(), 0, MOST + 1).addr() - from.addr()) as u64);
            libc::memset(to.cast(), length as i32, length);
            add(libc::memcmp(to.cast(), from.cast(), length).signum() as u64);
        }
        source[length] = 7;
    }
    sum
}

/// Text of libc, looked up once: a handler may not.
pub(crate) fn libc_text() -> &'static Range<usize> {
    static TEXT: OnceLock<Range<usize>> = OnceLock::new();
    TEXT.get_or_init(|| {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
        let is_libc =
            |line: &&str| ["/libc.so.", "/libc-2."].iter().any(|name| line.contains(name));
        let line = maps
            .lines()
            .filter(|line| line.contains(" r-xp "))
            .find(is_libc)
            .expect("libc is a library");
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let (start, end) = range.expect("a range");
        let address = |text| usize::from_str_radix(text, 16).expect("an address");
        address(start)..address(end)
    })
}

/// Whether the pc is in a function of libc that has no frame there, and that the text has called.
pub(crate) fn are_at(at: Interrupted, text: &Range<usize>) -> bool {
    let word = ptr::with_exposed_provenance::<usize>(at.sp);
    // SAFETY: the stack pointer of the code that was interrupted.
    libc_text().contains(&at.pc) && text.contains(&unsafe { word.read_unaligned() })
}
