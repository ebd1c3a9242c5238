fn first_power_above(limit: u64) -> u64 {
    let mut power = 1;
    {
        'strips0: loop {
            let mut __left = 64usize;
            #[allow(unreachable_code)]
            break 'strips0 (loop {
                if __left == 0 {
                    ::preempt::__private::checkpoint();
                    continue 'strips0;
                }
                __left -= 1;
                if power > limit {
                    break power;
                }
                power *= 2;
            });
        }
    }
}
fn serve(requests: &Requests) -> ! {
    ::preempt::__private::checkpoint();
    {
        static __STRIDE: ::preempt::__private::Stride = ::preempt::__private::Stride::new(
            8u32,
            1024u32,
        );
        let mut __stride = __STRIDE.get();
        let mut __clock = 0;
        loop {
            let mut __left = __stride;
            while __left != 0 {
                __left -= 1;
                answer(requests.next());
            }
            __clock = __STRIDE.end_strip(__clock);
            __stride = __STRIDE.get();
        }
    }
}
fn of_unknown_type() {
    ::preempt::__private::checkpoint();
    loop {
        ::preempt::__private::checkpoint();
        step!();
    }
}
