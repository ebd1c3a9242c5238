//! Tasks that do little but allocate, suspended as often as possible; shared by the `alloc_*` tests.
//!
//! Each kind of work is a function of its seed. None of them has an await or a checkpoint, so every
//! switch is a forced one. The results are compared with those of the same functions before there
//! was a runtime: an allocator that gives a block out twice, or loses what was in it, is found by
//! the checksums, and one whose lock is never released again by the time limit.

use preempt::runtime::{Backend, Builder, Handle, RuntimeMetrics};
use preempt::task::JoinSet;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How a torment is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Torment {
    pub(crate) workers: usize,
    pub(crate) slice_us: u64,
    pub(crate) backend: Backend,
}

/// How long tasks are tormented at least.
const SHORTEST: Duration = Duration::from_millis(800);
/// And at most, until polls have been suspended, and left alone in the allocator.
const LONGEST: Duration = Duration::from_secs(30);
/// How long the tasks may take to end after that: ten times what is usual on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const KINDS: [fn(u64) -> u64; 6] = [maps, strings, growth, sizes, exchange, threads];
const SEEDS: u64 = 8;
const TASKS_PER_KIND: u64 = 2;

/// Runs all kinds of work and compares the results; returns the counts of the runtime.
///
/// # Panics
/// If a result is wrong, if no poll was suspended, or if the tasks do not end.
pub(crate) fn torment(setup: Torment) -> RuntimeMetrics {
    // One at a time, so that the tests of a program do not take each other's processors.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let expected: Vec<Vec<u64>> = KINDS.iter().map(|kind| (0..SEEDS).map(kind).collect()).collect();
    let runtime = Builder::new_multi_thread()
        .worker_threads(setup.workers)
        .time_slice(Duration::from_micros(setup.slice_us))
        .backend(setup.backend)
        .build()
        .expect("the runtime starts");
    let watchdog = Watchdog::start(LONGEST + PATIENCE, runtime.handle().clone());
    let plan = Arc::new(Plan {
        expected,
        stop: AtomicBool::new(false),
        checked: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
    });
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for kind in 0..KINDS.len() {
            for task in 0..TASKS_PER_KIND {
                tasks.spawn(work(kind, task, plan.clone()));
            }
        }
        let start = Instant::now();
        let is_enough = |metrics: &RuntimeMetrics| {
            metrics.detaches > 100 && metrics.refusals.no_preempt > 0 || start.elapsed() > LONGEST
        };
        while start.elapsed() < SHORTEST || !is_enough(&runtime.metrics()) {
            // Keeps timers and wake-ups going between the hogs, which allocate as well.
            preempt::time::sleep(Duration::from_millis(3)).await;
        }
        plan.stop.store(true, Relaxed);
        tasks.join_all().await;
    });
    let metrics = runtime.metrics();
    watchdog.stop();
    let (checked, wrong) = (plan.checked.load(Relaxed), plan.wrong.load(Relaxed));
    println!("{setup:?}: {checked} checked, {wrong} wrong; {metrics:?}");
    assert_eq!(wrong, 0, "of {checked} with {setup:?}");
    assert!(metrics.detaches > 0, "nothing was suspended: {metrics:?}");
    metrics
}

struct Plan {
    /// By kind and seed.
    expected: Vec<Vec<u64>>,
    stop: AtomicBool,
    checked: AtomicU64,
    wrong: AtomicU64,
}

async fn work(kind: usize, start: u64, plan: Arc<Plan>) {
    let mut turn = start;
    while !plan.stop.load(Relaxed) {
        let seed = turn % SEEDS;
        let found = KINDS[kind](seed);
        plan.checked.fetch_add(1, Relaxed);
        let is_right = found == plan.expected[kind][seed as usize];
        plan.wrong.fetch_add(u64::from(!is_right), Relaxed);
        turn += 1;
        if turn.is_multiple_of(8) {
            preempt::task::yield_now().await;
        }
    }
}

/// Ends the process if tasks wait for each other for ever. What it prints then may be nothing, if
/// they wait in the allocator.
struct Watchdog {
    stopped: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Watchdog {
    fn start(limit: Duration, handle: Handle) -> Watchdog {
        let stopped = Arc::new(AtomicBool::new(false));
        let theirs = stopped.clone();
        let deadline = Instant::now() + limit;
        let thread = thread::spawn(move || {
            while !theirs.load(Relaxed) {
                if Instant::now() > deadline {
                    // Not by a panic, so that a debugger finds the threads as they are.
                    thread::spawn(move || eprintln!("still at work: {:?}", handle.metrics()));
                    thread::sleep(Duration::from_secs(1));
                    std::process::abort();
                }
                thread::park_timeout(Duration::from_millis(100));
            }
        });
        Watchdog { stopped, thread }
    }

    fn stop(self) {
        self.stopped.store(true, Relaxed);
        self.thread.thread().unpark();
        self.thread.join().expect("it does not panic");
    }
}

/// Runs an ignored test of this program in a process of its own.
pub(crate) fn run_alone(test: &str) -> Output {
    Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", "--ignored", "--nocapture", "--test-threads=1", test])
        .output()
        .expect("this program runs")
}

/// Whether a process was warned that its allocator is not wrapped. Once, if at all.
pub(crate) fn was_warned(output: &Output) -> bool {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{}", String::from_utf8_lossy(&output.stdout));
    let warnings = stderr.matches("preempt::alloc::NoPreempt").count();
    assert!(warnings <= 1, "{stderr}");
    warnings == 1
}

/// Builds runtimes while other threads allocate. What it prints is for [`was_warned`].
pub(crate) fn build_runtimes_beside_busy_threads() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let busy = |seed| {
        move || {
            while !STOP.load(Relaxed) {
                maps(seed);
            }
        }
    };
    let threads: Vec<_> = (0..4).map(|seed| thread::spawn(busy(seed))).collect();
    for _ in 0..5 {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("it starts");
        let task = runtime.spawn(async { 7 });
        assert_eq!(runtime.block_on(task).expect("it ends"), 7);
    }
    STOP.store(true, Relaxed);
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
}

