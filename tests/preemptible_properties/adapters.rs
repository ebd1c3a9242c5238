//! Adapters of the standard library over iterators of users, which pass a question for the length on:
//! whoever asks an adapter asks the user's iterator, too.

use super::*;

shapes! {
    fn adapters_with_closures(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        let closure = |item: Item| { trace(Event::Closure(item.id)); item };
        for item in script.iter().map(closure) { act!(script, item, kept) }
        trace(Event::After(1));
        for item in script.iter().filter(|item| { trace(Event::Closure(item.id)); item.id % 3 != 1 }) { act!(script, item, kept) }
        trace(Event::After(2));
        for item in script.iter().inspect(|item| trace(Event::Closure(item.id))).fuse() { act!(script, item, kept) }
        trace(Event::After(3));
        for item in script.iter().take_while(|item| item.id < 70) { act!(script, item, kept) }
        for item in script.iter().skip_while(|item| item.id < 70) { act!(script, item, kept) }
        for item in script.iter().map_while(|item| (item.id < 90).then_some(item)) { act!(script, item, kept) }
        trace(Event::After(4));
        for item in script.iter().flat_map(|item| [item, Item::new(9)]) { act!(script, item, kept) }
        Some(kept.len() as u32)
    }

    fn adapters_that_count(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        for (_, item) in script.iter().enumerate() { act!(script, item, kept) }
        trace(Event::After(1));
        for item in script.iter().take(script.len as usize / 2) { act!(script, item, kept) }
        trace(Event::After(2));
        for item in script.iter().skip(3) { act!(script, item, kept) }
        trace(Event::After(3));
        for item in script.iter().step_by(2) { act!(script, item, kept) }
        trace(Event::After(4));
        for item in script.iter().peekable() { act!(script, item, kept) }
        trace(Event::After(5));
        for (_, item) in (0..).zip(script.iter()) { act!(script, item, kept) }
        for (item, _) in script.iter().zip(0..script.len / 2) { act!(script, item, kept) }
        trace(Event::After(6));
        Some(kept.len() as u32)
    }

    fn adapters_in_pairs(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        for (item, other) in script.iter().zip(script.iter_of(script.len / 3)) { drop(other); act!(script, item, kept) }
        trace(Event::After(1));
        for item in script.iter().chain(script.iter_of(5)) { act!(script, item, kept) }
        trace(Event::After(2));
        for item in iter::once(Item::new(1)).chain(script.iter()).chain(None) { act!(script, item, kept) }
        trace(Event::After(3));
        None
    }

    fn adapters_from_the_back(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        for item in script.iter().rev() { act!(script, item, kept) }
        trace(Event::After(1));
        for item in script.iter().map(|item| item).rev() { act!(script, item, kept) }
        trace(Event::After(2));
        let mut iter = script.iter();
        for item in iter.by_ref().rev() { act!(script, item, kept) }
        for item in iter { act!(script, item, kept) }
        trace(Event::After(3));
        None
    }

    fn adapters_by_reference(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        let mut iter = script.iter().map(|item| item);
        for item in iter.by_ref().take(10) { act!(script, item, kept) }
        trace(Event::After(1));
        for item in &mut iter { act!(script, item, kept) }
        trace(Event::After(2));
        for item in iter { act!(script, item, kept) }
        None
    }

    fn adapters_without_exits(script: &Script) -> Option<u32> {
        let mut sum = 0;
        for item in script.iter().map(|item| item) { sum += item.id }
        for (i, item) in script.iter().enumerate() { sum ^= i as u32 + item.id }
        for item in script.iter().rev() { sum ^= item.id }
        for item in script.iter().chain(script.iter()) { sum += item.id }
        for (item, i) in script.iter().zip(0..) { sum += i ^ item.id }
        for item in script.iter().take(9).skip(2) { sum ^= item.id }
        trace(Event::After(1));
        Some(sum)
    }
}
