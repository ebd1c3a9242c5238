fn sum(values: &[u32]) -> u32 {
    let (mut sum, mut i) = (0, 0);
    {
        static __STRIDE: ::preempt::__private::Stride = ::preempt::__private::Stride::new(
            1024u32,
            16384u32,
        );
        let mut __stride = 1024usize;
        let mut __clock = 0;
        let mut __goes_on: bool = i < values.len();
        loop {
            let mut __left = __stride;
            while (__left != 0) & __goes_on {
                __left -= 1;
                let () = {
                    sum += values[i];
                    i += 1;
                };
                __goes_on = i < values.len();
            }
            if !__goes_on {
                break;
            }
            __clock = __STRIDE.end_strip(__clock);
            __stride = __STRIDE.get();
        }
    }
    sum
}
fn collatz(mut n: u64) -> u32 {
    let mut steps = 0;
    while n != 1 {
        ::preempt::__private::checkpoint();
        n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        steps += 1;
    }
    steps
}
fn drain(queue: &mut Vec<u32>) -> u32 {
    let mut sum = 0;
    while let Some(value) = queue.pop() {
        ::preempt::__private::checkpoint();
        if value == 0 {
            continue;
        }
        sum += value;
    }
    sum
}
