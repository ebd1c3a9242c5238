fn first_power_above(limit: u64) -> u64 {
    let mut power = 1;
    loop {
        ::preempt::__private::checkpoint();
        if power > limit {
            break power;
        }
        power *= 2;
    }
}
fn serve(requests: &Requests) -> ! {
    ::preempt::__private::checkpoint();
    loop {
        ::preempt::__private::checkpoint();
        answer(requests.next());
    }
}
fn of_unknown_type() {
    ::preempt::__private::checkpoint();
    loop {
        ::preempt::__private::checkpoint();
        step!();
    }
}
