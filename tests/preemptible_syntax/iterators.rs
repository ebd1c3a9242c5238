//! What a `for` runs over.

use crate::support::{Noisy, log};
use preempt::preemptible;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::iter::{self, FusedIterator, Rev};
use std::ops::{Bound, ControlFlow, Range, RangeInclusive};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// Ranges of one integer type, at both ends of it and reversed, with the last value seen.
macro_rules! ranges {
    ($($ty:ident)*) => {$(
        both! {
            fn $ty(n: u32) -> Vec<$ty> {
                let limit = n.min($ty::MAX as u32 / 2) as $ty;
                let mut out = vec![];
                for i in 0..limit { out.push(i) }
                for i in 0..=limit { out.push(i) }
                for i in limit..0 { out.push(i) }
                for i in limit..=0 { out.push(i) }
                for i in $ty::MAX - limit..$ty::MAX { out.push(i) }
                for i in $ty::MAX - limit..=$ty::MAX { out.push(i) }
                for i in $ty::MIN..$ty::MIN + limit { out.push(i) }
                for i in ($ty::MIN..=$ty::MIN + limit).rev() { out.push(i) }
                for i in ($ty::MAX - limit..$ty::MAX).rev() { out.push(i) }
                for i in ($ty::MAX - limit..=$ty::MAX).rev() { out.push(i) }
                for i in (0..limit).step_by(3) { out.push(i) }
                for i in (0..=limit).rev().step_by(limit.max(1) as usize) { out.push(i) }
                for i in ($ty::MAX - limit..=$ty::MAX).step_by(7) { out.push(i) }
                for i in $ty::MAX - limit - 9.. { out.push(i); if i >= $ty::MAX - 5 { break } }
                for i in ($ty::MAX - limit - 9..).step_by(2) { out.push(i); if i >= $ty::MAX - 5 { break } }
                out
            }
        }
    )*};
}

/// The whole of the types that are small enough.
macro_rules! whole_ranges {
    ($($ty:ident)*) => {$(
        #[test]
        fn $ty() {
            fn plain() -> (u64, u32) {
                let (mut hash, mut count) = (7u64, 0);
                for i in $ty::MIN..=$ty::MAX { hash = hash.wrapping_mul(31) ^ i as u64; count += 1 }
                for i in ($ty::MIN..$ty::MAX).rev() { hash = hash.wrapping_mul(31) ^ i as u64; count += 1 }
                (hash, count)
            }
            #[preempt::preemptible]
            fn annotated() -> (u64, u32) {
                let (mut hash, mut count) = (7u64, 0);
                for i in $ty::MIN..=$ty::MAX { hash = hash.wrapping_mul(31) ^ i as u64; count += 1 }
                for i in ($ty::MIN..$ty::MAX).rev() { hash = hash.wrapping_mul(31) ^ i as u64; count += 1 }
                (hash, count)
            }
            assert_eq!(annotated(), plain());
            assert_eq!(annotated().1, 2 * ($ty::MAX as i64 - $ty::MIN as i64) as u32 + 1);
        }
    )*};
}

mod ranges_of {
    ranges! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize }
}

mod whole_ranges_of {
    whole_ranges! { u8 i8 u16 i16 }
}

