//! The metrics as monitoring systems have them: one table of names, from which each format is made.

use super::histogram::Histogram;
use super::snapshot::RuntimeMetrics;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    Gauge,
}

/// Metrics of one name.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) samples: Vec<Sample>,
}

pub(super) struct Sample {
    /// At most one: its name and its value.
    pub(super) label: Option<(&'static str, String)>,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Number(u64),
    Seconds(f64),
    Cpus(f64),
}

/// A histogram of seconds.
pub(super) struct Times<'a> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) histogram: &'a Histogram,
}

struct Table(Vec<Family>);

impl Table {
    fn add(&mut self, kind: Kind, name: &'static str, help: &'static str, samples: Vec<Sample>) {
        self.0.push(Family { name, help, kind, samples });
    }

    fn one(&mut self, kind: Kind, name: &'static str, help: &'static str, value: u64) {
        let samples = vec![Sample { label: None, value: Value::Number(value) }];
        self.add(kind, name, help, samples);
    }

    fn by<const N: usize>(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: [(&str, u64); N],
    ) {
        let sample = |(which, value): (&str, u64)| Sample {
            label: Some((label, which.to_owned())),
            value: Value::Number(value),
        };
        self.add(kind, name, help, values.into_iter().map(sample).collect());
    }
}

impl RuntimeMetrics {
    pub(super) fn families(&self) -> Vec<Family> {
        let mut table = Table(Vec::new());
        self.add_tasks(&mut table);
        self.add_preemption(&mut table);
        self.add_world(&mut table);
        self.add_threads(&mut table);
        self.add_cpus(&mut table);
        self.add_timers_and_events(&mut table);
        self.add_workers(&mut table);
        table.0
    }

