//! The pattern of a `for`.

use crate::support::{Noisy, log};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
struct Point {
    x: u32,
    y: Option<u32>,
}

struct Wrapped(u32);

fn points(n: u32) -> Vec<Point> {
    (0..n).map(|x| Point { x, y: (x % 3 == 0).then_some(x) }).collect()
}

both! {
    fn wildcards(n: u32) -> u32 {
        let mut sum = 0;
        for _ in 0..n { sum += 1 }
        for _ in [Noisy("a"), Noisy("b")] { log("body") }
        for _named in [Noisy("c"), Noisy("d")] { log("body") }
        for (_, .., _) in [(1, 2, 3)] { sum += 1 }
        for () in std::iter::repeat_n((), 3) { sum += 1 }
        sum
    }

    fn tuples_and_arrays(n: u32) -> u32 {
        let mut sum = 0;
        for (i, x) in (0..n).rev().enumerate() { sum += i as u32 ^ x }
        for (a, (b, [c, d])) in [(1, (2, [3, n]))] { sum += a + b + c * d }
        for [first, .., last] in [[1, 2, n], [4, 5, 6]] { sum += first * last }
        for [first, rest @ ..] in [[1, 2, n]] { sum += first * rest[1] }
        for (((x,),),) in [(((n,),),)] { sum += x }
        for (x) in 0..n { sum ^= x }
        sum
    }

    fn structs(n: u32) -> u32 {
        let mut sum = 0;
        for Point { x, y } in points(n) { sum += x + y.unwrap_or(1) }
        for Point { x, .. } in &points(n) { sum += x }
        for &Point { x: ref renamed, y: _ } in points(n).iter() { sum += renamed }
        for Wrapped(x) in [Wrapped(n), Wrapped(3)] { sum += x }
        for &mut Point { ref mut x, .. } in points(n).iter_mut() { *x += 1; sum += *x }
        sum
    }

    fn references(n: u32) -> (u32, Vec<u32>) {
        let mut values: Vec<u32> = (0..n).collect();
        let mut sum = 0;
        for x in &values { sum += x }
        for &x in &values { sum += x }
        for x in &mut values { *x += 1 }
        for (i, x) in values.iter_mut().enumerate() { *x ^= i as u32 }
        for &(ref a, b) in &[(1, 2), (3, n)] { sum += *a * b }
        for &&x in &[&1, &n] { sum += x }
        for (k, v) in &BTreeMap::from([(1, 2), (n, 3)]) { sum += k * v }
        (sum, values)
    }

    fn mutable(n: u32) -> (u32, Vec<String>) {
        let mut sum = 0;
        let mut out = vec![];
        for mut x in 0..n { x *= 2; sum += x }
        for (mut a, mut b) in [(1, n)] { std::mem::swap(&mut a, &mut b); sum += a * 2 + b }
        for mut text in ["a".to_owned(), n.to_string()] { text.push('x'); out.push(text) }
        (sum, out)
    }

    fn bindings_with_at(n: u32) -> (u32, usize) {
        let mut sum = 0;
        let mut len = 0;
        for all @ (a, b) in [(1, n), (2, 3)] { sum += a * b + all.0 }
        for ref whole @ Point { ref x, .. } in points(n) { sum += x + whole.y.unwrap_or(2) }
        for list @ [..] in [[1, 2], [3, n]] { len += list.len() }
        (sum, len)
    }

    fn irrefutable_by_type(n: u32) -> u32 {
        enum Never {}
        let mut sum = 0;
        for (Ok(x) | Err(x)) in [Ok(1), Err(n)] { sum += x }
        for Ok(x) in [Ok::<u32, Never>(n)] { sum += x }
        sum
    }

    fn closures_and_functions_as_items(n: u32) -> u32 {
        let mut sum = n;
        for f in [|x: u32| x + 1, |x| x * 2] { sum = f(sum) }
        for f in [u32::swap_bytes, u32::reverse_bits as fn(u32) -> u32] { sum = f(sum) }
        let boxed: Vec<Box<dyn Fn(u32) -> u32>> = vec![Box::new(move |x| x ^ n), Box::new(|x| x / 3)];
        for f in &boxed { sum = f(sum) }
        for f in boxed { sum = f(sum) }
        sum
    }

    fn moved_out_of_the_item(n: u32) -> Vec<String> {
        let mut out = vec![];
        let mut kept = None;
        for (i, text) in (0..n % 20).map(|i| (i, i.to_string())) {
            if i == 5 { kept = Some(text); continue }
            out.push(text);
        }
        out.extend(kept);
        out
    }

    fn used_by_closures_that_outlive_the_iteration(n: u32) -> Vec<u32> {
        let mut callbacks: Vec<Box<dyn Fn() -> u32>> = vec![];
        for i in 0..n % 20 {
            let text = i.to_string();
            callbacks.push(Box::new(move || i + text.len() as u32));
        }
        callbacks.iter().map(|f| f()).collect()
    }
}