both! {
    fn ranges_of_chars(n: u32) -> String {
        let mut out = String::new();
        let last = char::from_u32(u32::from('a') + n).unwrap();
        for c in 'a'..last { out.push(c) }
        for c in ('a'..=last).rev() { out.push(c) }
        for c in '\u{d7f0}'..='\u{e010}' { out.push(c) }
        for c in ('\u{10fff0}'..=char::MAX).step_by(3) { out.push(c) }
        for c in '\u{10fff0}'.. { out.push(c); if c == '\u{10fffe}' { break } }
        out
    }

    fn ranges_of_addresses(n: u32) -> u32 {
        use std::net::{Ipv4Addr, Ipv6Addr};
        let mut hash = 7u32;
        for a in Ipv4Addr::new(1, 0, 0, 254)..Ipv4Addr::from_bits(0x0100_00fe + n) {
            hash = hash.rotate_left(3) ^ a.to_bits();
        }
        for a in (Ipv6Addr::LOCALHOST..=Ipv6Addr::from_bits(u128::from(n))).rev() {
            hash = hash.rotate_left(3) ^ a.to_bits() as u32;
        }
        hash
    }

    fn ranges_in_variables_and_their_fields(n: u32) -> Vec<u32> {
        struct Spans { all: Range<u32>, closed: RangeInclusive<u32> }
        let mut out = vec![];
        let range = 0..n;
        for i in range.clone() { out.push(i) }
        for i in range { out.push(i) }
        let mut spans = Spans { all: 3..n, closed: 1..=n };
        for i in spans.all.by_ref().take(2) { out.push(i) }
        for i in &mut spans.all { out.push(i); if i == 9 { break } }
        for i in spans.all { out.push(i) }
        for i in &mut spans.closed { if i == 4 { break } }
        for i in spans.closed.clone() { out.push(i) }
        for i in { spans.closed } { out.push(i) }
        for r in [0..1, 1..n] { for i in r { out.push(i) } }
        out
    }

    fn ends_that_have_effects(n: u32) -> u32 {
        let mut sum = 0;
        let end = || { log("end"); n };
        for i in { log("start"); 1 }..end() { sum += i }
        for i in (0..=end()).rev() { sum ^= i }
        let mut limit = n;
        for i in 0..limit { limit /= 2; sum += i + limit }
        sum
    }

    fn vectors_arrays_and_slices(n: u32) -> (u32, Vec<u32>, [u32; 3]) {
        let mut values: Vec<u32> = (0..n).collect();
        let mut array = [1, 2, n];
        let mut sum = 0u32;
        for x in &values { sum += x }
        for x in values.iter() { sum ^= x }
        for x in &mut values { *x += 1 }
        for x in values.iter_mut() { *x ^= 5 }
        for x in &values[values.len() / 2..] { sum += x }
        for x in &mut values[..n as usize / 3] { *x = 9 }
        for x in values.clone() { sum += x }
        for x in values.as_slice() { sum += x }
        for x in values.iter().rev() { sum = sum.rotate_left(1) ^ x }
        for x in values.iter_mut().rev() { *x = sum; sum /= 2 }
        for x in values.iter().copied().rev() { sum = sum.rotate_left(1) ^ x }
        for x in array { sum += x }
        for x in &array { sum += x }
        for x in &mut array { *x += 1 }
        for x in array.iter().cloned() { sum += x }
        for x in [[1, 2], [3, n]].concat() { sum += x }
        for x in [0u8; 0] { sum += u32::from(x) }
        for x in values.drain(..n as usize / 2) { sum ^= x }
        for x in values.split_off(n as usize / 5) { sum ^= x }
        for x in std::mem::take(&mut values).into_iter().rev() { values.push(x) }
        (sum, values, array)
    }

    fn boxes_and_other_owners(n: u32) -> u32 {
        let boxed: Box<[u32]> = (0..n).collect();
        let rc: Rc<[u32]> = (0..n).collect();
        let arc = Arc::new(vec![1, n]);
        let cow = std::borrow::Cow::Borrowed(&[1, n][..]);
        let mut sum = 0;
        for x in &boxed { sum += x }
        for x in boxed.iter() { sum ^= x }
        for x in &mut boxed.clone() { sum ^= *x }
        for x in &*rc { sum += x }
        for x in rc.iter() { sum += x }
        for x in arc.iter() { sum += x }
        for x in &*cow { sum += x }
        for x in boxed { sum += x }
        for x in vec![3, n].into_boxed_slice().into_vec() { sum += x }
        sum
    }

    fn zero_sized_items(n: u32) -> u32 {
        let mut count = 0;
        for () in vec![(); n as usize] { count += 1 }
        for () in &vec![(); n as usize] { count += 1 }
        for _ in vec![[0u8; 0]; n as usize].iter().rev() { count += 1 }
        for unit in &mut [(); 7] { *unit = (); count += 1 }
        for _ in vec![(); n as usize].chunks(2) { count += 1 }
        count
    }

    fn collections(n: u32) -> (u32, Vec<u32>, Vec<(u32, u32)>) {
        let deque: VecDeque<u32> = { let mut d: VecDeque<u32> = (0..n).collect(); d.rotate_left(n as usize / 3); d };
        let map: BTreeMap<u32, u32> = (0..n).map(|x| (x ^ 5, x)).collect();
        let mut hash: HashMap<u32, u32> = (0..n).map(|x| (x, x)).collect();
        let mut sum = 0;
        let mut out = vec![];
        let mut pairs = vec![];
        for x in &deque { out.push(*x) }
        for x in deque.iter().rev() { out.push(*x) }
        for x in &mut deque.clone() { *x += 1; sum += *x }
        for x in deque { out.push(x) }
        for (k, v) in &map { pairs.push((*k, *v)) }
        for (k, v) in map.range(3..n.max(3)) { pairs.push((*k, *v)) }
        for k in map.keys().rev() { sum ^= k }
        for v in map.clone().values_mut() { *v += 1; sum += *v }
        for pair in map { pairs.push(pair) }
        for (k, v) in &mut hash { *v += k }
        for (k, v) in &hash { sum ^= k * v }
        for v in hash.values() { sum ^= v }
        for (k, v) in hash.drain() { sum += k ^ v }
        for x in (0..n).collect::<BTreeSet<_>>() { out.push(x) }
        for x in &(0..n).collect::<HashSet<_>>() { sum += x }
        for x in (0..n).collect::<LinkedList<_>>() { out.push(x) }
        for x in (0..n).collect::<BinaryHeap<_>>().into_sorted_vec() { out.push(x) }
        (sum, out, pairs)
    }

    fn options_and_results(n: u32) -> u32 {
        let mut sum = 0;
        let mut some = Some(n);
        for x in some { sum += x }
        for x in &some { sum += x }
        for x in &mut some { *x += 1 }
        for x in some.take() { sum += x }
        for x in None::<u32> { sum += x }
        for x in n.checked_sub(5) { sum += x }
        for x in n.to_string().parse::<u32>() { sum += x }
        for x in Err::<u32, _>(()) { sum += x }
        sum
    }

    fn chunks_and_windows(n: u32) -> (u32, Vec<u32>) {
        let mut values: Vec<u32> = (0..n).collect();
        let mut sum = 0u32;
        for c in values.chunks(3) { sum = sum.wrapping_mul(31) + c[0] + c.len() as u32 }
        for c in values.chunks_exact(4) { sum = sum.wrapping_mul(31) + c[3] }
        for c in values.rchunks(5) { sum = sum.wrapping_mul(31) + c[0] }
        for w in values.windows(2) { sum = sum.wrapping_mul(31) + w[0] * w[1] }
        for [a, b] in values.as_chunks::<2>().0 { sum = sum.wrapping_mul(31) + a + b }
        for c in values.chunks_mut(7) { c.reverse() }
        for c in values.chunks_exact_mut(2) { c.swap(0, 1) }
        for c in values.split(|x| x % 5 == 0) { sum = sum.wrapping_mul(31) + c.len() as u32 }
        for c in values.chunk_by(|a, b| a < b) { sum = sum.wrapping_mul(31) + c.len() as u32 }
        let mut exact = values.chunks_exact(6);
        for c in exact.by_ref() { sum ^= c[0] }
        for x in exact.remainder() { sum = sum.wrapping_mul(31) + x }
        (sum, values)
    }

    fn adapters(n: u32) -> Vec<u32> {
        let values: Vec<u32> = (0..n).collect();
        let mut out = vec![];
        for (a, b) in values.iter().zip(1..) { out.push(a * b) }
        for (a, b) in (0..n).zip(values.iter().rev()) { out.push(a ^ b) }
        for ((i, a), b) in values.iter().enumerate().zip([1, 2, 3]) { out.push(i as u32 + a * b) }
        for (i, x) in values.iter().enumerate().skip(2).step_by(3) { out.push(i as u32 ^ x) }
        for x in values.iter().map(|x| x * 2) { out.push(x) }
        for x in values.iter().filter(|x| **x % 3 == 1).rev() { out.push(*x) }
        for x in values.iter().copied().filter_map(|x| x.checked_sub(4)) { out.push(x) }
        for x in values.iter().skip(1).take(70) { out.push(*x) }
        for x in (0..n).take(3).chain(values.iter().copied()).chain(None) { out.push(x) }
        for x in values.iter().skip_while(|x| **x < 5).take_while(|x| **x < 60) { out.push(*x) }
        for x in (0..n % 20).flat_map(|x| 0..x) { out.push(x) }
        for x in [vec![1], vec![], vec![n, 3]].iter().flatten() { out.push(*x) }
        for x in values.iter().scan(0, |sum, x| { *sum += x; (*sum < 900).then_some(*sum) }) { out.push(x) }
        for x in [1, 2, n].iter().cycle().take(n as usize + 2) { out.push(*x) }
        for x in values.iter().map_while(|x| (x % 70 != 69).then_some(x)) { out.push(*x) }
        for x in (0..n).inspect(|x| if x % 64 == 0 { log(x.to_string()) }).fuse() { out.push(x) }
        for x in iter::once(n).chain(iter::empty()).chain(iter::repeat_n(1, 3)) { out.push(x) }
        for x in iter::successors(Some(n), |x| (*x > 1).then_some(x / 2)) { out.push(x) }
        for x in iter::repeat(3).take(2) { out.push(x) }
        for x in iter::repeat_with(|| n).take(2) { out.push(x) }
        for (a, b) in iter::zip(&values, [3, n]) { out.push(a + b) }
        out
    }

    fn peekable_and_what_the_body_asks_the_iterator(n: u32) -> Vec<u32> {
        let mut out = vec![];
        let mut values = (0..n).peekable();
        while let Some(x) = values.next() {
            while let Some(y) = values.next_if(|y| y % 4 != 0) { out.push(y) }
            for z in values.by_ref().take(2) { out.push(z) }
            out.push(x);
            if values.peek() == Some(&70) { break }
        }
        for x in values { out.push(x) }
        let mut left = (0..n).filter(|x| x % 2 == 0);
        for x in &mut left { if x > 9 { break } }
        for x in left.by_ref() { out.push(x); if x > 20 { break } }
        out.extend(left);
        out
    }

    fn text(n: u32) -> Vec<String> {
        let text = "añ€𝄞 b\r\nc,d,,e\n".repeat(n as usize % 40);
        let mut out = vec![];
        let mut sum = 0;
        for c in text.chars() { sum += u32::from(c) }
        for c in text.chars().rev() { sum = sum.rotate_left(3) ^ u32::from(c) }
        for (i, c) in text.char_indices() { sum ^= i as u32 * u32::from(c) }
        for b in text.bytes() { sum += u32::from(b) }
        for b in text.as_bytes() { sum ^= u32::from(*b) }
        for b in b"bytes" { sum += u32::from(*b) }
        for line in text.lines() { out.push(line.to_owned()) }
        for part in text.split(',') { out.push(part.to_owned()) }
        for part in text.split_whitespace().rev() { out.push(part.to_owned()) }
        for part in text.splitn(3, |c: char| c == ',') { out.push(part.to_owned()) }
        for (i, found) in text.match_indices("d,") { out.push(format!("{i}{found}")) }
        for c in text.to_uppercase().drain(..) { sum = sum.wrapping_mul(3) + u32::from(c) }
        for c in n.to_string().chars() { sum = sum.wrapping_mul(3) + u32::from(c) }
        for arg in "ß".to_uppercase().escape_unicode() { sum ^= u32::from(arg) }
        out.push(sum.to_string());
        out
    }

    fn opaque_sources(n: u32) -> u64 {
        fn opaque(n: u32) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator { (0..n).map(u64::from) }
        let mut sum = 0u64;
        let n64 = u64::from(n);
        for x in opaque(n) { sum += x }
        for x in opaque(n).rev() { sum = (sum << 1 | sum >> 20) & 0xfffff ^ x }
        let boxed: Box<dyn Iterator<Item = u64>> = Box::new(opaque(n).map(|x| x * 3));
        for x in boxed { sum += x }
        let mut boxed: Box<dyn Iterator<Item = u64> + Send> = Box::new(0..n64);
        for x in &mut boxed { sum ^= x; if x == 5 { break } }
        for x in boxed.as_mut().take(3) { sum += x }
        for x in &mut *boxed as &mut dyn Iterator<Item = u64> { sum ^= x }
        let (sender, receiver) = std::sync::mpsc::channel();
        for i in 0..n64 % 9 { sender.send(i).unwrap() }
        for x in receiver.try_iter() { sum += x }
        drop(sender);
        for x in &receiver { sum += x }
        for x in receiver { sum += x }
        sum
    }

    fn temporaries_live_as_long_as_the_loop(n: u32) -> u32 {
        let cell = RefCell::new(vec![1, 2, n]);
        let mutex = Mutex::new(vec![1, n]);
        let mut sum = 0;
        for x in cell.borrow().iter() { sum += x; log(format!("{}", cell.try_borrow_mut().is_err())) }
        for x in cell.borrow_mut().iter_mut() { *x += 1; log(format!("{}", cell.try_borrow().is_err())) }
        for x in mutex.lock().unwrap().iter() { sum += x; log(format!("{}", mutex.try_lock().is_err())) }
        for x in mutex.lock().unwrap().clone() { sum += x; log(format!("{}", mutex.try_lock().is_err())) }
        log(format!("{} {}", cell.try_borrow_mut().is_ok(), mutex.try_lock().is_ok()));
        for c in String::from("abc").chars() { sum += u32::from(c) }
        for x in Noisy(vec![1, n]).0.iter() { log("body"); sum += x }
        for x in { Noisy("dropped").0.len()..7 } { log("body"); sum += x as u32 }
        for x in (Noisy(vec![3]), Noisy("tuple")).0.0.clone() { log("body"); sum += x }
        for x in Some(&Noisy(n)).into_iter() { log("body"); sum += x.0 }
        log("after");
        sum
    }

    fn iterators_that_borrow_what_the_body_may_use_after(n: u32) -> (Vec<u32>, u32, Vec<u32>) {
        let mut values: Vec<u32> = (0..n).collect();
        let count = Cell::new(0);
        let mut doubled = values.iter_mut().map(|x| { count.set(count.get() + 1); *x *= 2; x });
        for x in doubled.by_ref() { if *x > 9 { *x += count.get(); break } }
        for x in doubled { *x += 1 }
        values.push(count.get());
        let mut drained = vec![];
        for x in values.drain(..).filter(|x| x % 2 == 0) { drained.push(x); if drained.len() == 9 { break } }
        values.push(7);
        for x in values.extract_if(.., |x| *x == 7) { drained.push(x) }
        (values, count.get(), drained)
    }

    fn two_level_data(n: u32) -> Vec<Vec<u32>> {
        let mut grid = vec![vec![1u32; 5]; n as usize % 20];
        for (y, row) in grid.iter_mut().enumerate() {
            for (x, cell) in row.iter_mut().enumerate() { *cell += (x * y) as u32 }
        }
        for y in 1..grid.len() {
            let (above, below) = grid.split_at_mut(y);
            for (a, b) in above[y - 1].iter().zip(&mut below[0]) { *b = b.wrapping_add(*a) }
        }
        for row in &mut grid { for cell in row { if *cell > 100 { break } *cell *= 2 } }
        for Range { start, end } in [0..1, 1..n] { grid.push(vec![start, end]) }
        grid
    }
}

