//! What the standard library iterates over, with items that are noticed.

use super::*;

shapes! {
    fn ranges(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        let mut sum = 0u32;
        for i in 0..script.len { let item = Item::new(i); sum += i; act!(script, item, kept) }
        trace(Event::After(1));
        for i in 5..=script.len {
            match script.act() {
                Action::Continue => continue,
                Action::Break => break,
                Action::Return => return Some(i),
                Action::Panic => unwind(i),
                _ => sum += i,
            }
        }
        trace(Event::After(2));
        for i in (0..script.len).rev() { sum = sum.rotate_left(1) ^ i; if script.act() == Action::Break { break } }
        for i in (0..script.len).step_by(3) { sum = sum.rotate_left(1) ^ i; if script.act() == Action::Break { break } }
        for i in 7u64.. { sum = sum.rotate_left(1) ^ i as u32; if i > 3000 || script.act() == Action::Break { break } }
        for i in 0..script.len { sum = sum.rotate_left(1) ^ i }
        trace(Event::After(3));
        Some(sum)
    }

    fn a_range_that_is_used_again(script: &Script) -> Option<u32> {
        let mut range = 0..script.len;
        for i in range.by_ref() { if script.act() == Action::Break { trace(Event::After(i)); break } }
        trace(Event::After(range.start));
        for i in &mut range { trace(Event::After(i)); if script.act() != Action::Nothing { break } }
        trace(Event::After(range.start));
        let mut back = range.rev();
        for i in &mut back { if script.act() == Action::Break { trace(Event::After(i)); break } }
        back.next()
    }

    fn vectors_by_value(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        for item in script.items() { act!(script, item, kept); trace(Event::After(0)) }
        trace(Event::After(1));
        for item in script.items().into_boxed_slice() { act!(script, item, kept) }
        trace(Event::After(2));
        for item in VecDeque::from(script.items()) { act!(script, item, kept) }
        trace(Event::After(3));
        for item in script.items().into_iter().rev() { act!(script, item, kept) }
        trace(Event::After(4));
        Some(kept.len() as u32)
    }

    fn slices(script: &Script) -> Option<u32> {
        let mut items = script.items();
        let mut sum = 0u32;
        for item in &items { sum += item.id }
        for item in &items {
            match script.act() {
                Action::Continue => continue,
                Action::Break => break,
                Action::Return => return Some(item.id),
                Action::Fail => failing()?,
                Action::Panic => unwind(item.id),
                _ => sum += item.id,
            }
        }
        for item in &mut items { item.id += 1 }
        for item in &mut items {
            match script.act() {
                Action::Break => break,
                Action::Keep => *item = Item::new(5000),
                Action::Poison => item.poisoned = true,
                Action::Panic => unwind(item.id),
                _ => item.id += 1,
            }
        }
        for item in items.iter().rev() { sum = sum.rotate_left(1) ^ item.id; if script.act() == Action::Break { break } }
        for item in items.iter_mut().rev() { item.id ^= 1; if script.act() == Action::Break { break } }
        let mut iter = items.iter();
        for item in &mut iter { sum ^= item.id; if script.act() == Action::Break { break } }
        trace(Event::After(iter.len() as u32));
        for item in iter { sum = sum.rotate_left(1) ^ item.id }
        Some(sum)
    }

    fn arrays_and_options(script: &Script) -> Option<u32> {
        let mut kept = vec![];
        let mut id = 0;
        let items: [Item; 70] = std::array::from_fn(|_| { id += 1; Item::new(id) });
        for item in items { act!(script, item, kept); trace(Event::After(0)) }
        trace(Event::After(1));
        for item in [Item::new(1), Item::new(2), Item::new(3)] { act!(script, item, kept) }
        for item in (script.len % 2 == 0).then(|| Item::new(4)) { act!(script, item, kept) }
        trace(Event::After(2));
        for item in iter::once(Item::new(5)) { act!(script, item, kept) }
        None
    }

    fn drained(script: &Script) -> Option<u32> {
        let mut items = script.items();
        let mut kept = vec![];
        for item in items.drain(..script.len as usize / 2) { act!(script, item, kept) }
        trace(Event::After(items.len() as u32));
        for item in items.extract_if(.., |item| item.id % 3 == 0) { act!(script, item, kept) }
        trace(Event::After(items.len() as u32));
        None
    }
}
