use preempt::preemptible;

struct Plain;

#[preemptible]
fn integer() {
    for x in 5 {
        drop(x);
    }
}

#[preemptible]
fn user_type(plain: Plain) {
    for _ in &plain {}
    for _ in plain {}
}

#[preemptible]
fn floats() {
    for _ in 0.0..1.0 {}
}

#[preemptible]
fn without_a_bound<I>(iter: I) {
    for _ in iter {}
}

#[preemptible]
fn slice(values: &[u32]) {
    for _ in *values {}
}

#[preemptible]
async fn asynchronous() {
    for x in 5u8 {
        std::future::ready(x).await;
    }
}

fn main() {}
