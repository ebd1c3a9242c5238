#[preemptible]
fn sum(values: &[u32]) -> u32 {
    let (mut sum, mut i) = (0, 0);
    while i < values.len() {
        sum += values[i];
        i += 1;
    }
    sum
}

#[preemptible]
fn collatz(mut n: u64) -> u32 {
    let mut steps = 0;
    while n != 1 {
        n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        steps += 1;
    }
    steps
}

#[preemptible]
fn drain(queue: &mut Vec<u32>) -> u32 {
    let mut sum = 0;
    while let Some(value) = queue.pop() {
        if value == 0 {
            continue;
        }
        sum += value;
    }
    sum
}
