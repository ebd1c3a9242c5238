//! What does it cost to take the processor from a poll, for each of the ways to do it?
//!
//! Question: nanoseconds from the moment a poll gives way until it goes on, while one other task is
//! polled, whose poll does next to nothing. How long it takes until the monitor decides is not a
//! part of it.
//! Baseline: a signal that a thread sends itself, with a handler that does nothing. Each ratio is to the
//! same column of that row. It is measured at both ends of each round: the last row against the first
//! is noise.
//! Method: all rows take turns in one run, one sample of each per round, so that disturbances hit all
//! of them. The processor's time stamp counter is the clock. A sample of the baseline is the mean of a
//! batch; all others are single events, seen by the poll itself:
//!
//! | row | from | until |
//! |---|---|---|
//! | signal to self | the call that sends it | that call returns |
//! | signal from another thread | the last instruction before it | the first after it |
//! | detach and resume, by signal | the last instruction before the monitor's signal | the first when the poll is resumed |
//! | detach and resume, at a checkpoint | the call of `checkpoint` | its return |
//! | `yield_now` | the await | it is over |
//! | hand-off, the other task | the call of `block_in_place` | the other task runs, on another thread |
//! | hand-off, there and back | the call of `block_in_place` | the poll has a processor again, by an await |
//!
//! Noise: the minimum is what the way itself takes, and repeats within a factor of two.
//! The median has what the machine adds: caches that others have used, and, where a second thread has
//! a part in it, the wait for a core. If none is free, the thread that sends a signal takes the
//! poll's, and the pause is as long as that thread runs. On two cores that were busy with compilers the
//! medians were 3 to 20 times the minimum.
//!
//! ```text
//! cargo bench --bench preemption_cost
//! ```

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn main() {
    linux::main();
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
fn main() {
    println!("measured on x86-64 Linux with glibc only");
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod linux {
    use preempt::runtime::{Backend, Builder, Runtime};
    use preempt::task::{block_in_place, yield_now};
    use std::arch::x86_64::_rdtsc;
    use std::future::poll_fn;
    use std::hint::spin_loop;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
    use std::sync::{Arc, Mutex};
    use std::task::{Poll, Waker};
    use std::thread;
    use std::time::{Duration, Instant};

    const ROUNDS: usize = 500;
    const WARM_UP_ROUNDS: usize = 20;
    const BATCH: u32 = 50;
    /// Has an empty handler.
    const SIGNAL: i32 = libc::SIGUSR1;

    pub(super) fn main() {
        install_handler();
        let mut benches = vec![Bench::new("kernel", Backend::Kernel)];
        if Backend::User.is_supported() {
            benches.insert(0, Bench::new("user", Backend::User));
        }
        let mut table = Table::default();
        for round in 0..WARM_UP_ROUNDS + ROUNDS {
            table.begin_round(round >= WARM_UP_ROUNDS);
            table.add("signal to self", "", signal_to_self());
            for bench in &benches {
                bench.round(&mut table);
            }
            table.add("signal to self, again", "", signal_to_self());
        }
        table.print(ticks_per_nanosecond());
    }

    // ---- what is measured ----

    /// Two runtimes of one backend: one that sends signals, and one where nothing but what is
    /// measured disturbs a poll.
    struct Bench {
        backend: &'static str,
        with_signals: Subject,
        without: Subject,
    }

    impl Bench {
        fn new(name: &'static str, backend: Backend) -> Self {
            let [with_signals, without] =
                [true, false].map(|signals| Subject::new(backend, signals));
            Bench { backend: name, with_signals, without }
        }

        fn round(&self, table: &mut Table) {
            let mut add = |what: &str, sample| table.add(what, self.backend, sample);
            add("signal from another thread", self.without.run(signal_from_outside));
            add("detach and resume, by signal", self.with_signals.run(detach_by_signal));
            add("detach and resume, at a checkpoint", self.without.run(detach_at_checkpoint));
            add("yield_now", self.without.run(yields));
            let (there, back) = self.without.run(hands_off);
            add("hand-off, the other task", there);
            add("hand-off, there and back", back);
        }
    }

    /// A runtime with one processor, and a task on it that does nothing but be polled.
    struct Subject {
        runtime: Runtime,
        visitor: Arc<Visitor>,
    }

    impl Subject {
        fn new(backend: Backend, signals: bool) -> Self {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(1).backend(backend).hand_off(false).forced_preemption(signals);
            let runtime = builder.build().expect("a runtime");
            let visitor = Arc::new(Visitor::default());
            runtime.spawn(visitor.clone().visit());
            Subject { runtime, visitor }
        }

        /// Takes a sample in a task of its own.
        fn run<T, F>(&self, sample: fn(Arc<Visitor>) -> F) -> T
        where
            T: Send + 'static,
            F: Future<Output = T> + Send + 'static,
        {
            let task = self.runtime.spawn(sample(self.visitor.clone()));
            self.runtime.block_on(task).expect("no panic")
        }
    }

    fn signal_to_self() -> u64 {
        let thread = this_thread();
        let start = ticks();
        for _ in 0..BATCH {
            send_signal(thread);
        }
        (ticks() - start) / u64::from(BATCH)
    }

    /// In a poll, as the rows that it is compared with. Nobody waits, so that it is left alone.
    async fn signal_from_outside(_visitor: Arc<Visitor>) -> u64 {
        let thread = this_thread();
        let handled = HANDLED.load(SeqCst);
        let is_watched = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let is_watched = is_watched.clone();
            move || {
                while !is_watched.load(SeqCst) {
                    spin_loop();
                }
                send_signal(thread);
            }
        });
        let gap = gap_until(|| {
            is_watched.store(true, SeqCst);
            HANDLED.load(SeqCst) != handled
        });
        sender.join().expect("no panic");
        gap
    }

    async fn detach_by_signal(visitor: Arc<Visitor>) -> u64 {
        let visits = visitor.call();
        gap_until(|| visitor.visits() != visits)
    }

    async fn detach_at_checkpoint(visitor: Arc<Visitor>) -> u64 {
        let visits = visitor.call();
        loop {
            let start = ticks();
            preempt::checkpoint();
            let end = ticks();
            if visitor.visits() != visits {
                return end - start;
            }
        }
    }

    async fn yields(visitor: Arc<Visitor>) -> u64 {
        let visits = visitor.call();
        let start = ticks();
        yield_now().await;
        let end = ticks();
        assert_ne!(visitor.visits(), visits, "it is next");
        end - start
    }

    async fn hands_off(visitor: Arc<Visitor>) -> (u64, u64) {
        let visits = visitor.call();
        let start = ticks();
        block_in_place(|| {
            while visitor.visits() == visits {
                spin_loop();
            }
        });
        yield_now().await;
        (visitor.last_visit() - start, ticks() - start)
    }

    /// Length of the pause in which `is_over` became true, while nothing is done but wait for it.
    fn gap_until(is_over: impl Fn() -> bool) -> u64 {
        let (mut last, mut earlier_gap) = (ticks(), 0);
        loop {
            // The pause is before or after this look: in this turn of the loop or in the last.
            let over = is_over();
            let now = ticks();
            let gap = now - last;
            if over {
                return gap.max(earlier_gap);
            }
            (last, earlier_gap) = (now, gap);
        }
    }

    // ---- the other task ----

    #[derive(Default)]
    struct Visitor {
        visits: AtomicU64,
        last_visit: AtomicU64,
        waker: Mutex<Option<Waker>>,
    }

    impl Visitor {
        async fn visit(self: Arc<Self>) {
            let never: () = poll_fn(|context| {
                self.last_visit.store(ticks(), SeqCst);
                *self.waker.lock().expect("no panic") = Some(context.waker().clone());
                self.visits.fetch_add(1, SeqCst);
                Poll::Pending
            })
            .await;
            never
        }

        /// Makes the task ready to run. Returns how often it ran before.
        fn call(&self) -> u64 {
            // Not to be detached with the lock that the visitor needs.
            preempt::no_preempt(|| {
                let visits = self.visits();
                let waker = self.waker.lock().expect("no panic");
                waker.as_ref().expect("it was polled when it was spawned").wake_by_ref();
                visits
            })
        }

        fn visits(&self) -> u64 {
            self.visits.load(SeqCst)
        }

        fn last_visit(&self) -> u64 {
            self.last_visit.load(SeqCst)
        }
    }

    // ---- signals ----

    static HANDLED: AtomicU64 = AtomicU64::new(0);

    fn install_handler() {
        extern "C" fn note(_signal: i32) {
            HANDLED.fetch_add(1, SeqCst);
        }
        // SAFETY: a handler that only touches an atomic.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note as *const () as usize;
            action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART;
            assert_eq!(libc::sigaction(SIGNAL, &action, std::ptr::null_mut()), 0);
        }
    }

    fn this_thread() -> i32 {
        // SAFETY: asks for a number.
        unsafe { libc::gettid() }
    }

    fn send_signal(thread: i32) {
        // SAFETY: a signal that has a handler, to a thread of this process.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, SIGNAL) };
    }

    // ---- the clock and the table ----

    fn ticks() -> u64 {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { _rdtsc() }
    }

    fn ticks_per_nanosecond() -> f64 {
        const TIME: Duration = Duration::from_millis(100);
        let (start, start_ticks) = (Instant::now(), ticks());
        thread::sleep(TIME);
        (ticks() - start_ticks) as f64 / start.elapsed().as_nanos() as f64
    }

    #[derive(Default)]
    struct Table {
        rows: Vec<(String, Vec<u64>)>,
        next_row: usize,
        counts: bool,
    }

    impl Table {
        fn begin_round(&mut self, counts: bool) {
            (self.next_row, self.counts) = (0, counts);
        }

        fn add(&mut self, what: &str, backend: &str, sample: u64) {
            if self.next_row == self.rows.len() {
                let separator = if backend.is_empty() { "" } else { ", " };
                self.rows.push((format!("{what}{separator}{backend}"), Vec::new()));
            }
            if self.counts {
                self.rows[self.next_row].1.push(sample);
            }
            self.next_row += 1;
        }

        fn print(mut self, ticks_per_nanosecond: f64) {
            const COLUMNS: [&str; 5] = ["nanoseconds", "min", "ratio", "median", "ratio"];
            let [what, columns @ ..] = COLUMNS;
            print!("| {what:<42} |");
            columns.iter().for_each(|column| print!(" {column:>8} |"));
            print!("\n|{:-<44}|", "");
            columns.iter().for_each(|_| print!("{:->9}:|", ""));
            println!();
            let mut baseline = None;
            for (label, samples) in &mut self.rows {
                samples.sort_unstable();
                let values = [samples[0], samples[samples.len() / 2]]
                    .map(|ticks| ticks as f64 / ticks_per_nanosecond);
                let baseline = *baseline.get_or_insert(values);
                print!("| {label:<42} |");
                for (value, base) in values.into_iter().zip(baseline) {
                    print!(" {value:>8.0} | {:>8.2} |", value / base);
                }
                println!();
            }
        }
    }
}
