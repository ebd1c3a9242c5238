//! The functions that are stepped through. Each returns a digest of what it computed, which depends on
//! nothing but its code.

use std::arch::x86_64::*;
use std::arch::{asm, global_asm};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) run: fn() -> u64,
    pub(crate) available: fn() -> bool,
}

macro_rules! subjects {
    ($($name:ident $(if $feature:tt)?),* $(,)?) => {
        pub(crate) const SUBJECTS: &[Subject] = &[$(Subject {
            name: stringify!($name),
            run: $name,
            available: || true $(&& is_x86_feature_detected!($feature))?,
        }),*];
    };
}

subjects! {
    integer_loop,
    float_loop,
    float_rounding_changed,
    divisions,
    carry_chain,
    every_flag,
    direction_flag,
    red_zone_leaf,
    red_zone_compiled,
    x87_stack,
    x87_control_changed,
    sse_explicit,
    avx2_vectorised if "avx2",
    avx2_explicit if "avx2",
    avx512_vectorised if "avx512f",
    avx512_masks if "avx512f",
    copies,
    rep_movsb,
    rep_scasb,
    atomics,
    compare_and_swap_loop,
    strings,
    vectors,
    hash_map,
    btree_map,
    recursion,
    prologue_and_epilogue,
    large_frame,
    dynamic_calls,
    panic_caught,
    panic_with_message,
    drops_during_unwinding,
    thread_locals,
    mutexes,
    system_call,
    libc_calls,
    formatting,
    sorting,
    jump_table,
}

fn mix(a: u64, b: u64) -> u64 {
    (a ^ b).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}

fn integer_loop() -> u64 {
    (0..black_box(30u64)).fold(1, |sum, i| mix(sum, i * i))
}

fn float_loop() -> u64 {
    (1..black_box(30)).map(|i| (f64::from(i) * 1.5).sqrt() / 3.7).sum::<f64>().to_bits()
}

/// MXCSR rounds up within: injected code must neither see that nor lose it.
fn float_rounding_changed() -> u64 {
    let (mut before, up) = (0u32, 0x5f80u32);
    // SAFETY: stores and loads the control register; it is put back below.
    unsafe { asm!("stmxcsr [{}]", "ldmxcsr [{}]", in(reg) &raw mut before, in(reg) &raw const up) };
    let mut sum = black_box(0.0f64);
    for i in 1..black_box(20) {
        sum = black_box(sum + black_box(1.0) / f64::from(i));
    }
    let mut after = 0u32;
    // SAFETY: as above.
    unsafe {
        asm!("stmxcsr [{}]", "ldmxcsr [{}]", in(reg) &raw mut after, in(reg) &raw const before)
    };
    mix(sum.to_bits(), u64::from(after))
}

fn divisions() -> u64 {
    let mut sum = 0u64;
    for i in 1..black_box(12u64) {
        sum = mix(sum, (u64::MAX / i) ^ (i128::from(sum as i64) % i128::from(i)) as u64);
    }
    sum
}

fn carry_chain() -> u64 {
    let (mut a, mut b, mut c, mut d) = (u64::MAX, u64::MAX, u64::MAX - 1, 5u64);
    for i in 0..black_box(20u64) {
        // SAFETY: arithmetic on declared registers.
        unsafe {
            asm!(
                "add {a}, {i}", "adc {b}, {i}", "adc {c}, -1", "adc {d}, 0",
                "sbb {a}, {d}", "rcl {b}, 1", "rcr {c}, 3", "adc {d}, {a}",
                a = inout(reg) a, b = inout(reg) b, c = inout(reg) c, d = inout(reg) d, i = in(reg) i,
            );
        }
    }
    mix(mix(a, b), mix(c, d))
}

/// All arithmetic flags, read by instructions that are far from the ones that set them.
fn every_flag() -> u64 {
    let mut sum = 0u64;
    for i in [0i64, 1, -1, i64::MAX, i64::MIN, 127, 128] {
        let (flags, rest): (u64, u64);
        // SAFETY: computes on declared registers.
        unsafe {
            asm!(
                "cmp {i}, 1", "nop", "nop", "seto {t:l}", "nop", "setb {t:h}", "nop", "lahf",
                "nop", "sahf", "nop", "adc {f}, {f}", "nop", "sbb {f}, 7", "nop", "cmovs {f}, {i}",
                i = in(reg) i, t = out(reg_abcd) rest, f = inout(reg) i.rotate_left(9) as u64 => flags, out("rax") _,
            );
        }
        sum = mix(sum, flags) ^ mix(rest & 0xffff, 3);
    }
    sum
}

