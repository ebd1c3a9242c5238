//! Question: what does it cost to leave a fiber and come back? Baseline: a signal that a thread
//! sends itself, with an empty handler. All variants take turns in one run, so that noise of the
//! machine hits all of them; each sample is the mean of a batch, the table shows the smallest and the
//! median sample.
//!
//! ```text
//! cargo run --release -p preempt-fiber --example switch_cost
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
    use preempt_fiber::{
        Backend, Builder, Leave, Machine, Pool, Suspended, inject_call, injecting, resume, start,
    };
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::SeqCst};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::thread;
    use std::time::Instant;

    const ROUNDS: usize = 200;

    pub(super) fn main() {
        install_handlers();
        let mut runners = Vec::new();
        for (name, backend, syscall) in [
            ("user, wrfsbase", Backend::User, false),
            ("user, arch_prctl", Backend::User, true),
            ("kernel", Backend::Kernel, false),
        ] {
            runners.push((name, Runner::new(backend, syscall)));
        }
        let mut table = Vec::new();
        for round in 0..=ROUNDS {
            let mut column = 0;
            let mut note = |label: String, nanoseconds: f64| {
                if table.len() <= column {
                    table.push((label, Vec::new()));
                }
                if round > 0 {
                    table[column].1.push(nanoseconds);
                }
                column += 1;
            };
            note("signal to self, empty handler".into(), measure(500, || raise(libc::SIGUSR1)));
            for (name, runner) in &runners {
                for (what, job) in JOBS {
                    note(format!("{what}, {name}"), runner.run(job));
                }
            }
        }
        print(&mut table);
    }

    fn print(table: &mut [(String, Vec<f64>)]) {
        println!("| {:<66} | {:>10} | {:>10} |", "nanoseconds", "min", "median");
        println!("|{:-<68}|{:->11}:|{:->11}:|", "", "", "");
        for (label, samples) in table {
            samples.sort_by(f64::total_cmp);
            let (min, median) = (samples[0], samples[samples.len() / 2]);
            println!("| {label:<66} | {min:>10.1} | {median:>10.1} |");
        }
    }

    type Job = fn() -> f64;

    const JOBS: [(&str, Job); 4] = [
        ("resume and be resumed (2 switches)", || {
            measure(500, || resume(COMPANION.take(), |left| SUBJECT.put(left)))
        }),
        ("start a spare, which resumes at once (2 switches)", || measure(500, start_and_return)),
        ("signal to self, empty injected call", || measure(500, || raise(libc::SIGURG))),
        ("signal to self, injected resume and back", || measure(500, || raise(libc::SIGUSR2))),
    ];

    fn measure(batch: u32, mut operation: impl FnMut()) -> f64 {
        let begin = Instant::now();
        (0..batch).for_each(|_| operation());
        begin.elapsed().as_nanos() as f64 / f64::from(batch)
    }

    fn start_and_return() {
        // SAFETY: set before the first job, for the rest of the process.
        let pool = unsafe { POOL.load(SeqCst).as_ref().expect("a pool") };
        let spare = pool.take_spare().expect("a spare");
        start(spare, || Leave::Resume(SUBJECT.take()), |left| SUBJECT.put(left));
    }

    /// A machine whose first fiber does jobs, with another fiber to switch to.
    struct Runner {
        jobs: Sender<(Job, Arc<Pool>)>,
        results: Receiver<f64>,
        pool: Arc<Pool>,
    }

    static POOL: AtomicPtr<Pool> = AtomicPtr::new(std::ptr::null_mut());
    static STOP: AtomicBool = AtomicBool::new(false);
    static SUBJECT: Slot = Slot(Mutex::new(None));
    static COMPANION: Slot = Slot(Mutex::new(None));

    struct Slot(Mutex<Option<Suspended>>);

    impl Slot {
        fn put(&self, fiber: Suspended) {
            *self.0.lock().unwrap() = Some(fiber);
        }

        fn take(&self) -> Suspended {
            self.0.lock().unwrap().take().expect("a fiber")
        }
    }

    impl Runner {
        fn new(backend: Backend, syscall: bool) -> Self {
            let builder = Builder::new().backend(backend).force_fs_syscall(syscall);
            let pool = Arc::new(builder.build().expect("a pool"));
            pool.prepare(3).expect("fibers");
            let (jobs, receiver) = channel::<(Job, Arc<Pool>)>();
            let (sender, results) = channel();
            let (first, second) = (pool.take_spare().unwrap(), pool.take_spare().unwrap());
            let companion = Mutex::new(Some(second));
            thread::spawn(move || {
                let work = move || {
                    let second = companion.into_inner().unwrap().expect("taken once");
                    start(second, companion_loop, |left| SUBJECT.put(left));
                    let mine = COMPANION.take();
                    let mut mine = Some(mine);
                    for (job, pool) in receiver {
                        COMPANION.put(mine.take().expect("put back below"));
                        POOL.store(Arc::as_ptr(&pool).cast_mut(), SeqCst);
                        let result = job();
                        mine = Some(COMPANION.take());
                        sender.send(result).unwrap();
                    }
                    Leave::Exit
                };
                Machine::new(0).run(first, work).expect("a machine");
            });
            Runner { jobs, results, pool }
        }

        fn run(&self, job: Job) -> f64 {
            self.jobs.send((job, Arc::clone(&self.pool))).unwrap();
            self.results.recv().unwrap()
        }
    }

    fn companion_loop() -> Leave {
        while !STOP.load(SeqCst) {
            resume(SUBJECT.take(), |left| COMPANION.put(left));
        }
        Leave::Exit
    }

    fn raise(signal: i32) {
        // SAFETY: a signal that has a handler, to the calling kernel thread.
        unsafe {
            let thread = libc::syscall(libc::SYS_gettid);
            libc::syscall(libc::SYS_tgkill, PROCESS.load(SeqCst), thread, signal);
        }
    }

    static PROCESS: AtomicU64 = AtomicU64::new(0);

    fn install_handlers() {
        PROCESS.store(u64::from(std::process::id()), SeqCst);
        for (signal, handler) in [
            (libc::SIGUSR1, nothing as *const ()),
            (libc::SIGURG, inject_nothing as *const ()),
            (libc::SIGUSR2, inject_resume as *const ()),
        ] {
            // SAFETY: handlers with the signature that SA_SIGINFO asks for.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
                assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
            }
        }
    }

    type Context = *mut libc::c_void;

    extern "C" fn nothing(_: i32, _: *mut libc::siginfo_t, _: Context) {}

    extern "C" fn inject_nothing(_: i32, _: *mut libc::siginfo_t, context: Context) {
        extern "C" fn empty(_: *mut ()) {}
        assert!(!injecting());
        // SAFETY: the code that sends the signal, in `syscall`, holds no lock and has a deep stack.
        unsafe { inject_call(context.cast(), empty, std::ptr::null_mut()) };
    }

    extern "C" fn inject_resume(_: i32, _: *mut libc::siginfo_t, context: Context) {
        extern "C" fn visit(_: *mut ()) {
            resume(COMPANION.take(), |left| SUBJECT.put(left));
        }
        assert!(!injecting());
        // SAFETY: as above.
        unsafe { inject_call(context.cast(), visit, std::ptr::null_mut()) };
    }
}
