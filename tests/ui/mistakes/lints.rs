//! What the user is warned of without the attribute is what the user is warned of with it.

#![deny(
    unused,
    for_loops_over_fallibles,
    non_snake_case,
    unreachable_code,
    unused_qualifications,
    while_true
)]

use preempt::preemptible;

#[preemptible]
pub fn unused_names() {
    let unused = 3;
    for item in 0..3 {}
    'label: for _ in 0..3 {}
    'label: while 1 > 2 {}
    'label: loop {
        break;
    }
    for (i, x) in [(1, 2)] {
        println!("{i}");
    }
}

#[preemptible]
pub fn unused_mut() {
    let mut n = 3;
    for mut i in 0..n {
        println!("{i}");
    }
}

#[preemptible]
pub fn unused_values() {
    let mut last = 0;
    for i in 0..3 {
        last = i;
        i + 1;
        Ok::<u32, u32>(i);
        std::future::ready(i);
    }
}

#[preemptible]
pub fn unreachable() -> u32 {
    for i in 0..3 {
        return i;
        println!("{i}");
    }
    loop {}
    3
}

#[preemptible]
pub fn style() {
    while true {
        break;
    }
    for x in Some(3) {
        println!("{x}");
    }
    for camelCase in (0..3) {
        println!("{camelCase}");
    }
}

#[preemptible]
pub async fn asynchronous() {
    for item in 0..3 {
        let unused = std::future::ready(3).await;
        println!("{}", std::future::ready(3).await);
    }
}

#[preemptible]
fn never_called() {
    for _ in 0..3 {}
}

fn main() {}