/// Copies downwards with DF set: the trampoline must clear it for its call and give it back.
fn direction_flag() -> u64 {
    let source: [u8; 24] = std::array::from_fn(|i| i as u8 * 3);
    let mut target = [0u8; 24];
    // SAFETY: 24 bytes from the last one downwards; DF is clear again at the end.
    unsafe {
        asm!(
            "std", "2:", "lodsb", "stosb", "dec rcx", "jnz 2b", "cld",
            inout("rsi") source.as_ptr().add(23) => _,
            inout("rdi") target.as_mut_ptr().add(23) => _,
            inout("rcx") 24u64 => _, out("al") _,
        );
    }
    target.iter().fold(0, |sum, &byte| mix(sum, u64::from(byte)))
}

// A leaf function that keeps everything in its red zone, to the last byte.
global_asm!(
    ".pushsection .text.red_zone,\"ax\",@progbits",
    ".type preempt_test_red_zone,@function",
    "preempt_test_red_zone:",
    ".cfi_startproc",
    "mov rcx, 16",
    "2:",
    "lea rax, [rdi + rcx]",
    "imul rax, rax",
    "neg rcx",
    "mov [rsp + rcx * 8], rax",
    "neg rcx",
    "dec rcx",
    "jnz 2b",
    "mov rcx, 16",
    "xor eax, eax",
    "3:",
    "neg rcx",
    "add rax, [rsp + rcx * 8]",
    "neg rcx",
    "rol rax, 7",
    "dec rcx",
    "jnz 3b",
    "ret",
    ".cfi_endproc",
    ".size preempt_test_red_zone, . - preempt_test_red_zone",
    ".popsection",
);

unsafe extern "C" {
    fn preempt_test_red_zone(seed: u64) -> u64;
}

fn red_zone_leaf() -> u64 {
    // SAFETY: computes on its argument.
    unsafe { preempt_test_red_zone(black_box(77)) }
}

fn red_zone_compiled() -> u64 {
    #[inline(never)]
    fn leaf(seed: u64) -> u64 {
        let mut cells = [seed; 12];
        for (i, cell) in cells.iter_mut().enumerate() {
            *cell = black_box(*cell + i as u64);
        }
        cells.iter().fold(0, |sum, &cell| sum.rotate_left(5) ^ cell)
    }
    leaf(black_box(99))
}

fn x87_stack() -> u64 {
    let mut result = 0.0f64;
    // SAFETY: uses and empties the x87 stack, all of which is declared; one store to the local.
    unsafe {
        asm!(
            "fldpi", "fld1", "fldl2e", "fldln2", "fldlg2", "fldl2t", "fld1", "fldpi",
            "fsqrt", "faddp", "fmulp", "fsin", "faddp", "fdivp", "fsubp", "fmulp", "faddp",
            "fstp qword ptr [{}]",
            in(reg) &raw mut result,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
        );
    }
    result.to_bits()
}

/// Single precision, rounding down, for the x87 unit.
fn x87_control_changed() -> u64 {
    let (control, mut before, mut after, mut result) = (0x047fu16, 0u16, 0u16, 0.0f64);
    // SAFETY: as above; the control word is put back.
    unsafe {
        asm!(
            "fnstcw [{before}]", "fldcw [{control}]",
            "fld1", "fldpi", "fdivp", "fsqrt", "fstp qword ptr [{result}]",
            "fnstcw [{after}]", "fldcw [{before}]",
            before = in(reg) &raw mut before, after = in(reg) &raw mut after,
            control = in(reg) &raw const control, result = in(reg) &raw mut result,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
        );
    }
    mix(result.to_bits(), u64::from(after))
}

