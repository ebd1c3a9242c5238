async fn sum_all(mut batches: Receiver<Vec<u64>>) -> u64 {
    if ::preempt::__private::preempt_requested() {
        ::preempt::__private::yield_now().await;
    }
    let mut sum = 0;
    while let Some(batch) = ::preempt::__private::give_way(batches.recv()).await {
        match ::preempt::__private::IntoIterator::into_iter(&batch) {
            mut __iter => {
                let __strips = {
                    #[allow(unused_imports)]
                    use ::preempt::__private::{
                        ViaCount as _, ViaNext as _, ViaParts as _,
                    };
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
                        __clock = __STRIDE.end_strip(__clock);
                        __stride = __STRIDE.get();
                    }
                };
            }
        }
    }
    sum
}
async fn never_awaits(values: Vec<u64>) -> u64 {
    let mut product = 1;
    ::preempt::__private::checkpoint();
    match ::preempt::__private::IntoIterator::into_iter(values) {
        mut __iter => {
            let __strips = {
                #[allow(unused_imports)]
                use ::preempt::__private::{ViaCount as _, ViaNext as _, ViaParts as _};
                (&&&::preempt::__private::Probe(&__iter)).__preempt_strips()
            };
            static __STRIDE: ::preempt::__private::Stride = ::preempt::__private::Stride::new(
                8u32,
                1024u32,
            );
            let mut __stride = __STRIDE.get();
            let mut __clock = 0;
            if ::preempt::__private::Strips::is_short(__strips, &__iter, 8usize) {
                for value in __iter {
                    product = multiply(product, value);
                }
            } else {
                loop {
                    let mut __left = __stride;
                    for value in ::preempt::__private::Strips::next(
                        __strips,
                        &mut __iter,
                        &mut __left,
                    ) {
                        product = multiply(product, value);
                    }
                    if ::preempt::__private::Strips::is_done(
                        __strips,
                        &mut __iter,
                        __left,
                    ) {
                        break;
                    }
                    __clock = __STRIDE.end_strip(__clock);
                    __stride = __STRIDE.get();
                }
            };
        }
    }
    product
}
