//! The kinds of work. Each is a function of its seed alone, though it may use whatever a thread
//! has: thread-locals, locks, the allocator, the unwinder, control registers.

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::hint::black_box;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

/// One kind of work.
pub(crate) struct Workload {
    /// What `--only` takes.
    pub(crate) name: &'static str,
    /// The work.
    pub(crate) run: fn(u64) -> u64,
}

impl Workload {
    /// Where it stands in [`WORKLOADS`].
    pub(crate) fn name_index(&self) -> usize {
        WORKLOADS.iter().position(|other| other.name == self.name).expect("it is one of them")
    }
}

/// All kinds.
pub(crate) static WORKLOADS: &[Workload] = &[
    Workload { name: "integer", run: integer },
    Workload { name: "carry", run: carry },
    Workload { name: "float", run: float },
    Workload { name: "vector", run: vector },
    Workload { name: "avx2", run: avx2 },
    Workload { name: "avx512", run: avx512 },
    Workload { name: "memcpy", run: memcpy },
    Workload { name: "strings", run: strings },
    Workload { name: "maps", run: maps },
    Workload { name: "tls_refcell", run: tls_refcell },
    Workload { name: "tls_scoped", run: tls_scoped },
    Workload { name: "thread_rng", run: thread_rng },
    Workload { name: "thread_identity", run: thread_identity },
    Workload { name: "pipe", run: pipe },
    Workload { name: "panics", run: panics },
    Workload { name: "backtraces", run: backtraces },
    Workload { name: "recursion", run: recursion },
    Workload { name: "std_mutex", run: std_mutex },
    Workload { name: "parking_lot_mutex", run: parking_lot_mutex },
    Workload { name: "mxcsr", run: mxcsr },
    Workload { name: "threads", run: threads },
    Workload { name: "checkpoints", run: checkpoints },
    Workload { name: "no_preempt", run: no_preempt },
];

const PURPOSE: &str = "torture: on purpose";

/// Keeps the panics of [`panics`] off the screen.
pub(crate) fn silence_intended_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if !text.is_some_and(|text| text.starts_with(PURPOSE)) {
            usual(info);
        }
    }));
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

fn integer(seed: u64) -> u64 {
    let mut state = seeded(seed);
    (0..200_000).fold(0, |sum: u64, _| sum.rotate_left(5).wrapping_add(mix(&mut state) / 3))
}

/// Chains of carries and comparisons: lives in the flags.
fn carry(seed: u64) -> u64 {
    let mut number = [seeded(seed); 16];
    for round in 0..10_000_u64 {
        let mut carry = round;
        for digit in &mut number {
            let (sum, over) = digit.overflowing_add(carry);
            *digit = sum.rotate_left(1);
            carry = u64::from(over) + (sum & 0xff);
        }
    }
    number.iter().fold(0, |sum, digit| sum ^ digit)
}

fn float(seed: u64) -> u64 {
    let mut x = 1.0 + seed as f64 / 7.0;
    for _ in 0..20_000 {
        x = (x.sin() * 3.0 + x.sqrt()).abs() + (x + 1.0).ln();
    }
    x.to_bits()
}

#[inline(always)]
fn dot(seed: u64) -> u64 {
    let a: Vec<f32> = (0..4096).map(|i| ((i as u64 * 7 + seed) % 13) as f32).collect();
    let b: Vec<f32> = (0..4096).map(|i| ((i as u64 * 5 + seed) % 11) as f32).collect();
    let mut sums = [0_f32; 64];
    for _ in 0..100 {
        for (x, y) in a.chunks_exact(64).zip(b.chunks_exact(64)) {
            for lane in 0..64 {
                sums[lane] = sums[lane] * 0.5 + x[lane] * y[lane];
            }
        }
    }
    sums.iter().fold(0, |all, sum| all.rotate_left(3) ^ u64::from(sum.to_bits()))
}

fn vector(seed: u64) -> u64 {
    dot(seed)
}

#[cfg(target_arch = "x86_64")]
fn avx2(seed: u64) -> u64 {
    #[target_feature(enable = "avx2,fma")]
    fn wide(seed: u64) -> u64 {
        dot(seed)
    }
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return 0;
    }
    // SAFETY: the processor has what the function uses.
    unsafe { wide(seed) }
}

#[cfg(target_arch = "x86_64")]
fn avx512(seed: u64) -> u64 {
    #[target_feature(enable = "avx512f,avx512vl,avx512bw")]
    fn wider(seed: u64) -> u64 {
        let mut state = seeded(seed);
        let data: Vec<u32> = (0..4096).map(|_| mix(&mut state) as u32).collect();
        let masked = |limit: u32| {
            let chosen = data.iter().map(|&x| if x > limit { x ^ limit } else { limit >> 1 });
            chosen.fold(0_u32, u32::wrapping_add)
        };
        (0..200).fold(dot(seed), |sum, i| sum.rotate_left(1) ^ u64::from(masked(i * 20_000_000)))
    }
    let needed = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw");
    if !needed {
        return 0;
    }
    // SAFETY: the processor has what the function uses.
    unsafe { wider(seed) }
}

