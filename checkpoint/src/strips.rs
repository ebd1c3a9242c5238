//! Strip-mining: what `#[preemptible]` makes of loops.
//!
//! A check in each iteration keeps the compiler from vectorising the loop, and costs more than a
//! short body. So the macro splits a loop in two: the outer one takes a *strip* of at most so many
//! iterations and ends with a check; the inner one runs through the strip and has none.
//!
//! ```text
//! for PAT in EXPR { BODY }
//!
//! match into_iter(EXPR) {
//!     mut iter => {
//!         let strips = (&&&Probe(&iter)).__preempt_strips();
//!         loop {
//!             let mut left = 1024;
//!             for PAT in strips.next(&mut iter, &mut left) { BODY }
//!             if strips.is_done(&mut iter, left) { break; }
//!             checkpoint();
//!         }
//!     }
//! }
//! ```
//!
//! How a strip is taken depends on the iterator, and is found out by autoref: the method call tries
//! `&&&Probe` first, and dereferences until an implementation applies.
//!
//! | strips     | for                                   | the inner loop                            |
//! |------------|---------------------------------------|-------------------------------------------|
//! | [`Divided`] | ranges of integers, slices           | is the plain one, over a part             |
//! | [`Counted`] | std's iterators of a known length    | counts, and does not look for the end     |
//! | [`Watched`] | every other iterator                 | counts, and looks for the end             |
//!
//! All of them call `next` exactly as often as a plain loop does, and never again after `None`.
//! Only iterators of the first two rows are asked for their `size_hint`.

use core::iter::{Cloned, Copied, Enumerate, Map, Rev, Skip, StepBy, Take, Zip};
use core::ops::{Range, RangeInclusive};
use core::slice;

/// What the autoref dispatch starts from.
#[derive(Debug)]
pub struct Probe<'a, I>(pub &'a I);

/// Dispatch, first choice.
pub trait ViaParts {
    /// The way to take strips.
    fn __preempt_strips(&self) -> Divided;
}

impl<I: Parts> ViaParts for &&Probe<'_, I> {
    #[inline(always)]
    fn __preempt_strips(&self) -> Divided {
        Divided
    }
}

/// Dispatch, second choice.
pub trait ViaCount {
    /// The way to take strips.
    fn __preempt_strips(&self) -> Counted;
}

impl<I: KnownLength> ViaCount for &Probe<'_, I> {
    #[inline(always)]
    fn __preempt_strips(&self) -> Counted {
        Counted
    }
}

/// Dispatch, for whatever is left.
pub trait ViaNext {
    /// The way to take strips.
    fn __preempt_strips(&self) -> Watched;
}

// Whatever `I` is: that it is an iterator is for others to ask, in words that users know.
impl<I> ViaNext for Probe<'_, I> {
    #[inline(always)]
    fn __preempt_strips(&self) -> Watched {
        Watched
    }
}

/// A way to take strips from an iterator.
pub trait Strips<I: Iterator>: Copy {
    /// The items of one strip.
    type Strip<'a>: Iterator<Item = I::Item>
    where
        I: 'a;

    /// Whether there are at most `most` items, as far as can be told. Costs a comparison.
    fn is_short(self, iter: &I, most: usize) -> bool;

    /// The next strip: at most `left` items, which is not 0.
    fn next<'a>(self, iter: &'a mut I, left: &'a mut usize) -> Self::Strip<'a>;

    /// Whether the iterator has ended, once the strip has; `left` as the strip has left it.
    fn is_done(self, iter: &mut I, left: usize) -> bool;
}

/// Strips that are parts of the iterator, of its own kind.
#[derive(Clone, Copy, Debug)]
pub struct Divided;

impl<I: Parts> Strips<I> for Divided {
    type Strip<'a>
        = I::Part
    where
        I: 'a;

    #[inline(always)]
    fn is_short(self, iter: &I, most: usize) -> bool {
        iter.has_at_most(most)
    }

