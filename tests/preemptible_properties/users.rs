//! Iterators of users: nobody asks them for more than a plain loop does, not even for their length.

use super::*;

shapes! {
    fn a_for_with_all_exits(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        for item in script.iter() {
            match script.act() {
                Action::Continue | Action::ContinueOuter => continue,
                Action::Break | Action::BreakOuter => break,
                Action::Return => return Some(item.id),
                Action::Fail => failing()?,
                Action::Panic => unwind(item.id),
                Action::Keep => kept.push(item),
                Action::Poison => poison(item),
                Action::Nothing => {}
            }
            trace(Event::After(0));
        }
        trace(Event::After(1));
        Some(kept.len() as u32)
    }

    fn a_for_with_exits_in_a_macro(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        for item in script.iter() {
            act!(script, item, kept);
            trace(Event::After(0));
        }
        trace(Event::After(1));
        Some(kept.len() as u32)
    }

    fn a_straight_line(script: &Script) -> Option<u32> {
        let mut sum = 0;
        for item in script.iter() { sum += item.id }
        trace(Event::After(1));
        Some(sum)
    }

    fn a_straight_line_that_may_panic(script: &Script) -> Option<u32> {
        let mut sum = 0;
        for item in script.iter() { sum += u32::from(script.act() == Action::Nothing) + item.id }
        for item in script.iter() { if script.act() == Action::Poison { poison(item) } }
        trace(Event::After(1));
        Some(sum)
    }

    fn an_empty_body(script: &Script) -> Option<u32> {
        for _ in script.iter() {}
        for _item in script.iter() {}
        trace(Event::After(1));
        None
    }

    fn an_item_that_lives_on(script: &Script) -> Option<u32> {
        let mut last = None;
        let mut all = vec![];
        for item in script.iter() {
            if script.act() == Action::Break { break }
            last = Some(item);
        }
        for item in script.iter() {
            if script.act() == Action::Keep { all.push(item) }
        }
        trace(Event::After(1));
        last.map(|last| last.id + all.len() as u32)
    }

    fn an_iterator_that_is_used_again(script: &Script) -> Option<u32> {
        let mut iter = script.iter();
        let mut rounds = 0;
        for round in 0..3 {
            for item in &mut iter {
                match script.act() {
                    Action::Continue => continue,
                    Action::Break => break,
                    Action::Panic => unwind(3),
                    _ => drop(item),
                }
            }
            rounds += round;
            trace(Event::After(round));
        }
        let next = iter.next();
        trace(Event::After(9));
        next.map(|item| item.id + rounds)
    }

    fn temporaries(script: &Script) -> Option<u32> {
        let _before = Temporary(0);
        for item in script.iter_with(&Temporary(1)) {
            let _inside = Temporary(2);
            if script.act() == Action::Return { return Some(item.id) }
            if script.act() == Action::Break { break }
            let _late = Temporary(3);
        }
        trace(Event::After(1));
        for _ in { let _gone = Temporary(4); script.iter() } {
            if script.act() == Action::Panic { unwind(4) }
        }
        trace(Event::After(2));
        for _ in (Temporary(5), Temporary(6).0..9).1 { trace(Event::After(3)) }
        let value = { for _ in script.iter_with(&Temporary(7)) {} Temporary(8) };
        match Temporary(9) { _ => for _ in [Temporary(10), Temporary(11)] { trace(Event::After(4)) } }
        Some(value.0)
    }

    fn a_nest(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        'outer: for item in script.iter() {
            for inner in script.iter_of(item.id % 20) {
                match script.act() {
                    Action::Continue => continue,
                    Action::ContinueOuter => continue 'outer,
                    Action::Break => break,
                    Action::BreakOuter => break 'outer,
                    Action::Return => return Some(inner.id),
                    Action::Fail => failing()?,
                    Action::Panic => unwind(item.id),
                    Action::Keep => kept.push(inner),
                    Action::Poison => poison(inner),
                    Action::Nothing => {}
                }
                trace(Event::After(0));
            }
            trace(Event::After(1));
            kept.truncate(3);
        }
        trace(Event::After(2));
        Some(kept.len() as u32)
    }

    fn a_nest_of_three_kinds(script: &Script) -> Option<u32> {
        let mut rounds = 0;
        'outer: while { trace(Event::Condition(rounds)); rounds < script.len % 50 } {
            rounds += 1;
            let mut i = 0;
            'middle: loop {
                i += 1;
                for item in script.iter_of(rounds % 7) {
                    match script.act() {
                        Action::Continue => continue 'middle,
                        Action::ContinueOuter => continue 'outer,
                        Action::Break => break 'middle,
                        Action::BreakOuter => break 'outer,
                        Action::Fail => failing()?,
                        Action::Panic => unwind(item.id),
                        _ => if i > 3 { break 'middle }
                    }
                }
                if i > 5 { break }
            }
            trace(Event::After(rounds));
        }
        Some(rounds)
    }

    fn a_while_let(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        let mut iter = script.iter();
        while let Some(item) = iter.next() {
            match script.act() {
                Action::Continue | Action::ContinueOuter => continue,
                Action::Break | Action::BreakOuter => break,
                Action::Return => return Some(item.id),
                Action::Fail => failing()?,
                Action::Panic => unwind(item.id),
                Action::Keep => kept.push(item),
                Action::Poison => poison(item),
                Action::Nothing => {}
            }
        }
        trace(Event::After(1));
        while let Some(_item) = script.iter_with(&Temporary(1)).nth(script.act() as usize)
            && kept.len() < 3
        {
            kept.push(Item::new(99));
            trace(Event::After(2));
        }
        trace(Event::After(3));
        None
    }

    fn a_while_with_a_condition_that_has_effects(script: &Script) -> Option<u32> {
        let mut i = 0;
        while { trace(Event::Condition(i)); let _held = Temporary(i); i < script.len } {
            i += 1;
            match script.act() {
                Action::Continue => continue,
                Action::Break => break,
                Action::Return => return Some(i),
                Action::Panic => unwind(i),
                Action::Fail => failing()?,
                _ => {}
            }
            let _late = Temporary(0);
        }
        let mut straight = 0;
        while straight < script.len { straight += 1 }
        Some(i + straight)
    }

    fn a_loop(script: &Script) -> Option<u32> {
        let mut iter = script.iter();
        let found = loop {
            let item = iter.next()?;
            match script.act() {
                Action::Continue => continue,
                Action::Break => break item,
                Action::Return => return Some(item.id),
                Action::Panic => unwind(item.id),
                Action::Keep => break loop { break item },
                _ => {}
            }
        };
        trace(Event::After(1));
        Some(found.id)
    }

    fn a_value_that_leaves_with_a_break(script: &Script) -> Option<u32> {
        let found = 'found: {
            for item in script.iter_with(&Temporary(1)) {
                let _inside = Temporary(2);
                match script.act() {
                    Action::Break => break 'found Item::new(999),
                    Action::BreakOuter => break 'found item,
                    Action::Fail => break 'found ({ let _held = Temporary(3); Item::new(failing().map(|()| 1)?) }),
                    _ => {}
                }
            }
            trace(Event::After(1));
            Item::new(888)
        };
        trace(Event::After(2));
        Some(found.id)
    }

    /// Compiles only if the compiler sees that a break leaves the loop, and nothing else does.
    fn assignments_before_a_break(script: &Script) -> Option<u32> {
        let first;
        'found: {
            for item in script.iter() {
                if script.act() == Action::Break { first = item; break 'found }
            }
            first = Item::new(777);
        }
        trace(Event::After(1));
        let moved = Item::new(666);
        let mut kept = vec![];
        for item in script.iter() {
            match script.act() {
                Action::Break => { kept.push(moved); break }
                Action::Return => { drop(moved); return Some(item.id) }
                Action::Panic => { drop((moved, item)); unwind(5) }
                _ => {}
            }
        }
        trace(Event::After(2));
        let last;
        let mut iter = script.iter();
        loop {
            match iter.next() {
                Some(item) if script.act() == Action::Keep => { last = item; break }
                Some(_) => {}
                None => { last = Item::new(555); break }
            }
        }
        trace(Event::After(3));
        for item in script.iter() { last_of(first, item); return Some(last.id) }
        None
    }

    fn closures(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        let mut run = |len| {
            for item in script.iter_of(len) {
                match script.act() {
                    Action::Continue => continue,
                    Action::Break => break,
                    Action::Return => return Some(item.id),
                    Action::Fail => failing()?,
                    Action::Panic => unwind(item.id),
                    _ => kept.push(item),
                }
            }
            None
        };
        let first = run(script.len);
        trace(Event::After(1));
        run(script.len / 2).or(first)
    }

    fn trait_objects(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        let boxed: Box<dyn Iterator<Item = Item> + '_> = Box::new(script.iter());
        for item in boxed { act!(script, item, kept) }
        trace(Event::After(1));
        for item in &mut script.iter() as &mut dyn Iterator<Item = Item> { act!(script, item, kept) }
        trace(Event::After(2));
        None
    }
}

fn last_of(a: Item, b: Item) {
    drop((a, b));
}

/// That these tests test something: the scripts take each exit, at lengths beyond each strip.
#[test]
fn the_scripts_go_everywhere() {
    let mut outputs = BTreeSet::new();
    let mut longest = 0;
    let mut after_a_long_time = 0;
    for seed in 0..SEEDS {
        let script = Script::new(seed);
        let seen = see(annotated::a_for_with_all_exits, &script);
        outputs.insert(match seen.output {
            Err(_) => "panic",
            Ok(None) => "fail",
            Ok(Some(_)) if seen.trace.contains(&Event::After(1)) => "end or break",
            Ok(Some(_)) => "return",
        });
        if !seen.trace.contains(&Event::End) && seen.trace.contains(&Event::Next(1030)) {
            after_a_long_time += 1;
        }
        longest = longest.max(script.len);
    }
    assert_eq!(outputs.len(), 4, "{outputs:?}");
    assert!(longest > 2048, "{longest}");
    assert!(after_a_long_time > 3, "{after_a_long_time}");
}
