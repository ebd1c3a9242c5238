#[preemptible]
fn sum(values: &[u32]) -> u32 {
    let mut sum = 0;
    for value in values {
        sum += value;
    }
    sum
}

#[preemptible]
fn find(words: &[String], wanted: &str) -> Option<usize> {
    let mut found = None;
    'search: for (i, word) in words.iter().enumerate() {
        if matches(word, wanted) {
            found = Some(i);
            break 'search;
        }
    }
    found
}

#[preemptible]
fn short() -> u32 {
    let mut sum = 0;
    for i in 0..16 {
        sum += i * i;
    }
    sum
}

#[preemptible]
fn nest(rows: &[Vec<f64>]) -> f64 {
    let mut sum = 0.0;
    for row in rows {
        for cell in row {
            sum += cell;
        }
    }
    sum
}