    #[inline(always)]
    fn next<'a>(self, iter: &'a mut I, left: &'a mut usize) -> I::Part {
        iter.split_off_front(*left)
    }

    #[inline(always)]
    fn is_done(self, iter: &mut I, _: usize) -> bool {
        iter.is_at_end()
    }
}

/// Iterators that can be cut in two.
pub trait Parts: Iterator {
    /// What is cut off.
    type Part: Iterator<Item = Self::Item>;

    /// Takes the first `most` items off, or all if there are fewer.
    fn split_off_front(&mut self, most: usize) -> Self::Part;

    /// Whether there are no more than `most` items.
    fn has_at_most(&self, most: usize) -> bool;

    /// Whether there are no more items.
    fn is_at_end(&self) -> bool;
}

impl<'a, T> Parts for slice::Iter<'a, T> {
    type Part = slice::Iter<'a, T>;

    #[inline(always)]
    fn split_off_front(&mut self, most: usize) -> Self::Part {
        let slice = self.as_slice();
        match slice.split_at_checked(most) {
            Some((part, rest)) => {
                *self = rest.iter();
                part.iter()
            }
            None => {
                *self = slice[slice.len()..].iter();
                slice.iter()
            }
        }
    }

    #[inline(always)]
    fn has_at_most(&self, most: usize) -> bool {
        self.len() <= most
    }

    #[inline(always)]
    fn is_at_end(&self) -> bool {
        self.as_slice().is_empty()
    }
}

impl<'a, T> Parts for slice::IterMut<'a, T> {
    type Part = slice::IterMut<'a, T>;

    #[inline(always)]
    fn split_off_front(&mut self, most: usize) -> Self::Part {
        let slice = core::mem::take(self).into_slice();
        let middle = most.min(slice.len());
        let (part, rest) = slice.split_at_mut(middle);
        *self = rest.iter_mut();
        part.iter_mut()
    }

    #[inline(always)]
    fn has_at_most(&self, most: usize) -> bool {
        self.len() <= most
    }

    #[inline(always)]
    fn is_at_end(&self) -> bool {
        self.as_slice().is_empty()
    }
}

/// The integers. One trait for all, so that `0..4` can be cut while its type is not yet known.
pub trait Integer: Copy + PartialOrd {
    /// 1 and 0: the ends of an inclusive range that is empty.
    const NOTHING: (Self, Self);

    /// `start + most`, if that is less than `end`.
    fn ahead(start: Self, end: Self, most: usize) -> Option<Self>;

    /// `end - start`, where that is not negative and not more than `usize::MAX`; else that.
    fn distance(start: Self, end: Self) -> usize;

    /// `self + 1`; after the last value the first.
    #[must_use]
    fn successor(self) -> Self;
}

macro_rules! integers {
    ($($int:ident as $unsigned:ident),*) => {$(
        #[allow(
            clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss,
            clippy::cast_lossless,
            reason = "`most` is cast only where it is less than a difference of two values"
        )]
        impl Integer for $int {
            const NOTHING: ($int, $int) = (1, 0);

            #[inline(always)]
            #[allow(unsafe_code, reason = "tells the optimiser that a part is a part")]
            fn ahead(start: $int, end: $int, most: usize) -> Option<$int> {
                let length = (end as $unsigned).wrapping_sub(start as $unsigned);
                if start < end && length as u128 > most as u128 {
                    let middle = start.wrapping_add(most as $int);
                    // SAFETY: `most` is less than the distance from `start` to `end`.
                    unsafe { core::hint::assert_unchecked(start <= middle && middle < end) };
                    Some(middle)
                } else {
                    None
                }
            }

            #[inline(always)]
            fn distance(start: $int, end: $int) -> usize {
                if start >= end {
                    return 0;
                }
                let length = (end as $unsigned).wrapping_sub(start as $unsigned);
                if length as u128 > usize::MAX as u128 { usize::MAX } else { length as usize }
            }

            #[inline(always)]
            fn successor(self) -> $int {
                self.wrapping_add(1)
            }
        }
    )*};
}