fn sse_explicit() -> u64 {
    #[target_feature(enable = "sse2")]
    fn inner(rounds: i32) -> u64 {
        let mut sum = _mm_set1_epi32(rounds);
        for i in 0..rounds {
            let other = _mm_set_epi32(i, 2, i * i, 7);
            sum = _mm_add_epi32(_mm_shuffle_epi32::<0b01_00_11_10>(sum), other);
        }
        let (low, high) = (_mm_cvtsi128_si64(sum), _mm_cvtsi128_si64(_mm_unpackhi_epi64(sum, sum)));
        mix(low as u64, high as u64)
    }
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { inner(black_box(12)) }
}

fn avx2_vectorised() -> u64 {
    #[target_feature(enable = "avx2")]
    fn inner(values: &[u32; 16]) -> u64 {
        let mut squares = [0u32; 16];
        for (square, value) in squares.iter_mut().zip(values) {
            *square = value.wrapping_mul(*value) ^ 0x55;
        }
        squares.iter().map(|&square| u64::from(square)).sum()
    }
    let values = black_box(std::array::from_fn(|i| i as u32 * 77_777));
    // SAFETY: the subject runs only if the feature is there.
    unsafe { inner(&values) }
}

fn avx2_explicit() -> u64 {
    #[target_feature(enable = "avx2")]
    fn inner(rounds: i32) -> u64 {
        let mut a = _mm256_set1_epi32(rounds);
        let mut b = _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8);
        for _ in 0..rounds {
            a = _mm256_add_epi32(_mm256_mullo_epi32(a, b), b);
            b = _mm256_permutevar8x32_epi32(_mm256_xor_si256(a, b), a);
        }
        let mut lanes = [0u64; 4];
        // SAFETY: 32 bytes of a local.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), _mm256_add_epi64(a, b)) };
        lanes.iter().fold(0, |sum, &lane| mix(sum, lane))
    }
    // SAFETY: as above.
    unsafe { inner(black_box(8)) }
}

fn avx512_vectorised() -> u64 {
    #[target_feature(enable = "avx512f,avx512vl,avx512bw")]
    fn inner(values: &[f64; 16]) -> u64 {
        let mut results = [0.0f64; 16];
        for (result, value) in results.iter_mut().zip(values) {
            *result = value * value + 0.25;
        }
        results.iter().fold(0, |sum, result| mix(sum, result.to_bits()))
    }
    let values = black_box(std::array::from_fn(|i| i as f64 / 7.0));
    // SAFETY: as above.
    unsafe { inner(&values) }
}

/// Registers beyond the sixteenth and the mask registers, which only XSAVE knows.
fn avx512_masks() -> u64 {
    #[target_feature(enable = "avx512f")]
    fn inner(seed: u32) -> u64 {
        let (mut sum, mask): (u64, u64);
        // SAFETY: all vector and mask registers are declared.
        unsafe {
            asm!(
                "vpbroadcastd zmm16, esi", "vpbroadcastd zmm31, esi",
                "mov edx, 0xa5c3", "kmovw k3, edx", "knotw k5, k3",
                "vpaddd zmm16{{k3}}, zmm16, zmm31", "vpslld zmm20{{k5}}{{z}}, zmm16, 3",
                "vpxord zmm25, zmm20, zmm16", "vpcmpgtd k7, zmm25, zmm31",
                "vprold zmm31, zmm25, 11", "vpaddd zmm0, zmm31, zmm20",
                "vextracti64x4 ymm1, zmm0, 1", "vpaddd ymm0, ymm0, ymm1",
                "vextracti128 xmm1, ymm0, 1", "vpaddd xmm0, xmm0, xmm1", "vmovq rdi, xmm0",
                "kmovw edx, k7", "vzeroupper",
                in("esi") seed, out("rdi") sum, out("rdx") mask,
                clobber_abi("sysv64"),
            );
        }
        sum = mix(sum, mask);
        sum
    }
    // SAFETY: as above.
    unsafe { inner(black_box(123_457)) }
}

fn copies() -> u64 {
    let source: Vec<u8> = (0..black_box(90)).map(|i| (i * 7 % 251) as u8).collect();
    let mut target = source.clone();
    target.copy_within(10..60, 7);
    target[70..].fill(9);
    u64::from(target == source) + target.iter().step_by(7).map(|&byte| u64::from(byte)).sum::<u64>()
}

