//! The metrics for the `metrics` crate.
//!
//! Goal: a recorder learns the numbers of a snapshot, and of histograms what is new.
//! Method: the recorder for tests of `metrics-util`.

mod support;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use preempt::runtime::{Builder, MetricsPublisher};
use preempt::task::yield_now;
use std::collections::HashMap;
use support::{LIMIT, eventually, within};

fn read(snapshotter: &Snapshotter) -> HashMap<String, DebugValue> {
    let all = snapshotter.snapshot().into_vec().into_iter();
    all.map(|(key, _, _, value)| {
        let key = key.key().clone();
        let labels = key.labels().map(|label| format!(",{}={}", label.key(), label.value()));
        (format!("{}{}", key.name(), labels.collect::<String>()), value)
    })
    .collect()
}

#[test]
fn a_recorder_learns_the_numbers() {
    within(LIMIT, || {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_metrics_poll_time_histogram();
        let runtime = runtime.build().unwrap();
        let run = |polls: u64| {
            let task = runtime.spawn(async move {
                for _ in 1..polls {
                    yield_now().await;
                }
            });
            runtime.block_on(task).unwrap();
            eventually("all polls are counted", || {
                let metrics = runtime.metrics();
                let counted = metrics.poll_time_histogram.map_or(0, |histogram| histogram.count());
                !metrics.workers[0].is_in_poll && counted == metrics.workers[0].poll_count
            });
            runtime.metrics()
        };
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let mut publisher = MetricsPublisher::new();
        for (polls, total) in [(10, 10), (5, 15)] {
            let metrics = run(polls);
            metrics::with_local_recorder(&recorder, || publisher.publish(&metrics));
            let values = read(&snapshotter);
            assert_eq!(values["preempt_polls_total,worker=0"], DebugValue::Counter(total));
            assert_eq!(values["preempt_workers"], DebugValue::Gauge(1.0.into()));
            assert_eq!(values["preempt_tasks,state=running"], DebugValue::Gauge(0.0.into()));
            let DebugValue::Histogram(times) = &values["preempt_poll_seconds"] else {
                panic!("it is a histogram");
            };
            assert_eq!(times.len() as u64, polls, "only what is new");
        }
    });
}
