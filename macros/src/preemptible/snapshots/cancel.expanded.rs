fn strips(values: &[u32]) -> u32 {
    let mut sum = 0;
    match ::preempt::__private::IntoIterator::into_iter(values) {
        mut __iter => {
            let __strips = {
                #[allow(unused_imports)]
                use ::preempt::__private::{ViaCount as _, ViaNext as _, ViaParts as _};
                (&&&::preempt::__private::Probe(&__iter)).__preempt_strips()
            };
            static __STRIDE: ::preempt::__private::Stride = ::preempt::__private::Stride::new(
                1024u32,
                16384u32,
            );
            let mut __stride = 1024usize;
            let mut __clock = 0;
            if ::preempt::__private::Strips::is_short(__strips, &__iter, 1024usize) {
                for value in __iter {
                    sum += value;
                }
            } else {
                loop {
                    let mut __left = __stride;
                    for value in ::preempt::__private::Strips::next(
                        __strips,
                        &mut __iter,
                        &mut __left,
                    ) {
                        sum += value;
                    }
                    if ::preempt::__private::Strips::is_done(
                        __strips,
                        &mut __iter,
                        __left,
                    ) {
                        break;
                    }
                    __clock = __STRIDE.end_strip_or_cancel(__clock);
                    __stride = __STRIDE.get();
                }
            };
        }
    }
    sum
}
fn fixed(mut n: u64) -> u64 {
    {
        let mut __goes_on: bool = n > 10;
        loop {
            let mut __left = 100usize;
            while (__left != 0) & __goes_on {
                __left -= 1;
                let () = {
                    n /= 2;
                };
                __goes_on = n > 10;
            }
            if !__goes_on {
                break;
            }
            ::preempt::__private::checkpoint_or_cancel();
        }
    }
    n
}
fn entry_only(values: &[u32]) -> u32 {
    ::preempt::__private::checkpoint_or_cancel();
    values.iter().map(weigh).sum()
}
fn without() -> u32 {
    ::preempt::__private::checkpoint();
    loop {
        ::preempt::__private::checkpoint();
        if let Some(value) = next() {
            break value;
        }
    }
}
async fn with_awaits(values: &[u32]) -> u32 {
    if ::preempt::__private::preempt_requested() {
        ::preempt::__private::yield_now().await;
    }
    let mut sum = 0;
    loop {
        sum += ::preempt::__private::give_way(receive()).await;
        while sum > 100 {
            sum -= 1;
        }
        while !is_enough(sum) {
            ::preempt::__private::checkpoint_or_cancel();
            sum += 1;
        }
    }
}
