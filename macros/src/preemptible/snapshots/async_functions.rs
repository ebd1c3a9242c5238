#[preemptible]
async fn sum_all(mut batches: Receiver<Vec<u64>>) -> u64 {
    let mut sum = 0;
    while let Some(batch) = batches.recv().await {
        for value in &batch {
            sum += value;
        }
    }
    sum
}

#[preemptible]
async fn never_awaits(values: Vec<u64>) -> u64 {
    let mut product = 1;
    for value in values {
        product = multiply(product, value);
    }
    product
}
