//! Async functions, async blocks and async closures: loops in them, and awaits in every place of a
//! loop.

use crate::support::{Noisy, block_on, log};
use preempt::preemptible;
use std::cell::RefCell;
use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Pending `0` times, then ready.
struct After(u32);

impl Future for After {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        match self.0 {
            0 => Poll::Ready(7),
            _ => {
                self.0 -= 1;
                Poll::Pending
            }
        }
    }
}

both_async! {
    async fn awaits_in_each_place_of_a_for(n: u32) -> u32 {
        let mut sum = 0;
        for i in 0..ready(n % 100).await { sum += i }
        for x in ready(vec![1, 2, n]).await { sum += After(x % 3).await }
        for i in 0..n {
            let _guard = Noisy(i % 2);
            if ready(i % 5).await == 3 { continue }
            match After(i % 2).await { 7 if i == 60 => break, x => sum += x }
        }
        sum
    }

    async fn awaits_in_conditions(n: u32) -> u32 {
        let (mut sum, mut n) = (0, n);
        while ready(n % 7).await != 0 { n -= 1; sum += n }
        while let Some(rest) = ready(n.checked_sub(3)).await && rest % 64 != 0 { n = rest; sum += 1 }
        while { After(1).await; n % 5 != 0 } { n += 1 }
        loop { if ready(sum % 3 == 0).await { break sum } sum += 1 }
    }

    async fn nests(n: u32) -> Vec<(u32, u32)> {
        let mut out = vec![];
        'a: for i in 0..n {
            let mut j = 0;
            while j < 5 {
                j += 1;
                if (i + j) % 4 == 0 { continue 'a }
                'c: loop {
                    After(j % 2).await;
                    for k in 0.. {
                        if k > j { break 'c }
                        if k * ready(i).await == 20 { break 'a }
                        if k == 3 && i % 2 == 0 { continue 'a }
                    }
                }
                out.push((i, j));
            }
        }
        out
    }

    async fn breaks_with_the_value_of_an_await(n: u32) -> Result<u32, String> {
        let mut limit = 2;
        let found = 'search: loop {
            for divisor in 2..limit {
                if ready(n % divisor).await == 0 { break 'search ready(divisor).await }
            }
            if limit >= n % 50 { return Err(ready(format!("{n}")).await) }
            limit += 1;
        };
        let found = ready(Ok::<_, String>(found)).await?;
        for x in [Ok(1), Err("no".to_owned())] { if found == 3 { ready(x).await?; } }
        Ok(found)
    }

    async fn blocks_and_closures(n: u32) -> (u32, Option<u32>, u32) {
        let captured = RefCell::new(0);
        let block = async {
            for i in 0..n {
                *captured.borrow_mut() += i;
                After(i % 2).await;
                if i == 40 { return 1 }
            }
            2
        };
        let fallible = async move {
            let mut left = n;
            loop { left = ready(left.checked_sub(3)).await?; if left == 7 { break Some(left) } }
        };
        let closure = async |m: u32| {
            let mut sum = 0;
            for i in 0..m { sum += ready(i).await; *captured.borrow_mut() += 1 }
            while sum > n { sum /= 2 }
            sum
        };
        let a = closure(3).await + closure(n).await + block.await;
        let b = fallible.await;
        (a, b, captured.into_inner())
    }

    async fn sync_closures_inside(n: u32) -> u32 {
        let mut sum = 0;
        let mut add = |m| for i in 0..m { sum += i };
        add(n);
        ready(()).await;
        add(3);
        sum
    }

    async fn futures_in_a_collection(n: u32) -> u32 {
        let mut sum = 0;
        for future in (0..n % 30).map(|i| async move { After(i % 3).await + i }) { sum += future.await }
        for future in [After(1), After(2)] { sum += future.await }
        let mut pinned = pin!(After(3));
        let mut boxed: Vec<Pin<Box<dyn Future<Output = u32>>>> =
            vec![Box::pin(async { 1 }), Box::pin(After(2))];
        for _ in 0..1 { sum += (&mut pinned).await }
        while let Some(future) = boxed.pop() { sum += future.await }
        sum
    }

    async fn recursion(n: u32) -> u32 {
        fn depth(n: u32) -> Pin<Box<dyn Future<Output = u32>>> {
            Box::pin(async move { if n == 0 { 0 } else { 1 + depth(n - 1).await } })
        }
        depth(n % 100).await
    }

    async fn borrows_across_awaits(n: u32) -> (Vec<u32>, usize) {
        let mut values: Vec<u32> = (0..n).collect();
        for x in &mut values { *x += After(*x % 2).await }
        for chunk in values.chunks_mut(3) { chunk[0] = ready(chunk.len() as u32).await }
        let mut total = 0;
        for text in ["a", "bb"] { total += length_of(&text.repeat(n as usize)).await }
        (values, total)
    }

    async fn what_is_awaited_need_not_be_a_future(n: u32) -> u32 {
        let mut sum = 0;
        for i in 0..n { sum += Request(i).await }
        sum
    }

    async fn drops(n: u32) -> u32 {
        let _outer = Noisy("outer");
        for guard in [Noisy("a"), Noisy("b")] {
            After(n % 2).await;
            log(guard.0);
            if ready(n == 3).await { break }
        }
        while let (_guard, true) = (Noisy("condition"), ready(false).await) {}
        n
    }

    async fn macros(n: u32) -> u32 {
        let mut sum = 0;
        for i in 0..n {
            sum += dbg_free!(ready(i).await);
            if i == 70 { stop!() }
        }
        let mut values = vec![ready(1).await; 3];
        while !values.is_empty() { values.truncate(ready(values.len() - 1).await) }
        futures::join!(async { for _ in 0..3 { ready(()).await } }, ready(()));
        sum
    }
}

macro_rules! dbg_free {
    ($e:expr) => {
        match $e {
            x => x,
        }
    };
}
macro_rules! stop {
    () => {
        break
    };
}
use {dbg_free, stop};

struct Request(u32);

impl IntoFuture for Request {
    type Output = u32;
    type IntoFuture = std::future::Ready<u32>;

    fn into_future(self) -> Self::IntoFuture {
        ready(self.0)
    }
}

async fn length_of(text: &str) -> usize {
    After(2).await;
    text.len()
}

items! {
    mod functions_that_return_futures {
        #[preemptible]
        fn block(n: u32) -> impl Future<Output = u32> + Send {
            let mut start = 0;
            while start < n { start += 2 }
            async move { let mut x = start; while x > 3 { x = ready(x / 2).await } x }
        }

        #[preemptible]
        fn boxed<'a>(n: &'a u32) -> Pin<Box<dyn Future<Output = u32> + Send + 'a>> {
            Box::pin(async move { let mut x = 0; for i in 0..*n { x ^= ready(i).await } x })
        }

        #[preemptible]
        fn closure() -> impl AsyncFn(u32) -> u32 {
            async |n| { let mut x = 0; for i in 0..n { x ^= ready(i).await } x }
        }

        trait Source {
            fn next(&mut self) -> impl Future<Output = Option<u32>> + Send;
        }

        impl Source for u32 {
            #[preemptible]
            async fn next(&mut self) -> Option<u32> {
                while *self % 3 == 1 { *self -= ready(1).await }
                *self = self.checked_sub(1)?;
                Some(*self)
            }
        }

        #[preemptible]
        async unsafe fn unsafe_async<T: Into<u32> + Copy, const N: usize>(values: &[T; N]) -> u32 {
            let mut sum = 0;
            for x in values { sum += ready((*x).into()).await }
            sum
        }

        pub(super) fn run(mut n: u32) -> (u32, u32, u32, Option<u32>, u32) {
            block_on(async {
                let boxed = boxed(&n).await;
                let closure = closure()(n).await;
                // SAFETY: it does nothing unsafe.
                let generic = unsafe { unsafe_async(&[1u8, 2, 3]) }.await;
                (block(n).await, boxed, closure, n.next().await, generic)
            })
        }
    }
}
