#[preemptible]
fn first_power_above(limit: u64) -> u64 {
    let mut power = 1;
    loop {
        if power > limit {
            break power;
        }
        power *= 2;
    }
}

#[preemptible]
fn serve(requests: &Requests) -> ! {
    loop {
        answer(requests.next());
    }
}

#[preemptible]
fn of_unknown_type() {
    loop {
        step!();
    }
}