/// Generic over what is iterated.
mod generic {
    use super::*;

    items! {
        mod bounds {
            #[preemptible]
            fn iterator<I: Iterator<Item = u32>>(iter: I) -> u32 {
                let mut sum = 0;
                for x in iter { sum += x }
                sum
            }

            #[preemptible]
            fn unsized_iterator<I: Iterator<Item = u32> + ?Sized>(mut iter: &mut I) -> u32 {
                let mut sum = 0;
                for x in &mut iter { sum += x; if x == 40 { break } }
                for x in iter { sum ^= x }
                sum
            }

            #[preemptible]
            fn collection<C>(values: C) -> Vec<String>
            where
                C: IntoIterator,
                C::Item: ToString,
                C::IntoIter: DoubleEndedIterator + ExactSizeIterator,
            {
                let mut out = vec![];
                for x in values.into_iter().rev() { out.push(x.to_string()) }
                out
            }

            #[preemptible]
            fn by_reference<C: ?Sized>(values: &C) -> u32
            where
                for<'a> &'a C: IntoIterator<Item = &'a u32>,
            {
                let mut sum = 0;
                for x in values { sum += x }
                for x in values { sum ^= x }
                sum
            }

            #[preemptible]
            fn ranges<T: Copy>(start: T, end: T) -> (Vec<T>, Vec<T>)
            where
                Range<T>: Iterator<Item = T> + DoubleEndedIterator,
                RangeInclusive<T>: Iterator<Item = T>,
            {
                let (mut out, mut back) = (vec![], vec![]);
                for x in start..end { out.push(x) }
                for x in start..=end { out.push(x) }
                for x in (start..end).rev() { back.push(x) }
                (out, back)
            }

            #[preemptible]
            fn reversed<I>(iter: Rev<I>) -> u32 where Rev<I>: Iterator<Item = u32> {
                let mut sum = 0u32;
                for x in iter { sum = sum.rotate_left(1) ^ x }
                sum
            }

            #[preemptible]
            fn slices<T: PartialOrd>(values: &mut [T]) {
                for i in 1..values.len() {
                    for j in (0..i).rev() {
                        if values[j] <= values[j + 1] { break }
                        values.swap(j, j + 1);
                    }
                }
            }

            #[preemptible]
            fn arguments(a: impl IntoIterator<Item = impl Into<u64>>, b: &mut dyn Iterator<Item = u32>) -> u64 {
                let mut sum = 0;
                for x in a { sum += x.into() }
                for x in b { sum += u64::from(x) }
                sum
            }

            #[preemptible]
            fn associated<T: Source>(source: &T) -> u32 {
                let mut sum = 0;
                for x in source.values() { sum += x }
                for x in T::DEFAULT { sum += *x }
                sum
            }

            pub(super) fn run(n: u32) -> (Vec<u32>, Vec<String>, (Vec<i8>, Vec<i8>), Vec<u32>, u64) {
                let values: Vec<u32> = (0..n).collect();
                let mut sorted: Vec<u32> = (0..n % 50).map(|x| x * 7 % 11).collect();
                slices(&mut sorted);
                let sums = vec![
                    iterator(0..n), iterator(values.iter().copied()), iterator(&mut (0..n)),
                    unsized_iterator(&mut (0..n) as &mut dyn Iterator<Item = u32>),
                    unsized_iterator(&mut values.clone().into_iter()),
                    by_reference(&values), by_reference(&values[..]), by_reference(&[1, n]),
                    reversed((0..n).rev()), associated(&n),
                ];
                let ends = ranges(-3, n.min(100) as i8);
                let total = arguments([n], &mut (0..n)) + arguments(vec![3u8], &mut [1].into_iter());
                (sums, collection(&values), ends, sorted, total)
            }
        }
    }

