use preempt::preemptible;

#[preemptible]
fn the_iterated(values: &mut Vec<u32>) {
    for value in values.iter() {
        values.push(*value);
    }
}

#[preemptible]
fn the_iterator() {
    let mut iter = [1, 2, 3].iter();
    for _ in iter.by_ref() {
        iter.next();
    }
}

#[preemptible]
fn an_immutable_iterator() {
    let iter = 0..3;
    for _ in &mut iter {}
}

#[preemptible]
fn a_shared_item(values: &[u32]) {
    for value in values {
        *value += 1;
    }
}

#[preemptible]
fn across_iterations(texts: Vec<String>) -> usize {
    let mut longest = "";
    for text in texts {
        if text.len() > longest.len() {
            longest = &text;
        }
    }
    longest.len()
}

#[preemptible]
fn a_local_that_is_returned<'a>() -> &'a str {
    for n in 0..3 {
        let text = n.to_string();
        return &text;
    }
    ""
}

fn main() {}
