use preempt::preemptible;

#[preemptible]
fn in_a_for(names: &[String]) -> u32 {
    let mut sum = 0;
    for name in names {
        sum += name;
    }
    sum
}

#[preemptible]
fn in_a_while(mut n: u32) {
    while n > 0 {
        n -= "1";
    }
}

#[preemptible]
fn in_a_loop() -> u32 {
    loop {
        let n: u32 = Some(3);
        break n;
    }
}

#[preemptible]
async fn in_an_async_fn(values: Vec<u32>) {
    for value in values {
        std::future::ready(value).await.push(3);
    }
}

#[preemptible]
fn item_of_another_type() {
    for i in 0..3u8 {
        let _: u16 = i;
    }
}

fn main() {}