    pub(super) fn times(&self) -> Vec<Times<'_>> {
        let poll = self.poll_time_histogram.as_ref().map(|histogram| Times {
            name: "preempt_poll_seconds",
            help: "How long polls took.",
            histogram,
        });
        let latency = self.schedule_latency_histogram.as_ref().map(|histogram| Times {
            name: "preempt_schedule_latency_seconds",
            help: "How long tasks waited from a wake-up to the poll.",
            histogram,
        });
        poll.into_iter().chain(latency).collect()
    }

    fn add_tasks(&self, table: &mut Table) {
        use Kind::{Counter, Gauge};
        let tasks = &self.tasks;
        table.by(
            Gauge,
            "preempt_tasks",
            "Tasks that are not complete, by state.",
            "state",
            [
                ("running", tasks.running as u64),
                ("queued", tasks.queued as u64),
                ("detached", tasks.detached as u64),
                ("waiting", tasks.waiting as u64),
            ],
        );
        let spawned = self.spawned_tasks_count;
        table.one(Counter, "preempt_spawned_tasks_total", "Tasks that were spawned.", spawned);
        let local: usize = self.workers.iter().map(|worker| worker.local_queue_depth).sum();
        table.by(
            Gauge,
            "preempt_queue_depth",
            "What waits in each kind of queue.",
            "queue",
            [
                ("injection", self.injection_queue_depth as u64),
                ("local", local as u64),
                ("background", self.background_queue_depth as u64),
                ("blocking", self.blocking_queue_depth as u64),
            ],
        );
        let classes = [("latency", self.latency), ("normal", self.normal), ("batch", self.batch)];
        table.by(
            Gauge,
            "preempt_priority_queue_depth",
            "What waits for a worker, by class.",
            "priority",
            classes.map(|(class, metrics)| (class, metrics.queue_depth as u64)),
        );
        table.by(
            Counter,
            "preempt_priority_polls_total",
            "Polls, by class.",
            "priority",
            classes.map(|(class, metrics)| (class, metrics.poll_count)),
        );
        table.one(
            Counter,
            "preempt_remote_schedules_total",
            "Tasks that were queued for all workers.",
            self.remote_schedule_count,
        );
        table.one(
            Counter,
            "preempt_overflows_total",
            "Tasks that did not fit into a worker's own queue.",
            self.overflow_count,
        );
    }

    fn add_preemption(&self, table: &mut Table) {
        use Kind::Counter;
        table.one(
            Counter,
            "preempt_requests_total",
            "Requests to a poll to give way.",
            self.requests,
        );
        table.by(
            Counter,
            "preempt_preemptions_total",
            "Polls that gave way.",
            "rung",
            [
                ("yield", self.yields_on_request),
                ("detach", self.detaches),
                ("hand_off", self.hand_offs),
            ],
        );
        table.one(Counter, "preempt_signals_total", "Signals sent to polls.", self.signals);
        let refusals = self.refusals;
        table.by(
            Counter,
            "preempt_signal_refusals_total",
            "Signals that found no async-safe point, by reason.",
            "reason",
            [
                ("stale", refusals.stale),
                ("no_preempt", refusals.no_preempt),
                ("text", refusals.text),
                ("stack", refusals.stack),
                ("masked", refusals.masked),
                ("no_spare", refusals.no_spare),
                ("switching", refusals.switching),
            ],
        );
        table.one(
            Counter,
            "preempt_migrations_total",
            "Polls that were suspended on one thread and resumed on another.",
            self.migrations,
        );
    }

    fn add_world(&self, table: &mut Table) {
        use Kind::{Counter, Gauge};
        table.by(
            Counter,
            "preempt_world_stops_total",
            "How often all tasks were to stand still.",
            "result",
            [("stopped", self.world_stops), ("failed", self.world_stop_failures)],
        );
        let mut add = |kind, name, help, duration: Duration| {
            let value = Value::Seconds(duration.as_secs_f64());
            table.add(kind, name, help, vec![Sample { label: None, value }]);
        };
        add(
            Counter,
            "preempt_world_stopping_seconds_total",
            "How long it took until they stood still.",
            self.world_stopping_duration,
        );
        add(
            Gauge,
            "preempt_world_stopping_seconds_max",
            "The longest of these times.",
            self.longest_world_stopping_duration,
        );
        add(
            Counter,
            "preempt_world_stopped_seconds_total",
            "How long they stood still.",
            self.world_stopped_duration,
        );
    }

    fn add_threads(&self, table: &mut Table) {
        use Kind::Gauge;
        table.one(
            Gauge,
            "preempt_workers",
            "How many tasks can run at once.",
            self.processors as u64,
        );
        let at_work = self.machine_threads.saturating_sub(self.spare_machine_threads);
        table.by(
            Gauge,
            "preempt_threads",
            "Threads of the runtime.",
            "kind",
            [
                ("worker", at_work as u64),
                ("spare", self.spare_machine_threads as u64),
                ("blocking", self.blocking_threads as u64),
            ],
        );
        table.by(
            Gauge,
            "preempt_fibers",
            "Stacks with thread-locals of their own.",
            "state",
            [
                ("used", self.fibers.saturating_sub(self.spare_fibers) as u64),
                ("spare", self.spare_fibers as u64),
            ],
        );
    }

    fn add_cpus(&self, table: &mut Table) {
        use Kind::{Counter, Gauge};
        let limits = &self.cpu_limits;
        let mut add = |kind, name, help, value: Option<Value>| {
            let sample = |value| Sample { label: None, value };
            table.add(kind, name, help, value.map(sample).into_iter().collect());
        };
        add(
            Gauge,
            "preempt_cpu_affinity",
            "CPUs that the process may run on.",
            Some(Value::Number(limits.affinity as u64)),
        );
        add(
            Gauge,
            "preempt_cpu_quota",
            "CPUs that the least quota of its control groups is worth.",
            limits.quota.map(|quota| Value::Cpus(quota.cpus())),
        );
        let throttling = limits.throttling.as_ref();
        add(
            Counter,
            "preempt_cpu_periods_total",
            "Periods of the quota in which the control group ran.",
            throttling.map(|throttling| Value::Number(throttling.periods)),
        );
        add(
            Counter,
            "preempt_cpu_throttled_periods_total",
            "Those of them in which the quota was used up.",
            throttling.map(|throttling| Value::Number(throttling.throttled_periods)),
        );
        add(
            Counter,
            "preempt_cpu_throttled_seconds_total",
            "How long the control group's threads stood still for it, on all CPUs together.",
            throttling.map(|throttling| Value::Seconds(throttling.throttled_time.as_secs_f64())),
        );
    }

    fn add_timers_and_events(&self, table: &mut Table) {
        use Kind::{Counter, Gauge};
        table.one(Gauge, "preempt_timers", "Timers that are set.", self.live_timers as u64);
        table.one(Counter, "preempt_timers_fired_total", "Timers that fired.", self.fired_timers);
        table.one(
            Gauge,
            "preempt_io_sources",
            "Sockets and other sources of events.",
            self.io_sources as u64,
        );
        let (polls, ready) = (self.io_driver_poll_count, self.io_driver_ready_count);
        table.one(Counter, "preempt_io_polls_total", "Looks at the system's event queue.", polls);
        table.one(Counter, "preempt_io_events_total", "Events that came of them.", ready);
    }

    fn add_workers(&self, table: &mut Table) {
        use Kind::Counter;
        let mut add = |name, help, value: fn(&super::WorkerMetrics) -> Value| {
            let sample = |(index, worker)| Sample {
                label: Some(("worker", format!("{index}"))),
                value: value(worker),
            };
            let samples = self.workers.iter().enumerate().map(sample).collect();
            table.add(Counter, name, help, samples);
        };
        add("preempt_polls_total", "Polls.", |worker| Value::Number(worker.poll_count));
        add("preempt_steals_total", "Tasks stolen from other workers.", |worker| {
            Value::Number(worker.steal_count)
        });
        add("preempt_parks_total", "How often the worker went to sleep.", |worker| {
            Value::Number(worker.park_count)
        });
        add("preempt_noops_total", "How often it woke and found nothing to do.", |worker| {
            Value::Number(worker.noop_count)
        });
        add("preempt_busy_seconds_total", "How long it was not asleep.", |worker| {
            Value::Seconds(worker.total_busy_duration.as_secs_f64())
        });
    }
}
