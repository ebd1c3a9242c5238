fn every(values: &[u32]) -> u32 {
    let mut sum = 0;
    match ::preempt::__private::IntoIterator::into_iter(values) {
        mut __iter => {
            let __strips = {
                #[allow(unused_imports)]
                use ::preempt::__private::{ViaCount as _, ViaNext as _, ViaParts as _};
                (&&&::preempt::__private::Probe(&__iter)).__preempt_strips()
            };
            if ::preempt::__private::Strips::is_short(__strips, &__iter, 100usize) {
                for value in __iter {
                    sum += value;
                }
            } else {
                loop {
                    let mut __left = 100usize;
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
                    ::preempt::__private::checkpoint();
                }
            };
        }
    }
    sum
}
fn each(values: &[u32]) -> u32 {
    let mut sum = 0;
    for value in values {
        ::preempt::__private::checkpoint();
        sum += value;
    }
    sum
}
fn entry_only(values: &[u32]) -> u32 {
    let mut sum = 0;
    ::preempt::__private::checkpoint();
    for value in values {
        sum += weigh(value);
    }
    sum
}
fn with_a_skipped_loop(mut n: u64) -> u64 {
    start();
    while n > 100 {
        n /= 2;
    }
    {
        static __STRIDE: preempt_checkpoint::__private::Stride = preempt_checkpoint::__private::Stride::new(
            896u32,
            14336u32,
        );
        let mut __stride = 896usize;
        let mut __clock = 0;
        let mut __goes_on: bool = n > 10;
        loop {
            let mut __left = __stride;
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
            __clock = __STRIDE.end_strip(__clock);
            __stride = __STRIDE.get();
        }
    }
    n
}