integers!(
    i8 as u8,
    i16 as u16,
    i32 as u32,
    i64 as u64,
    i128 as u128,
    isize as usize,
    u8 as u8,
    u16 as u16,
    u32 as u32,
    u64 as u64,
    u128 as u128,
    usize as usize
);

impl<T: Integer> Parts for Range<T>
where
    Range<T>: Iterator<Item = T>,
{
    type Part = Range<T>;

    #[inline(always)]
    fn split_off_front(&mut self, most: usize) -> Range<T> {
        let (start, end) = (self.start, self.end);
        let middle = T::ahead(start, end, most).unwrap_or(end);
        self.start = middle;
        start..middle
    }

    #[inline(always)]
    fn has_at_most(&self, most: usize) -> bool {
        T::distance(self.start, self.end) <= most
    }

    #[inline(always)]
    fn is_at_end(&self) -> bool {
        self.start >= self.end
    }
}

#[allow(unsafe_code, reason = "states the length of a range")]
// SAFETY: the lower bound is exact, or `usize::MAX` where that is less.
unsafe impl<T: Integer> KnownLength for Range<T> where Range<T>: Iterator<Item = T> {}

impl<T: Integer> Parts for RangeInclusive<T>
where
    RangeInclusive<T>: Iterator<Item = T>,
{
    type Part = Successive<T>;

    #[inline(always)]
    fn split_off_front(&mut self, most: usize) -> Successive<T> {
        let (start, end) = (*self.start(), *self.end());
        if RangeInclusive::is_empty(self) {
            return Successive { next: start, left: 0 };
        }
        // Less than `most` are between them: all that there are, with the end itself.
        let distance = T::distance(start, end);
        if distance < most {
            let (start_of_nothing, end_of_nothing) = T::NOTHING;
            *self = start_of_nothing..=end_of_nothing;
            return Successive { next: start, left: distance + 1 };
        }
        // `most` steps lead to the end, or to somewhere ahead of it.
        *self = T::ahead(start, end, most).unwrap_or(end)..=end;
        Successive { next: start, left: most }
    }

    #[inline(always)]
    fn has_at_most(&self, most: usize) -> bool {
        RangeInclusive::is_empty(self) || T::distance(*self.start(), *self.end()) < most
    }

    #[inline(always)]
    fn is_at_end(&self) -> bool {
        RangeInclusive::is_empty(self)
    }
}

/// The values `next`, `next + 1` and so on.
#[derive(Debug)]
pub struct Successive<T> {
    next: T,
    left: usize,
}

impl<T: Integer> Iterator for Successive<T> {
    type Item = T;

    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        let value = self.next;
        // Wraps after the last value of the type, which is then the last of the strip.
        self.next = value.successor();
        Some(value)
    }
}

/// Strips of iterators that say how many items they have.
#[derive(Clone, Copy, Debug)]
pub struct Counted;

/// So many items of an iterator that has them.
#[derive(Debug)]
pub struct CountedStrip<'a, I> {
    iter: &'a mut I,
    left: usize,
}

impl<I: KnownLength> Strips<I> for Counted {
    type Strip<'a>
        = CountedStrip<'a, I>
    where
        I: 'a;

    #[inline(always)]
    fn is_short(self, iter: &I, most: usize) -> bool {
        iter.size_hint().0 <= most
    }

    #[inline(always)]
    fn next<'a>(self, iter: &'a mut I, left: &'a mut usize) -> CountedStrip<'a, I> {
        let left = iter.size_hint().0.min(*left);
        CountedStrip { iter, left }
    }

    /// The last `next` may have an effect: `zip` calls a `map` on its left once more.
    #[inline(always)]
    fn is_done(self, iter: &mut I, _: usize) -> bool {
        iter.size_hint().0 == 0 && iter.next().is_none()
    }
}

