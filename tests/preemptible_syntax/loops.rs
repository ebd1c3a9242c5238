//! What stands in a function: loops of each kind in each place, and each way to leave them.

use crate::support::{Noisy, log};
use std::num::ParseIntError;

both! {
    fn break_and_continue_through_nests(n: u32) -> Vec<(u32, u32, u32)> {
        let mut seen = Vec::new();
        'a: for i in 0..n {
            'b: while i < 70 {
                let mut k = 0;
                'c: loop {
                    k += 1;
                    match (i + k) % 7 {
                        0 => continue 'a,
                        1 => break 'b,
                        2 if k > 3 => break 'c,
                        3 => continue,
                        4 if i > 60 => break 'a,
                        _ => seen.push((i, k, 0)),
                    }
                }
                for k in i.. {
                    if k % 5 == 0 { break }
                    if k % 3 == 1 { continue 'a }
                    seen.push((i, k, 1));
                }
                break;
            }
            seen.push((i, 0, 2));
        }
        seen
    }

    fn labels_named_as_a_macro_may_name_its_own(n: u32) -> u32 {
        let mut sum = 0;
        'outer: for i in 0..n {
            'inner: for j in 0..n % 9 {
                'strip: for k in [1, 2, 3] {
                    'body: while k > j {
                        'preempt: loop {
                            sum += k;
                            if sum % 11 == 3 { continue 'outer }
                            if sum % 11 == 4 { continue 'inner }
                            if sum % 11 == 5 { continue 'strip }
                            if sum % 11 == 6 { break 'body }
                            if sum % 11 == 7 { continue 'preempt }
                            if sum % 11 == 8 { break 'inner }
                            if sum % 11 == 9 && i == 3 { break 'outer }
                            break 'strip;
                        }
                    }
                }
            }
            sum += i;
        }
        sum
    }

    fn raw_and_odd_labels(n: u32) -> u32 {
        let mut sum = 0;
        'r: for i in 0..n {
            '_unused_or_not: for j in 0..3 {
                sum += j;
                if j > i { continue 'r }
                if sum > 99 { break '_unused_or_not }
            }
        }
        'r#while: while sum > 10 {
            sum /= 2;
            if sum == 12 { break 'r#while }
        }
        sum
    }

    fn break_with_value(n: u32) -> (u32, Result<u32, &'static str>, Option<Vec<u32>>, u32) {
        let mut i = 0;
        let square = loop {
            i += 1;
            if i * i >= n { break i }
        };
        let result = loop {
            if n == 3 { break Err("three") }
            break Ok(loop { if i > 5 { break i } i += 1; });
        };
        let list = 'list: loop {
            for x in 0..n {
                if x == 9 { break 'list None }
                if x * x > n { break 'list Some((0..x).collect()) }
            }
            break Default::default();
        };
        (square, result, list, 2 * loop { break loop { break i + 1 } } - 1)
    }

    fn labelled_blocks(n: u32) -> (u32, &'static str) {
        let mut i = n;
        let word = 'search: {
            while i > 0 {
                if i == 12 { break 'search "twelve" }
                let half = 'half: {
                    for j in 0.. {
                        if j + j == i { break 'half Some(j) }
                        if j > i { break 'half None }
                    }
                    unreachable!()
                };
                let Some(half) = half else { break };
                i = half;
            }
            "odd"
        };
        (i, word)
    }

    fn question_mark(n: u32) -> Result<u32, ParseIntError> {
        let mut sum = 0;
        for text in ["1", "2", "3", "x", "5"].iter().take(n as usize) {
            let _guard = Noisy(text);
            sum += text.parse::<u32>()?;
        }
        for text in "7 8".parse::<String>().map(|x| x.len()).iter().map(|_| "9") {
            sum += text.parse::<u32>()?;
        }
        while sum < "100".parse()? { sum += "30".parse::<u32>()? }
        Ok(sum)
    }

    fn question_mark_on_options(n: u32) -> Option<u32> {
        let values: Vec<u32> = (0..n).collect();
        let mut sum = 0;
        for i in 0..=n as usize {
            sum += values.get(i * 2)? + values.iter().rev().nth(i)?;
        }
        Some(sum)
    }

    fn let_else(n: u32) -> Vec<u32> {
        let mut out = vec![];
        let mut values = (0..n).map(|x| x.checked_sub(x % 4));
        loop {
            let Some(x) = values.next() else { break };
            let Some(5..) = x else { continue };
            let (Some(y @ 6..9) | Some(y @ 12..)) = x.filter(|x| x % 3 == 0) else {
                for z in 0..2 { out.push(z) }
                continue;
            };
            out.push(y);
        }
        out
    }

    fn while_let(n: u32) -> (u32, usize) {
        let mut stack: Vec<Vec<u32>> = vec![(0..n).collect()];
        let mut sum = 0;
        while let Some(mut top) = stack.pop() {
            while let [first, rest @ ..] = &top[..] {
                sum = first ^ (sum << 1);
                if rest.len() % 3 == 2 && stack.len() < 3 {
                    stack.push(rest[..rest.len() / 3].to_vec());
                }
                top = rest.to_vec();
            }
        }
        let mut text = "a,b,c";
        let mut parts = 0;
        while let Some((_, rest)) = text.split_once(',') { parts += 1; text = rest; }
        (sum, parts)
    }

    fn let_chains(n: u32) -> u32 {
        let mut values = (0..n).peekable();
        let mut sum = 0u32;
        while let Some(x) = values.next()
            && let Some(y) = values.peek()
            && (sum < 1 << 20 || x % 2 == 0)
            && let Some(z) = sum.checked_add(x ^ y)
        {
            if let 3.. = z && let Some(half) = z.checked_div(x) && half < 1000 {
                sum = half;
                continue;
            }
            sum = z;
        }
        sum
    }

    fn loops_in_conditions(n: u32) -> Vec<u32> {
        let mut out = vec![];
        let mut i = 0;
        while { let mut j = i; while j > 3 { j -= 3 } j != 2 } && i < n { i += 1; out.push(i); }
        'a: loop {
            while { if i > n + 9 { break 'a } i += 1; if i % 5 == 0 { continue 'a } i % 7 != 0 } {
                out.push(i);
            }
            i += 1;
        }
        for x in { let mut x = vec![]; for y in 0..n % 7 { x.push(y) } x } { out.push(x) }
        for x in loop { break 0..3 } { out.push(x) }
        for x in (match n { 0 => 0..1, n => n..n + 2 }).chain(if n > 3 { 1..2 } else { 2..3 }) {
            out.push(x);
        }
        out
    }

    fn loops_in_match_guards(n: u32) -> u32 {
        match n {
            x if { let mut y = x; while y > 3 { y -= 3 } y == 2 } => 1,
            x if (loop { break x }) > 700 => 2,
            x if { let mut odd = false; for _ in 0..x { odd = !odd } odd } => 3,
            _ => 4,
        }
    }

    fn loops_as_expressions(n: u32) -> (u32, [u32; 3], String, ((), ())) {
        let a = 1 + loop { break n } * 2;
        let b = [loop { break a }, if n > 3 { loop { break 1 } } else { 2 }, { loop { break 5 } }];
        let c = (|| loop { break b[0] + b[1] })();
        let text = format!("{}{}", loop { break c }, { let mut x = 0; while x < 3 { x += 1 } x });
        let units = (for _ in 0..n {}, while false {});
        let _: () = for _ in 0..2 { let _ = &text; };
        (c + match loop { break c } { 0 => 1, x => x }, b, text, units)
    }

    fn the_last_expression(n: u32) -> () {
        for i in 0..n { if i == 3 { return } else { log(i.to_string()) } }
    }

    fn a_body_without_a_semicolon(n: u32) -> Vec<u32> {
        let mut out = Vec::new();
        for i in 0..n { out.push(i) }
        for i in 0..n { if i > 2 { break } }
        for i in 0..n { match i { 0 => (), 5 => break, _ => continue } }
        while out.len() > 5 { _ = out.pop() }
        for _ in 0..n {}
        for _ in 0..n { () }
        loop { if true { break out } }
    }

    fn bodies_that_never_end(n: u32) -> u32 {
        for i in n.. { return i }
        #[allow(unreachable_code, reason = "that it is, is the point")]
        {
            for _ in 0..n { loop { return 2 } }
            while n > 0 { panic!() }
            unreachable!()
        }
    }

    fn assignments_before_a_break(n: u32) -> (u32, String, u32) {
        let answer;
        let mut i = 0;
        loop {
            i += 3;
            if i >= n { answer = i; break }
        }
        let text;
        'found: {
            for i in 0..n {
                if i * i > n { text = i.to_string(); break 'found }
            }
            text = "none".to_owned();
        }
        let early;
        for i in 5.. { early = i; return (answer, text, early) }
        unreachable!()
    }

    fn values_moved_before_a_break(n: u32) -> (String, Vec<String>) {
        let text = n.to_string();
        let mut others = Vec::new();
        let first = String::from("first");
        for i in 0..n {
            if i == 3 { others.push(first); break }
        }
        let moved = loop {
            if others.len() == 3 { break text }
            others.push("x".to_owned());
            let here = others.len();
            if here == 2 { drop(text); return ("two".to_owned(), others) }
        };
        (moved, others)
    }

    fn assignment_in_a_while(n: u32) -> (u32, String) {
        let mut i = 0;
        let mut text = String::new();
        while i < n {
            i += 1;
            let moved = text;
            if i % 8 == 0 { text = String::new(); continue }
            text = moved + "x";
        }
        (i, text)
    }

    fn closures(n: u32) -> (u32, Vec<u32>, u32) {
        let mut total = 0;
        let mut add = |limit: u32| {
            for i in 0..limit { if i == 7 { return } total += i }
        };
        add(n);
        add(3);
        let list = (0..n).map(|i| { let mut j = i; while j > 4 { j /= 2 } j }).collect();
        let moving = move || -> Option<u32> { for i in 0..n { (i < 9).then_some(())? } Some(n) };
        let once = { let text = n.to_string(); || { for c in text.chars() { log(c) } text } };
        log(once());
        (total, list, moving().unwrap_or(77))
    }

    fn loops_that_call_closures_that_loop(n: u32) -> u32 {
        let mut sum = 0;
        for i in 0..n {
            let mut step = |k| { sum += k; while sum % 3 == 0 { sum += 1 } sum < 5000 };
            if !step(i) { break }
        }
        sum
    }

    fn nested_functions_and_items(n: u32) -> u32 {
        use std::ops::Mul;
        struct Local(u32);
        impl Mul<u32> for Local {
            type Output = u32;
            fn mul(self, n: u32) -> u32 { let mut out = 0; for _ in 0..n { out += self.0 } out }
        }
        const STEPS: u32 = { let mut i = 0; while i < 3 { i += 1 } i };
        static NAMES: [&str; STEPS as usize] = ["a"; STEPS as usize];
        fn double(n: u32) -> u32 {
            let mut out = 0;
            for _ in 0..n { out += 2 }
            out
        }
        double(n) + Local(n) * STEPS + NAMES.len() as u32
    }

    fn constants(n: u32) -> (u32, usize, u32) {
        fn generic<const N: usize>() -> usize { N }
        const fn count(n: usize) -> usize { let mut i = 0; while i < n { i += 1 } i }
        enum Number { Three = { let mut i = 0; loop { i += 1; if i == 3 { break i } } } }
        let inline = const { let mut i = 0; while i < 3 { i += 1 } i };
        let mut total = 0;
        for i in [0u8; { let mut n = 0; while n < 7 { n += 1 } n }] {
            total += usize::from(i) + generic::<{ let mut i = 0; while i < 4 { i += 1 } i }>();
            let _: [(); { let mut i = 0; loop { i += 1; if i == 2 { break i } } }] = [(), ()];
        }
        while let Number::THREE = (n % 4) as isize {
            return (inline, total, 0);
        }
        impl Number { const THREE: isize = Number::Three as isize; }
        (inline + n, total + count(3), Number::Three as u32)
    }

    fn attributes_on_loops_and_statements(n: u32) -> Vec<u32> {
        let mut out = Vec::new();
        #[allow(unused_variables, reason = "an attribute on a loop")]
        for i in 0..n { let unused = i; out.push(1) }
        #[expect(unused_must_use, reason = "another one")]
        while out.len() > 9 { out.iter().map(|x| x + 1); out.pop(); }
        #[cfg(any())]
        for i in nothing { of_this.exists() }
        #[cfg(all())]
        'a: loop { #[cfg(any())] break 3; #[cfg(all())] break 'a; }
        let kept = loop { #[allow(unused_mut, reason = "an attribute on a let")] let mut x = 3; break x };
        for i in 0..n {
            #[cfg(any())]
            out.push(missing);
            #[cfg(all())]
            if i == 5 { break }
            #[allow(unused_variables, reason = "an attribute on a statement")]
            let x = 3;
            match i {
                #[cfg(any())]
                1 => break,
                #[cfg(all())]
                1 => continue,
                _ => {}
            }
            out.push(i + kept);
        }
        out
    }

    fn drop_order_in_loops(n: u32) -> u32 {
        let _outer = Noisy("outer");
        let mut i = 0;
        for value in [Noisy(1u32), Noisy(2), Noisy(3)] {
            let _a = Noisy("a");
            let _b = Noisy("b");
            if value.0 == n { break }
            if value.0 + 1 == n { continue }
            i += value.0;
        }
        log("after");
        while let (_guard, true) = (Noisy("condition"), i < 9) {
            let _c = Noisy("c");
            i += 1;
        }
        loop {
            let _d = Noisy("d");
            break drop(Noisy("break"));
        }
        i
    }

    fn unsafe_and_plain_blocks(n: u32) -> u32 {
        let values: Vec<u32> = (0..n).collect();
        let mut sum = 0;
        // SAFETY: all stays between the first element and the last.
        unsafe {
            for i in 0..values.len() { sum += *values.get_unchecked(i) }
            let end = values.as_ptr().add(values.len());
            let mut p = values.as_ptr();
            while p != end { sum ^= *p; p = p.add(1) }
        }
        { { for x in &values { { sum += x } } } }
        sum
    }

    fn shadowed_variables(n: u32) -> Vec<u32> {
        let n = n % 10;
        let mut out = vec![];
        for n in n..2 * n { let n = n + 1; for n in n..n + 2 { out.push(n) } out.push(n) }
        for out_len in 0..out.len() { let out = &out[out_len..]; if out.len() == 3 { break } }
        while let n = out.len() as u32 && n < 5 { out.push(n) }
        out.push(n);
        out
    }
}

/// Not only to where a loop starts, but in the middle of an expression.
mod diverging {
    both! {
        fn in_operands_and_arguments(n: u32) -> Vec<u32> {
            fn pair(a: u32, b: u32) -> [u32; 2] { [a, b] }
            let mut out = Vec::new();
            'a: for i in 0..n {
                out.extend(pair(i, if i % 4 == 1 { continue } else { i * 2 }));
                out.push(i + match i % 5 { 4 => continue 'a, x => x });
                let _x = [i, if i > 40 { break 'a } else { 3 }];
                let _y = i < 20 || loop { if i % 2 == 0 { continue 'a } else { break true } };
                let _z = (|| Some(i))().unwrap_or_else(|| unreachable!()) + if i == 30 { return out } else { 1 };
            }
            out
        }
    }
}
