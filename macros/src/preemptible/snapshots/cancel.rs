#[preemptible(cancel)]
fn strips(values: &[u32]) -> u32 {
    let mut sum = 0;
    for value in values {
        sum += value;
    }
    sum
}

#[preemptible(cancel, every = 100)]
fn fixed(mut n: u64) -> u64 {
    while n > 10 {
        n /= 2;
    }
    n
}

#[preemptible(cancel = true, loops = false)]
fn entry_only(values: &[u32]) -> u32 {
    values.iter().map(weigh).sum()
}

#[preemptible(cancel = false, entry = true)]
fn without() -> u32 {
    loop {
        if let Some(value) = next() {
            break value;
        }
    }
}

#[preemptible(cancel)]
async fn with_awaits(values: &[u32]) -> u32 {
    let mut sum = 0;
    loop {
        sum += receive().await;
        #[preemptible(skip)]
        while sum > 100 {
            sum -= 1;
        }
        while !is_enough(sum) {
            sum += 1;
        }
    }
}