fn mix(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn seeded(seed: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn maps(seed: u64) -> u64 {
    let mut state = seeded(seed);
    let mut map: HashMap<u64, Box<[u64]>, BuildHasherDefault<DefaultHasher>> = HashMap::default();
    let mut tree = BTreeMap::new();
    for i in 0..600 {
        let key = mix(&mut state) % 300;
        map.insert(key, vec![i; (key % 37) as usize].into_boxed_slice());
        tree.insert(key ^ i, Box::new(i));
        if i % 3 == 0 {
            map.remove(&(key / 2));
            tree.remove(&key);
        }
    }
    let of_map = map
        .iter()
        .fold(0, |sum: u64, (key, value)| sum.wrapping_add(map.hasher().hash_one((key, value))));
    tree.into_iter().fold(of_map, |sum, (key, value)| sum.rotate_left(1) ^ key ^ *value)
}

fn strings(seed: u64) -> u64 {
    let mut parts = Vec::new();
    for i in 0..150_u64 {
        let mut text = String::new();
        write!(text, "{i}-{:x}-{:?}", i * seed, (i as f64).sqrt()).expect("strings grow");
        parts.push(text.repeat((i % 9) as usize));
    }
    parts.sort();
    checksum(parts.concat().as_bytes())
}

/// Storms of `realloc`: blocks of all sizes that grow and shrink beside each other.
fn growth(seed: u64) -> u64 {
    let mut state = seeded(seed);
    let mut blocks: Vec<Vec<u64>> = (0..24).map(|_| Vec::new()).collect();
    for _ in 0..4_000 {
        let next = mix(&mut state);
        let block = &mut blocks[(next % 24) as usize];
        block.push(next);
        if next.is_multiple_of(11) {
            block.truncate(block.len() / 2);
            block.shrink_to_fit();
        }
    }
    blocks.iter().flatten().fold(0, |sum: u64, value| sum.rotate_left(3) ^ value)
}

/// Small and huge, zeroed and not, aligned and not.
fn sizes(seed: u64) -> u64 {
    #[derive(Clone)]
    #[repr(align(256))]
    struct Aligned([u64; 4]);

    let mut state = seeded(seed);
    let mut sum = 0_u64;
    for round in 0..60_u64 {
        let exponent = mix(&mut state) % 20;
        let zeroed = vec![0_u8; 1 << exponent];
        sum += zeroed.iter().step_by(509).map(|&byte| u64::from(byte)).sum::<u64>();
        let filled = vec![round as u8 | 1; 3 << (exponent / 2)];
        let aligned = vec![Aligned([round; 4]); 3];
        let is_aligned = aligned.as_ptr().addr().is_multiple_of(256);
        drop(zeroed);
        sum = sum.rotate_left(5) ^ checksum(&filled) ^ u64::from(is_aligned);
        sum ^= aligned.iter().flat_map(|each| each.0).sum::<u64>();
    }
    sum
}

/// Frees what others have allocated, on whatever thread they were: blocks change hands over a
/// shelf, and tell by themselves what they should contain.
fn exchange(seed: u64) -> u64 {
    static SHELF: Mutex<Vec<(u64, Vec<u8>)>> = Mutex::new(Vec::new());
    let mut state = seeded(seed);
    let mut damaged = 0;
    for _ in 0..200 {
        let length = mix(&mut state) % 3_000;
        let block: Vec<u8> = (0..length).map(|_| mix(&mut state) as u8).collect();
        let put = (checksum(&block), block);
        let mut shelf = SHELF.lock().expect("nobody panics");
        shelf.push(put);
        let place = mix(&mut state) as usize % shelf.len();
        let taken = (shelf.len() > 50).then(|| shelf.swap_remove(place));
        drop(shelf);
        if let Some((sum, block)) = taken {
            damaged += u64::from(sum != checksum(&block));
        }
    }
    damaged
}

/// A thread has a heap of its own, made and given up here, and its blocks outlive it.
fn threads(seed: u64) -> u64 {
    let thread = thread::spawn(move || (maps(seed), vec![seed; 300]));
    let here = strings(seed);
    let (there, block) = thread.join().expect("it does not panic");
    block.into_iter().fold(here ^ there, |sum, value| sum.rotate_left(1) ^ value)
}