fn rep_movsb() -> u64 {
    let source: [u8; 40] = std::array::from_fn(|i| i as u8);
    let mut target = [0u8; 40];
    // SAFETY: 40 bytes from one local to the other.
    unsafe {
        asm!(
            "rep movsb",
            inout("rsi") source.as_ptr() => _, inout("rdi") target.as_mut_ptr() => _,
            inout("rcx") 40u64 => _,
        );
    }
    target.iter().fold(0, |sum, &byte| mix(sum, u64::from(byte)))
}

fn rep_scasb() -> u64 {
    let text = *b"no byte of this text is the one that is looked for until here: #.";
    let mut left = text.len() as u64;
    // SAFETY: reads within the local.
    unsafe {
        asm!("repne scasb", inout("rdi") text.as_ptr() => _, inout("rcx") left, in("al") b'#');
    }
    left
}

fn atomics() -> u64 {
    let cell = AtomicU64::new(7);
    (0..black_box(10u64))
        .map(|i| {
            cell.fetch_add(i, SeqCst) ^ cell.swap(i * 3, SeqCst) ^ cell.fetch_or(i << 8, SeqCst)
        })
        .fold(0, mix)
}

fn compare_and_swap_loop() -> u64 {
    let cell = AtomicU64::new(1);
    for i in 0..black_box(10u64) {
        let step = |value: u64| (value % 3 != 5).then(|| mix(value, i));
        let _ = cell.fetch_update(SeqCst, SeqCst, step);
    }
    cell.into_inner()
}

fn strings() -> u64 {
    let mut text = String::new();
    for i in 0..black_box(4u32) {
        text.push_str(&i.to_string());
        text.insert(0, 'ß');
    }
    let upper = text.to_uppercase();
    upper.bytes().fold(upper.len() as u64, |sum, byte| mix(sum, u64::from(byte)))
}

fn vectors() -> u64 {
    let mut rows: Vec<Vec<u64>> = Vec::new();
    for i in 0..black_box(4u64) {
        rows.push((0..i).collect());
        rows.swap_remove(0);
        rows.push(vec![i; 5]);
    }
    rows.iter().flatten().fold(0, |sum, &value| mix(sum, value))
}

fn hash_map() -> u64 {
    let mut map = HashMap::new();
    for i in 0..black_box(5u64) {
        *map.entry(i % 7).or_insert(0) += mix(i, i);
        map.insert(i + 100, i);
    }
    map.iter().fold(0, |sum, (&key, &value)| sum ^ mix(key, value))
}

fn btree_map() -> u64 {
    let mut map: BTreeMap<u64, String> =
        (0..black_box(6)).map(|i| (mix(i, 1), "x".into())).collect();
    map.retain(|key, _| key % 3 != 0);
    map.iter().fold(0, |sum, (&key, value)| mix(sum, key + value.len() as u64))
}

fn recursion() -> u64 {
    #[inline(never)]
    fn fibonacci(n: u64) -> u64 {
        if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
    }
    fibonacci(black_box(8))
}

/// Small functions with many arguments: nothing but saving and restoring registers.
#[allow(clippy::too_many_arguments, reason = "two of them are passed on the stack")]
fn prologue_and_epilogue() -> u64 {
    #[inline(never)]
    fn outer(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64) -> u64 {
        let first = inner(b, a, d, c, f, e, h, g);
        let second = inner(h, g, f, e, d, c, b, a);
        first.rotate_left(9) ^ second ^ inner(a, c, e, g, b, d, f, h)
    }
    #[inline(never)]
    fn inner(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64, g: u64, h: u64) -> u64 {
        black_box(a * 3 + b * 5 + c * 7 + d * 11) ^ black_box(e * 13 + f * 17 + g * 19 + h * 23)
    }
    (0..black_box(6)).fold(0, |sum, i| mix(sum, outer(i, 2, 3, i + 4, 5, 6, 7, 8)))
}

/// More than a page of locals: the prologue probes the stack.
fn large_frame() -> u64 {
    #[inline(never)]
    fn deep(seed: u64) -> u64 {
        let block = black_box([seed; 700]);
        block[1] ^ block[699].rotate_left(3)
    }
    deep(black_box(5))
}