#[cfg(not(target_arch = "x86_64"))]
fn avx2(seed: u64) -> u64 {
    dot(seed)
}

#[cfg(not(target_arch = "x86_64"))]
fn avx512(seed: u64) -> u64 {
    dot(seed)
}

fn memcpy(seed: u64) -> u64 {
    let mut state = seeded(seed);
    let mut bytes: Vec<u8> = (0..1 << 16).map(|_| mix(&mut state) as u8).collect();
    for _ in 0..200 {
        let from = mix(&mut state) as usize % 30_000;
        let length = mix(&mut state) as usize % 20_000;
        let to = mix(&mut state) as usize % 40_000;
        bytes.copy_within(from..from + length, to);
        bytes[to..].rotate_left(1);
    }
    checksum(&bytes)
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn strings(seed: u64) -> u64 {
    let mut parts = Vec::new();
    for i in 0..400_u64 {
        let mut text = String::new();
        write!(text, "{}-{:x}-{:?}", i, i * seed, (i as f64).sqrt()).expect("strings grow");
        parts.push(text.repeat((i % 5) as usize));
    }
    parts.sort();
    checksum(parts.concat().as_bytes())
}

fn maps(seed: u64) -> u64 {
    let mut state = seeded(seed);
    let mut map: HashMap<u64, Box<[u64]>, BuildHasherDefault<DefaultHasher>> = HashMap::default();
    let mut tree = BTreeMap::new();
    for i in 0..3_000 {
        let key = mix(&mut state) % 1_000;
        map.insert(key, vec![i; (key % 17) as usize].into_boxed_slice());
        tree.insert(key ^ i, i);
        if i % 3 == 0 {
            map.remove(&(key / 2));
            tree.remove(&key);
        }
    }
    let of_map = map.iter().fold(0, |sum: u64, (key, value)| {
        sum.wrapping_add(map.hasher().hash_one((key, value.len())))
    });
    tree.into_iter().fold(of_map, |sum, (key, value)| sum.rotate_left(1) ^ key ^ value)
}

thread_local! {
    static SHELF: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static SCOPE: Cell<*const u64> = const { Cell::new(std::ptr::null()) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Holds a thread-local's `RefCell` for long: another task on the same "thread" would panic.
fn tls_refcell(seed: u64) -> u64 {
    SHELF.with(|shelf| {
        let mut shelf = shelf.borrow_mut();
        shelf.clear();
        let mut state = seeded(seed);
        for _ in 0..50_000 {
            let next = mix(&mut state);
            if next.is_multiple_of(100) {
                shelf.push(next);
            }
        }
        shelf.iter().fold(0, |sum, value| sum ^ value)
    })
}

/// A pointer into the stack, in a thread-local, for the time of a call.
fn tls_scoped(seed: u64) -> u64 {
    fn inner(level: u32) -> u64 {
        // SAFETY: set by the callers below, whose frames outlive this one.
        let outer = unsafe { *SCOPE.get() };
        if level == 0 {
            return outer;
        }
        let mine = outer.wrapping_mul(31).wrapping_add(u64::from(level));
        let previous = SCOPE.replace(&raw const mine);
        DEPTH.set(DEPTH.get() + 1);
        let deep = (0..3).fold(0, |sum: u64, _| sum.wrapping_add(inner(level - 1)));
        DEPTH.set(DEPTH.get() - 1);
        assert_eq!(SCOPE.replace(previous), &raw const mine, "another task's scope");
        deep ^ mine
    }
    let root = seeded(seed);
    let previous = SCOPE.replace(&raw const root);
    let result = inner(9);
    SCOPE.set(previous);
    result.wrapping_add(u64::from(DEPTH.get()))
}

/// The generator of the thread: the numbers differ, what is checked is that they are numbers.
fn thread_rng(_seed: u64) -> u64 {
    use rand::RngExt as _;
    let mut rng = rand::rng();
    let outside = (0..20_000).filter(|_| !(10..20).contains(&rng.random_range(10..20_u32)));
    outside.count() as u64
}

/// To itself a task is on one thread from the beginning of its work to the end.
fn thread_identity(seed: u64) -> u64 {
    let before =
        (thread::current().id(), &raw const *SHELF.with(|shelf| shelf as *const _ as *const u8));
    let work = integer(seed);
    let after =
        (thread::current().id(), &raw const *SHELF.with(|shelf| shelf as *const _ as *const u8));
    work.wrapping_add(u64::from(before != after))
}

fn pipe(seed: u64) -> u64 {
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut read_back = String::new();
    for i in 0..50 {
        writeln!(writer, "{seed}:{i}:{:>8.3}", f64::from(i) / 3.0).expect("a pipe has room");
    }
    drop(writer);
    reader.read_to_string(&mut read_back).expect("it is text");
    checksum(read_back.as_bytes())
}

fn panics(seed: u64) -> u64 {
    fn fall(level: u64) -> u64 {
        struct Count<'a>(&'a Cell<u64>);
        impl Drop for Count<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let dropped = Cell::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _first = Count(&dropped);
            if level == 0 {
                panic!("{PURPOSE} {}", black_box(7));
            }
            let _second = Count(&dropped);
            panic!("{PURPOSE} {}", fall(level - 1));
        }));
        let payload = caught.expect_err("it panics");
        let text = payload.downcast_ref::<String>().expect("with a text");
        checksum(text.as_bytes()).wrapping_add(dropped.get())
    }
    (0..10).fold(0, |sum: u64, i| sum.rotate_left(1) ^ fall((seed + i) % 5))
}

