#[preempt::test(seed = 7, flavor = "multi_thread", worker_threads = 2)]
async fn on_another_runtime() {}

#[preempt::test(start_paused = true, seeds = 10)]
async fn with_a_clock_of_its_own() {}

#[preempt::test(seed = 7, seeds = 10)]
async fn one_and_many() {}

#[preempt::test(seeds = 0)]
async fn with_none() {}

#[preempt::test(seed = -1)]
async fn below_zero() {}

#[preempt::main(seed = 7)]
async fn main() {}
