//! Async loops: run to their end, and dropped after each number of polls.

use super::*;

/// Pending once in a while.
async fn pause(script: &Script, item: &Item) {
    let mut left = u32::from(item.id % 5 == script.len % 5);
    std::future::poll_fn(|_| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        Poll::Pending
    })
    .await;
}

macro_rules! runs {
    ($name:ident $(#[$attr:meta])*) => {
        $(#[$attr])*
        async fn $name(script: &Script) -> Option<u32> {
            let mut kept = vec![];
            'outer: for item in script.iter_with(&Temporary(1)) {
                let _inside = Temporary(2);
                pause(script, &item).await;
                for inner in script.iter_of(item.id % 4) {
                    match script.act() {
                        Action::Continue => continue,
                        Action::ContinueOuter => continue 'outer,
                        Action::Break => break,
                        Action::BreakOuter => break 'outer,
                        Action::Return => return ready(Some(inner.id)).await,
                        Action::Fail => ready(failing()).await?,
                        Action::Panic => unwind(inner.id),
                        Action::Keep => kept.push(inner),
                        Action::Poison => poison(inner),
                        Action::Nothing => {}
                    }
                    ready(()).await;
                }
                trace(Event::After(0));
            }
            trace(Event::After(1));
            for item in script.iter() { act!(script, item, kept) }
            let mut iter = script.iter();
            while let Some(item) = ready(iter.next()).await { act!(script, item, kept) }
            Some(kept.len() as u32)
        }
    };
}
runs!(plain);
runs!(annotated #[preemptible]);

fn poll_up_to<F: Future<Output = Option<u32>>>(polls: u32, future: F) -> Option<u32> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = poll {
            return output;
        }
    }
    Some(u32::MAX)
}

#[test]
fn an_async_fn_to_its_end() {
    const END: u32 = 1_000_000;
    for seed in seeds() {
        let script = Script::new(seed);
        let expected = see(|script| poll_up_to(END, plain(script)), &script);
        for (way, seen) in [
            ("without", see(|script| poll_up_to(END, annotated(script)), &script)),
            ("under", see_under_a_request(|script| poll_up_to(END, annotated(script)), &script)),
        ] {
            assert!(
                seen == expected,
                "seed {seed}, {way}: {script:?}\n{}",
                difference(&seen, &expected)
            );
        }
    }
}

#[test]
fn an_async_fn_that_is_dropped_in_between() {
    for seed in seeds() {
        let script = Script::new(seed);
        for polls in [0, 1, 2, 5, 50] {
            let expected = see(|script| poll_up_to(polls, plain(script)), &script);
            let seen = see(|script| poll_up_to(polls, annotated(script)), &script);
            assert!(
                seen == expected,
                "seed {seed}, {polls} polls\n{}",
                difference(&seen, &expected)
            );
        }
    }
}