fn dynamic_calls() -> u64 {
    let steps: [Box<dyn Fn(u64) -> u64>; 3] =
        [Box::new(|x| x + 1), Box::new(|x| mix(x, 3)), Box::new(|x| x.count_ones().into())];
    (0..black_box(20usize)).fold(1, |value, i| steps[i % 3](value))
}

fn panic_caught() -> u64 {
    let caught = catch_unwind(|| {
        #[inline(never)]
        fn thrower(value: u64) {
            resume_unwind(Box::new(value));
        }
        thrower(black_box(41));
    });
    *caught.unwrap_err().downcast::<u64>().unwrap() + 1
}

fn panic_with_message() -> u64 {
    let caught = catch_unwind(|| {
        let numbers = black_box(vec![1, 2, 3]);
        numbers[black_box(5)]
    });
    let message = caught.unwrap_err().downcast::<String>().unwrap();
    message.bytes().fold(0, |sum, byte| mix(sum, u64::from(byte)))
}

fn drops_during_unwinding() -> u64 {
    struct Adds<'a>(&'a AtomicU64, u64);
    impl Drop for Adds<'_> {
        fn drop(&mut self) {
            self.0.store(mix(self.0.load(SeqCst), self.1), SeqCst);
        }
    }
    let sum = AtomicU64::new(0);
    let caught = catch_unwind(|| {
        let _first = Adds(&sum, 1);
        let _second = [Adds(&sum, 2), Adds(&sum, 3)];
        resume_unwind(Box::new(()));
    });
    mix(sum.into_inner(), u64::from(caught.is_err()))
}

fn thread_locals() -> u64 {
    thread_local! {
        static CELLS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }
    CELLS.with_borrow_mut(|cells| {
        cells.clear();
        cells.extend(0..black_box(20));
        cells.iter_mut().for_each(|cell| *cell = mix(*cell, 5));
    });
    CELLS.with_borrow(|cells| cells.iter().fold(0, |sum, &cell| mix(sum, cell)))
}

fn mutexes() -> u64 {
    let cell = Mutex::new(3u64);
    for i in 0..black_box(10) {
        let mut value = cell.lock().unwrap();
        *value = mix(*value, i);
    }
    cell.into_inner().unwrap()
}

fn system_call() -> u64 {
    let mut result = 0u64;
    for _ in 0..black_box(10) {
        let process: u64;
        // SAFETY: getpid has no arguments.
        unsafe {
            asm!("syscall", inout("rax") 39u64 => process, out("rcx") _, out("r11") _);
        }
        result += u64::from(process == u64::from(std::process::id()));
    }
    result
}

#[allow(clippy::strlen_on_c_strings, reason = "libc is to be called")]
fn libc_calls() -> u64 {
    // SAFETY: no arguments, a string with its end, and a closed file, for the sake of errno.
    unsafe {
        let length = libc::strlen(black_box(c"twenty-three characters").as_ptr());
        let failed = libc::close(black_box(-1));
        let errno = *libc::__errno_location();
        mix(length as u64, failed as u64) + errno as u64
    }
}

fn formatting() -> u64 {
    let text = format!("{:>8.3} {:#x} {:?}", black_box(3.25f64), black_box(77u64), Some("quoted"));
    text.bytes().fold(0, |sum, byte| mix(sum, u64::from(byte)))
}

fn sorting() -> u64 {
    let mut values: Vec<u64> = (0..black_box(24u64)).map(|i| mix(i, 9) % 1000).collect();
    values.sort_unstable();
    values.dedup();
    values.iter().fold(0, |sum, &value| mix(sum, value))
}

fn jump_table() -> u64 {
    (0..black_box(18u64)).fold(1, |sum, i| match black_box(i % 9) {
        0 => sum + 1,
        1 => sum.rotate_left(3),
        2 => sum ^ 0xff,
        3 => sum.wrapping_mul(31),
        4 => !sum,
        5 => sum.swap_bytes(),
        6 => sum.leading_zeros().into(),
        7 => sum.reverse_bits(),
        _ => sum.wrapping_sub(i),
    })
}
