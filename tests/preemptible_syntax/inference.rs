//! Types that the compiler learns after the loop's head: from its body, or later.

use std::collections::HashMap;
use std::iter;

fn takes_u8(x: u8) -> u32 {
    u32::from(x)
}

fn takes_slice(x: &[u64]) -> u32 {
    x.len() as u32
}

both! {
    /// Too many for the loop to stay plain; the index says of which type they are.
    fn an_integer_typed_by_an_index_in_a_long_loop(n: u32) -> u32 {
        let values = vec![vec![n; 2]; 20_000];
        let mut sum = 0_u32;
        for i in 0..20_000 { sum = sum.wrapping_add(values[i][1]) }
        for i in 0..=19_999 { sum = sum.wrapping_add(values[i][0]) }
        sum
    }

    fn integers_that_the_body_types(n: u32) -> (Vec<u16>, u64, u32, i8, f32) {
        let mut list: Vec<u16> = Vec::new();
        for i in 0..30 { list.push(i) }
        let mut sum = 0u64;
        for i in 0..300 { sum += i }
        let mut total = 0;
        for i in 0..255 { total += takes_u8(i) }
        for i in (0..=255).rev() { total += takes_u8(i) }
        for i in (0..).take(n as usize % 200) { total += takes_u8(i) }
        for i in (1..200).step_by(3) { total += takes_u8(i) }
        for x in [1, 2, 3] { total += takes_u8(x) }
        for x in &[1, 2, 3] { total += takes_u8(*x) }
        for x in vec![1, 2].iter().rev() { total += takes_u8(*x) }
        let mut small = 0i8;
        for i in -3..3 { small -= i }
        let mut float = 1.0;
        for x in [0.5, 2.0] { float *= x }
        (list, sum, total, small, float)
    }

    fn integers_that_an_index_types(n: u32) -> u32 {
        let values = [1, 2, n, 4];
        let grid = vec![vec![n; 3]; 4];
        let mut sum = 0;
        for i in 0..4 { sum += values[i] }
        for i in (0..3).rev() { sum = sum * 2 + values[i + 1] }
        for (i, j) in (0..4).zip([2, 1, 0]) { sum += grid[i][j] }
        for i in 0..4 { for j in 0..3 { sum += grid[i][j] } }
        for i in 1..=2 { sum += values[i..].iter().sum::<u32>() }
        sum
    }

    fn integers_that_nobody_types(n: u32) -> (String, u32) {
        let mut text = String::new();
        let mut count = n;
        for i in 0..7 { text += &format!("{i}") }
        for i in (0..7).rev() { text += &i.to_string() }
        for x in [3, 4] { text += &format!("{x:?}") }
        for _ in 0..9 { count += 1 }
        for _ in (0..=3).chain(5..6) { count += 1 }
        (text, count)
    }

    fn casts_and_parses(n: u32) -> (u32, Vec<u64>) {
        let mut sum = 0;
        for i in 0..(n % 200) as _ { sum += takes_u8(i) }
        for i in 0.."12".parse().unwrap() { sum += takes_u8(i) }
        for i in 0..u8::try_from(n % 100).unwrap().into() { sum += i }
        for i in Default::default()..3 { sum += takes_u8(i) }
        let mut wide = vec![];
        for x in [1u32, n].map(Into::into) { wide.push(x) }
        for x in "1 2".split(' ').map(str::parse).map(Result::unwrap) { wide.push(x) }
        for x in (0..n).map(From::from) { wide.push(x) }
        for x in (0..n).map(|x| x.into()).rev() { wide.push(x) }
        (sum, wide)
    }

    fn collections_that_the_body_types(n: u32) -> u32 {
        let mut sum = 0;
        for x in Vec::new() { sum += takes_u8(x) }
        for x in &Vec::new() { sum += takes_u8(*x) }
        for x in [] { sum += takes_u8(x) }
        for x in None { sum += takes_u8(x) }
        for x in Some(3) { sum += takes_u8(x) }
        for x in iter::empty() { sum += takes_slice(x) }
        for x in iter::repeat_n(7, n as usize) { sum += takes_u8(x) }
        for x in [] as [_; 0] { sum += takes_slice(x) }
        for x in vec![None, Some(5)].into_iter().flatten() { sum += takes_u8(x) }
        for (k, v) in HashMap::new() { let _: (u8, &str) = (k, v); }
        for x in (0..n).map(|_| Default::default()) { sum += takes_u8(x) + 1 }
        for x in "abc".chars().map(|c| c.into()) { let c: u32 = x; sum += c }
        sum
    }

    fn types_that_come_after_the_loop(n: u32) -> (Vec<u16>, Vec<Option<i8>>, u8) {
        let mut list = Vec::new();
        for i in 0..20 { list.push(i) }
        let mut options = vec![];
        for x in [None, Some(1)] { options.push(x) }
        let mut last = Default::default();
        for i in 0..100 { if i == n { break } last = i as _ }
        let found = loop { break None };
        options.push(found);
        let first = 'found: { for i in 0.. { if i > 200 { break 'found i } } 0 };
        list.push(u16::from(first as u8));
        (list, options, last)
    }

    fn closures_that_the_body_types(n: u32) -> u32 {
        let mut sum = 0;
        let mut add = |x| sum += takes_u8(x);
        for i in 0..9 { add(i) }
        for f in [|x| takes_u8(x), |x| takes_u8(x) + 1] { sum += f(3) }
        for x in (0..n).filter_map(|i| if i % 3 == 0 { Some(i as _) } else { None }) { sum += takes_u8(x) }
        for x in iter::successors(Some(1), |x| u8::checked_mul(*x, 3)) { sum += u32::from(x) }
        let mut stack = vec![];
        stack.push(n % 60);
        for x in iter::from_fn(|| stack.pop()) { sum += x }
        sum
    }

    fn references_and_coercions(n: u32) -> (u32, usize) {
        let values = [1, n];
        let texts = vec![String::from("a"), n.to_string()];
        let mut sum = 0;
        let mut len = 0;
        for x in &values as &[u32] { sum += x }
        for x in values.iter() { sum += *x & 3 }
        for x in values.as_ref() as &[u32] { sum += x }
        for x in AsRef::<[u32]>::as_ref(&values) { sum += x }
        for text in &texts { let text: &str = text; len += text.len() }
        for text in texts.iter().map(|x| x as &dyn ToString) { len += text.to_string().len() }
        for f in [&|x| x + 1, &|x| x * 2] as [&dyn Fn(u32) -> u32; 2] { sum = f(sum) }
        for x in [&values[..], &[3]] { len += x.len() }
        for x in [Box::new(|| 3u32) as Box<dyn Fn() -> _>, Box::new(|| 4)] { sum += x() }
        for x in if n > 3 { &values[..] } else { &[] } { sum += x }
        for x in match n { 0 => None, n => Some(n - 1) } { sum += x }
        (sum, len)
    }

    fn literals_that_only_the_range_types(n: u32) -> u128 {
        let mut sum = 0;
        for i in 0..u128::from(n) { sum += i }
        for i in (u64::MAX - 3).into()..u128::from(u64::MAX) { sum += i }
        for i in 3..=n as u128 { sum ^= i }
        sum
    }
}
