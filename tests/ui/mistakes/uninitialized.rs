use preempt::preemptible;

#[preemptible]
fn after_a_for(n: u32) -> u32 {
    let last;
    for i in 0..n {
        last = i;
        break;
    }
    last
}

#[preemptible]
fn after_a_while(n: u32) -> u32 {
    let last: u32;
    while n > 3 {
        last = 3;
        break;
    }
    last
}

#[preemptible]
fn assigned_in_each_iteration(n: u32) {
    let last;
    for i in 0..n {
        last = i;
    }
}

fn main() {}