#[inline(never)]
fn backtraces(seed: u64) -> u64 {
    let trace = Backtrace::force_capture().to_string();
    // Without debug information in the file system the names are still those of the symbols.
    u64::from(trace.contains("backtraces")).wrapping_add(seed)
}

fn recursion(seed: u64) -> u64 {
    fn ackermann(m: u64, n: u64) -> u64 {
        match (m, n) {
            (0, _) => n + 1,
            (_, 0) => ackermann(m - 1, 1),
            _ => ackermann(m - 1, ackermann(m, n - 1)),
        }
    }
    ackermann(2, 60 + seed) ^ ackermann(3, 4)
}

/// Both halves change together under the lock, however often its holder is suspended.
fn std_mutex(seed: u64) -> u64 {
    static SHARED: Mutex<(u64, u64)> = Mutex::new((0, 0));
    let mut torn = 0;
    for _ in 0..20 {
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        torn += u64::from(shared.0 != shared.1);
        shared.0 += 1;
        black_box(integer(seed));
        shared.1 += 1;
    }
    torn
}

fn parking_lot_mutex(seed: u64) -> u64 {
    static SHARED: parking_lot::Mutex<(u64, u64)> = parking_lot::const_mutex((0, 0));
    let mut torn = 0;
    for _ in 0..20 {
        let mut shared = SHARED.lock();
        torn += u64::from(shared.0 != shared.1);
        shared.0 += 1;
        black_box(carry(seed));
        shared.1 += 1;
    }
    torn
}

/// Computes with another rounding mode, which belongs to the poll and not to the processor.
#[cfg(target_arch = "x86_64")]
fn mxcsr(seed: u64) -> u64 {
    use std::arch::asm;
    const ROUND_TO_ZERO: u32 = 0x6000;
    fn read() -> u32 {
        let mut value = 0_u32;
        // SAFETY: stores the register.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
        value
    }
    fn write(value: u32) {
        // SAFETY: a valid value, put back before Rust code depends on it.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack)) };
    }
    fn divide(a: f64, b: f64) -> f64 {
        let quotient: f64;
        // SAFETY: divides two numbers, in whatever mode is set.
        unsafe {
            asm!("divsd {0}, {1}", inout(xmm_reg) a => quotient, in(xmm_reg) b, options(nostack));
        }
        quotient
    }
    let usual = read();
    write(usual | ROUND_TO_ZERO);
    let mut sum = 0_u64;
    for i in 1..20_000_u64 {
        sum = sum.rotate_left(1) ^ divide((seed + i) as f64, 3.0).to_bits();
    }
    let kept = read() & 0x6000 == ROUND_TO_ZERO;
    write(usual);
    sum.wrapping_add(u64::from(kept))
}

#[cfg(not(target_arch = "x86_64"))]
fn mxcsr(seed: u64) -> u64 {
    float(seed)
}

fn threads(seed: u64) -> u64 {
    let handle = thread::spawn(move || integer(seed));
    let here = carry(seed);
    handle.join().expect("it does not panic") ^ here
}

fn checkpoints(seed: u64) -> u64 {
    let mut state = seeded(seed);
    (0..50_000).fold(0, |sum: u64, _| {
        preempt::checkpoint();
        sum.rotate_left(5).wrapping_add(mix(&mut state))
    })
}

fn no_preempt(seed: u64) -> u64 {
    let inside = preempt::no_preempt(|| carry(seed));
    inside ^ float(seed)
}
