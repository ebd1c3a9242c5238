#[preemptible(every = 100)]
fn every(values: &[u32]) -> u32 {
    let mut sum = 0;
    for value in values {
        sum += value;
    }
    sum
}

#[preemptible(every = 1)]
fn each(values: &[u32]) -> u32 {
    let mut sum = 0;
    for value in values {
        sum += value;
    }
    sum
}

#[preemptible(loops = false)]
fn entry_only(values: &[u32]) -> u32 {
    let mut sum = 0;
    for value in values {
        sum += weigh(value);
    }
    sum
}

#[preemptible(entry = false, crate = preempt_checkpoint)]
fn with_a_skipped_loop(mut n: u64) -> u64 {
    start();
    #[preemptible(skip)]
    while n > 100 {
        n /= 2;
    }
    while n > 10 {
        n /= 2;
    }
    n
}