impl<I: KnownLength> Iterator for CountedStrip<'_, I> {
    type Item = I::Item;

    #[inline(always)]
    #[allow(unsafe_code, reason = "spares a second look for the end")]
    fn next(&mut self) -> Option<I::Item> {
        self.left = self.left.checked_sub(1)?;
        let item = self.iter.next();
        // SAFETY: `left` was not more than the lower bound of an iterator of known length, and is
        // counted down with each item.
        Some(unsafe { item.unwrap_unchecked() })
    }
}

/// Iterators whose `size_hint` can be relied on.
///
/// # Safety
/// As many calls of `next` as `size_hint().0` says return an item (or panic); and if that is 0, the
/// next one returns `None`.
#[allow(unsafe_code, reason = "`Counted` relies on it")]
pub unsafe trait KnownLength: Iterator {}

macro_rules! known_lengths {
    ($($(#[$attribute:meta])* [$($generics:tt)*] $iterator:ty,)*) => {$(
        #[allow(unsafe_code, reason = "states what std promises with `TrustedLen` or `ExactSizeIterator`")]
        $(#[$attribute])*
        // SAFETY: std's implementation counts its items; adapters are as right as what they adapt.
        unsafe impl<$($generics)*> KnownLength for $iterator {}
    )*};
}

known_lengths! {
    ['a, T] slice::Iter<'a, T>,
    ['a, T] slice::IterMut<'a, T>,
    ['a, T] slice::Chunks<'a, T>,
    ['a, T] slice::ChunksMut<'a, T>,
    ['a, T] slice::ChunksExact<'a, T>,
    ['a, T] slice::ChunksExactMut<'a, T>,
    ['a, T] slice::Windows<'a, T>,
    ['a] core::str::Bytes<'a>,
    [T, const N: usize] core::array::IntoIter<T, N>,
    #[cfg(feature = "std")] [T] std::vec::IntoIter<T>,
    [A: KnownLength, B: KnownLength] Zip<A, B>,
    [A: KnownLength] Enumerate<A>,
    [A: KnownLength + DoubleEndedIterator] Rev<A>,
    [B, A: KnownLength, F: FnMut(A::Item) -> B] Map<A, F>,
    ['a, T: 'a + Copy, A: KnownLength + Iterator<Item = &'a T>] Copied<A>,
    ['a, T: 'a + Clone, A: KnownLength + Iterator<Item = &'a T>] Cloned<A>,
    [A: KnownLength] Take<A>,
    [A: KnownLength] Skip<A>,
    [] StepBy<Range<u8>>,
    [] StepBy<Range<u16>>,
    [] StepBy<Range<u32>>,
    [] StepBy<Range<usize>>,
}

/// Strips of any iterator.
#[derive(Clone, Copy, Debug)]
pub struct Watched;

/// Items of an iterator that may end at any time.
#[derive(Debug)]
pub struct WatchedStrip<'a, I> {
    iter: &'a mut I,
    /// Not 0 after the strip: the iterator has ended.
    left: &'a mut usize,
}

impl<I: Iterator> Strips<I> for Watched {
    type Strip<'a>
        = WatchedStrip<'a, I>
    where
        I: 'a;

    #[inline(always)]
    fn is_short(self, _: &I, _: usize) -> bool {
        false
    }

    #[inline(always)]
    fn next<'a>(self, iter: &'a mut I, left: &'a mut usize) -> WatchedStrip<'a, I> {
        WatchedStrip { iter, left }
    }

    #[inline(always)]
    fn is_done(self, _: &mut I, left: usize) -> bool {
        left != 0
    }
}

impl<I: Iterator> Iterator for WatchedStrip<'_, I> {
    type Item = I::Item;

    #[inline(always)]
    fn next(&mut self) -> Option<I::Item> {
        let left = self.left.checked_sub(1)?;
        let item = self.iter.next()?;
        *self.left = left;
        Some(item)
    }
}