    trait Source {
        const DEFAULT: &'static [u32];
        fn values(&self) -> impl Iterator<Item = u32>;
    }

    impl Source for u32 {
        const DEFAULT: &'static [u32] = &[1, 2];
        fn values(&self) -> impl Iterator<Item = u32> {
            (0..*self).map(|x| x ^ 1)
        }
    }
}

/// Types of users: with methods that are named like those of iterators, and with dereferencing.
mod of_users {
    use super::*;
    use std::ops::{Deref, DerefMut};

    struct List(Vec<u32>);

    impl IntoIterator for List {
        type Item = String;
        type IntoIter = iter::Map<std::vec::IntoIter<u32>, fn(u32) -> String>;
        fn into_iter(self) -> Self::IntoIter {
            log("into_iter");
            self.0.into_iter().map(|x| x.to_string())
        }
    }

    impl<'a> IntoIterator for &'a List {
        type Item = &'a u32;
        type IntoIter = Rev<std::slice::Iter<'a, u32>>;
        fn into_iter(self) -> Self::IntoIter {
            log("into_iter &");
            self.0.iter().rev()
        }
    }

    impl<'a> IntoIterator for &'a mut List {
        type Item = &'a mut u32;
        type IntoIter = std::slice::IterMut<'a, u32>;
        fn into_iter(self) -> Self::IntoIter {
            log("into_iter &mut");
            self.0.iter_mut()
        }
    }

