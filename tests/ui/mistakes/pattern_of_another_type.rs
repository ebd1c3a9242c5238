use preempt::preemptible;

#[preemptible]
fn tuple() {
    for (i, x) in 0..3 {
        let _: (usize, u32) = (i, x);
    }
}

#[preemptible]
fn reference(values: &[u32]) {
    for &&x in values {
        let _: u32 = x;
    }
}

fn main() {}
