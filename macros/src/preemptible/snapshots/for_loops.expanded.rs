fn sum(values: &[u32]) -> u32 {
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
                    __clock = __STRIDE.end_strip(__clock);
                    __stride = __STRIDE.get();
                }
            };
        }
    }
    sum
}
fn find(words: &[String], wanted: &str) -> Option<usize> {
    let mut found = None;
    ::preempt::__private::checkpoint();
    match ::preempt::__private::IntoIterator::into_iter(words.iter().enumerate()) {
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
                'search: for (i, word) in __iter {
                    if matches(word, wanted) {
                        found = Some(i);
                        break 'search;
                    }
                }
            } else {
                'strips0: loop {
                    let mut __left = __stride;
                    let mut __strip = ::preempt::__private::Strips::next(
                        __strips,
                        &mut __iter,
                        &mut __left,
                    );
                    let () = 'search: loop {
                        match ::preempt::__private::Iterator::next(&mut __strip) {
                            ::preempt::__private::None => {
                                if ::preempt::__private::Strips::is_done(
                                    __strips,
                                    &mut __iter,
                                    __left,
                                ) {
                                    break 'strips0;
                                }
                                __clock = __STRIDE.end_strip(__clock);
                                __stride = __STRIDE.get();
                                continue 'strips0;
                            }
                            ::preempt::__private::Some((i, word)) => {
                                if matches(word, wanted) {
                                    found = Some(i);
                                    break 'search;
                                }
                            }
                        }
                    };
                    #[allow(unreachable_code)] break 'strips0;
                }
            };
        }
    }
    found
}
fn short() -> u32 {
    let mut sum = 0;
    for i in 0..16 {
        sum += i * i;
    }
    sum
}
fn nest(rows: &[Vec<f64>]) -> f64 {
    let mut sum = 0.0;
    match ::preempt::__private::IntoIterator::into_iter(rows) {
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
            loop {
                let mut __left = __stride;
                for row in ::preempt::__private::Strips::next(
                    __strips,
                    &mut __iter,
                    &mut __left,
                ) {
                    match ::preempt::__private::IntoIterator::into_iter(row) {
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
                            if ::preempt::__private::Strips::is_short(
                                __strips,
                                &__iter,
                                1024usize,
                            ) {
                                for cell in __iter {
                                    sum += cell;
                                }
                            } else {
                                loop {
                                    let mut __left = __stride;
                                    for cell in ::preempt::__private::Strips::next(
                                        __strips,
                                        &mut __iter,
                                        &mut __left,
                                    ) {
                                        sum += cell;
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
                if ::preempt::__private::Strips::is_done(__strips, &mut __iter, __left) {
                    break;
                }
                __clock = __STRIDE.end_strip(__clock);
                __stride = __STRIDE.get();
            };
        }
    }
    sum
}