    /// Looks like a slice to whoever looks for methods, and is none.
    struct Disguised {
        slice: Vec<u32>,
        range: Range<u32>,
    }

    impl Deref for Disguised {
        type Target = Vec<u32>;
        fn deref(&self) -> &Vec<u32> {
            log("deref");
            &self.slice
        }
    }

    impl DerefMut for Disguised {
        fn deref_mut(&mut self) -> &mut Vec<u32> {
            log("deref_mut");
            &mut self.slice
        }
    }

    impl Iterator for Disguised {
        type Item = u32;
        fn next(&mut self) -> Option<u32> {
            self.range.next()
        }
    }

    /// Has inherent methods that an expansion with method calls would find first.
    struct Decoys(u32);

    impl Iterator for Decoys {
        type Item = u32;
        fn next(&mut self) -> Option<u32> {
            self.0 = self.0.checked_sub(1)?;
            Some(self.0)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.0 as usize, Some(self.0 as usize))
        }
    }

    impl ExactSizeIterator for Decoys {}
    impl FusedIterator for Decoys {}

    macro_rules! decoys {
        ($($name:ident)*) => {
            #[allow(dead_code, reason = "whoever calls one is wrong")]
            impl Decoys { $(fn $name(&mut self) -> ! { panic!(stringify!($name)) })* }
        };
    }
    decoys! { next len is_empty size_hint into_iter iter by_ref take skip step step_by strip strips chunk chunks
    split_at split_off advance nth count fold try_fold for_each rev start end remaining clone borrow
    checkpoint poll stride plan kind dispatch get get_mut as_ref as_mut deref }

    both! {
        fn into_iterator_by_value_and_by_reference(n: u32) -> (u32, Vec<String>) {
            let mut list = List((0..n).collect());
            let mut sum = 0u32;
            for x in &list { sum = sum.rotate_left(1) ^ x }
            for x in &mut list { *x += 1 }
            let mut out = vec![];
            for x in list { out.push(x) }
            (sum, out)
        }

        fn what_dereferences_to_a_slice(n: u32) -> (Vec<u32>, u32) {
            let mut disguised = Disguised { slice: vec![1, 2, 3], range: 0..n };
            let mut out = vec![];
            for x in &mut disguised { if x == 5 { break } out.push(x) }
            for x in disguised.iter() { out.push(*x) }
            for x in disguised.by_ref().take(2) { out.push(x) }
            disguised.push(4);
            let len = disguised.len() as u32;
            for x in disguised { out.push(x) }
            (out, len)
        }

        fn inherent_methods_named_like_those_of_iterators(n: u32) -> u32 {
            let mut sum = 0;
            for x in Decoys(n) { sum += x }
            for x in &mut Decoys(n) { sum ^= x }
            for (i, x) in iter::zip(0.., Decoys(n)) { sum += i ^ x }
            sum
        }

        fn a_loop_with_control_flow(n: u32) -> ControlFlow<u32, u32> {
            let mut last = Bound::Unbounded;
            for x in Decoys(n) {
                if x == 50 { ControlFlow::Break(x)? }
                last = Bound::Included(x);
            }
            ControlFlow::Continue(if let Bound::Included(x) = last { x } else { 9 })
        }
    }
}
