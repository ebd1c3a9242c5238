//! The trap flag, the handler of SIGTRAP, the injected function and the fiber that clobbers.
//!
//! Signal safety: the handler uses atomics and the unwinder. It unwinds only where the interrupted
//! code is this test's or this crate's, or a leaf function of libc, so that no lock of the unwinder
//! can be held.

use super::leaves;
use super::unwinding::{Search, finds};
use crate::text;
use preempt_fiber::{Leave, Spare, inject_call, injecting, interrupted, resume, start, text_range};
use std::arch::{asm, global_asm};
use std::fmt;
use std::hint::black_box;
use std::ops::{Add, Range};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

const TRAP_FLAG: u64 = 1 << 8;
/// So many injections per subject step through the whole trampoline, too.
const THOROUGH: u64 = 8;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) steps: u64,
    pub(crate) injections: u64,
    /// Of these, in leaf functions of libc.
    pub(crate) in_leaves: u64,
    pub(crate) elsewhere: u64,
    pub(crate) unwinding_failures: u64,
    pub(crate) trampoline_unwindings: u64,
    pub(crate) trampoline_failures: u64,
}

impl Counts {
    pub(crate) const HEADING: &str =
        "   steps  injections  not own text  unwinding failures  trampoline unwound / failures";
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { steps, injections, elsewhere, .. } = self;
        let (failures, unwound) = (self.unwinding_failures, self.trampoline_unwindings);
        let trampoline = self.trampoline_failures;
        write!(f, "{steps:>8} {injections:>11} {elsewhere:>13} {failures:>19}")?;
        write!(f, " {unwound:>19} / {trampoline}")
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            steps: self.steps + other.steps,
            injections: self.injections + other.injections,
            in_leaves: self.in_leaves + other.in_leaves,
            elsewhere: self.elsewhere + other.elsewhere,
            unwinding_failures: self.unwinding_failures + other.unwinding_failures,
            trampoline_unwindings: self.trampoline_unwindings + other.trampoline_unwindings,
            trampoline_failures: self.trampoline_failures + other.trampoline_failures,
        }
    }
}

static STEPS: AtomicU64 = AtomicU64::new(0);
static INJECTIONS: AtomicU64 = AtomicU64::new(0);
static IN_LEAVES: AtomicU64 = AtomicU64::new(0);
static ELSEWHERE: AtomicU64 = AtomicU64::new(0);
static UNWINDING_FAILURES: AtomicU64 = AtomicU64::new(0);
static TRAMPOLINE_UNWINDINGS: AtomicU64 = AtomicU64::new(0);
static TRAMPOLINE_FAILURES: AtomicU64 = AtomicU64::new(0);
/// Pc at which the last call was injected, until the code goes on there.
static INJECTED_AT: AtomicUsize = AtomicUsize::new(0);
/// Where the trampoline begins.
static TRAMPOLINE: AtomicUsize = AtomicUsize::new(0);
/// A call was injected and the trampoline has not been seen yet.
static ENTERED: AtomicBool = AtomicBool::new(false);
/// Unwind at every instruction of the trampoline or the switch.
static UNWIND_TEXT: AtomicBool = AtomicBool::new(false);
/// Only count: no injections.
static SWITCHES_ONLY: AtomicBool = AtomicBool::new(false);
/// Inject in leaf functions of libc as well.
static LEAVES_TOO: AtomicBool = AtomicBool::new(false);

fn take_counts() -> Counts {
    Counts {
        steps: STEPS.swap(0, SeqCst),
        injections: INJECTIONS.swap(0, SeqCst),
        in_leaves: IN_LEAVES.swap(0, SeqCst),
        elsewhere: ELSEWHERE.swap(0, SeqCst),
        unwinding_failures: UNWINDING_FAILURES.swap(0, SeqCst),
        trampoline_unwindings: TRAMPOLINE_UNWINDINGS.swap(0, SeqCst),
        trampoline_failures: TRAMPOLINE_FAILURES.swap(0, SeqCst),
    }
}

pub(crate) fn install_handler() {
    own_text();
    leaves::libc_text();
    // SAFETY: a handler with the signature that SA_SIGINFO asks for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_trap as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()), 0);
    }
}

/// The program's own text, looked up once: the handler may not.
fn own_text() -> &'static Range<usize> {
    static TEXT: OnceLock<Range<usize>> = OnceLock::new();
    TEXT.get_or_init(text::own_text)
}

/// As [`step_through`], for a subject that calls nothing of libc but leaf functions: in them, too.
pub(crate) fn step_through_leaves(subject: fn() -> u64) -> (u64, Counts) {
    LEAVES_TOO.store(true, SeqCst);
    let result = step_through(subject);
    LEAVES_TOO.store(false, SeqCst);
    result
}

/// Runs the subject with an injected call at each of its instructions.
#[inline(never)]
pub(crate) fn step_through(subject: fn() -> u64) -> (u64, Counts) {
    take_counts();
    set_trap_flag();
    let result = subject();
    clear_trap_flag();
    (black_box(result), take_counts())
}

/// Steps through switches to the companion and back, without injecting anything.
#[inline(never)]
pub(crate) fn step_through_switches() -> Counts {
    take_counts();
    SWITCHES_ONLY.store(true, SeqCst);
    UNWIND_TEXT.store(true, SeqCst);
    set_trap_flag();
    Companion::visit();
    clear_trap_flag();
    UNWIND_TEXT.store(false, SeqCst);
    SWITCHES_ONLY.store(false, SeqCst);
    black_box(take_counts())
}

// With unwind information for every instruction, which inline assembly that pushes cannot have.
global_asm!(
    ".pushsection .text.trap_flag,\"ax\",@progbits",
    ".type preempt_test_set_trap_flag,@function",
    "preempt_test_set_trap_flag:",
    ".cfi_startproc",
    "pushfq",
    ".cfi_adjust_cfa_offset 8",
    "or qword ptr [rsp], {flag}",
    "popfq",
    ".cfi_adjust_cfa_offset -8",
    "ret",
    ".cfi_endproc",
    ".size preempt_test_set_trap_flag, . - preempt_test_set_trap_flag",
    ".type preempt_test_clear_trap_flag,@function",
    "preempt_test_clear_trap_flag:",
    ".cfi_startproc",
    "pushfq",
    ".cfi_adjust_cfa_offset 8",
    "and qword ptr [rsp], {mask}",
    "popfq",
    ".cfi_adjust_cfa_offset -8",
    "ret",
    ".cfi_endproc",
    ".size preempt_test_clear_trap_flag, . - preempt_test_clear_trap_flag",
    ".popsection",
    flag = const TRAP_FLAG,
    mask = const !(TRAP_FLAG as i64),
);

unsafe extern "C" {
    safe fn preempt_test_set_trap_flag();
    safe fn preempt_test_clear_trap_flag();
}

fn set_trap_flag() {
    preempt_test_set_trap_flag();
}

fn clear_trap_flag() {
    preempt_test_clear_trap_flag();
}

unsafe extern "C" fn on_trap(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the kernel's context.
    let at = unsafe { interrupted(context) };
    if text_range().contains(&at.pc) {
        // SAFETY: the same.
        return unsafe { in_the_crates_assembly(context, at.pc) };
    }
    if injecting() || SWITCHES_ONLY.load(SeqCst) {
        return;
    }
    STEPS.fetch_add(1, SeqCst);
    if INJECTED_AT.swap(0, SeqCst) == at.pc {
        return; // Back from the call that was injected here.
    }
    if LEAVES_TOO.load(SeqCst) && leaves::are_at(at, own_text()) {
        IN_LEAVES.fetch_add(1, SeqCst);
    } else if !own_text().contains(&at.pc) {
        ELSEWHERE.fetch_add(1, SeqCst);
        return;
    }
    INJECTED_AT.store(at.pc, SeqCst);
    let count = INJECTIONS.fetch_add(1, SeqCst);
    UNWIND_TEXT.store(count < THOROUGH, SeqCst);
    let pc = std::ptr::without_provenance_mut(at.pc);
    // SAFETY: a handler of SA_SIGINFO; not in the crate's text, not injecting, a stack of 1 MiB of
    // which little is used, and code that holds no lock that the companion takes.
    let trampoline = unsafe {
        inject_call(context, interruption, pc);
        interrupted(context).pc
    };
    TRAMPOLINE.store(trampoline, SeqCst);
    ENTERED.store(true, SeqCst);
}

/// # Safety
///
/// `context` is that of the running handler.
unsafe fn in_the_crates_assembly(context: *mut libc::ucontext_t, pc: usize) {
    if UNWIND_TEXT.load(SeqCst) {
        TRAMPOLINE_UNWINDINGS.fetch_add(1, SeqCst);
        if !finds(Search { pc, functions: bottoms() }) {
            TRAMPOLINE_FAILURES.fetch_add(1, SeqCst);
        }
    } else if pc != TRAMPOLINE.load(SeqCst) && ENTERED.swap(false, SeqCst) {
        // The trampoline has saved the flags, with the trap flag set, by its first instruction:
        // run the rest at full speed, until it restores them.
        // SAFETY: the kernel's context.
        unsafe {
            (*context).uc_mcontext.gregs[libc::REG_EFL as usize] &= !(TRAP_FLAG as i64);
        }
    }
}

/// Functions of which one is at the bottom of every stack that is stepped through.
fn bottoms() -> [usize; 2] {
    if SWITCHES_ONLY.load(SeqCst) {
        [step_through_switches as *const () as usize, companion_loop as *const () as usize]
    } else {
        [step_through as *const () as usize, 0]
    }
}

/// What is injected: unwinds to the interrupted code and beyond, and visits the companion.
extern "C" fn interruption(pc: *mut ()) {
    clear_trap_flag();
    let thorough = UNWIND_TEXT.swap(false, SeqCst);
    if !finds(Search { pc: pc.addr(), functions: bottoms() }) {
        UNWINDING_FAILURES.fetch_add(1, SeqCst);
        report_failure(pc.addr());
    }
    Companion::visit();
    if thorough {
        UNWIND_TEXT.store(true, SeqCst);
        set_trap_flag();
    }
}

/// Says where, so that the instruction can be looked up in a disassembly.
fn report_failure(pc: usize) {
    let offset = pc - own_text().start;
    let text = format!("unwinding failed at text + {offset:#x}\n");
    // SAFETY: a valid buffer.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

static SUBJECT: Mutexed = Mutexed(std::sync::Mutex::new(None));
static COMPANION: Mutexed = Mutexed(std::sync::Mutex::new(None));

/// Place for a suspended fiber.
struct Mutexed(std::sync::Mutex<Option<preempt_fiber::Suspended>>);

impl Mutexed {
    fn put(&self, fiber: preempt_fiber::Suspended) {
        *self.0.lock().unwrap() = Some(fiber);
    }

    fn take(&self) -> preempt_fiber::Suspended {
        self.0.lock().unwrap().take().expect("a fiber is there")
    }
}

static STOP: AtomicBool = AtomicBool::new(false);

/// The fiber that is switched to. Ends when dropped.
pub(crate) struct Companion;

impl Companion {
    pub(crate) fn start(spare: Spare) -> Self {
        STOP.store(false, SeqCst);
        start(spare, companion_loop, |left| SUBJECT.put(left));
        Companion
    }

    pub(crate) fn visit() {
        resume(COMPANION.take(), |left| SUBJECT.put(left));
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        STOP.store(true, SeqCst);
        Self::visit();
    }
}

#[inline(never)]
fn companion_loop() -> Leave {
    while !STOP.load(SeqCst) {
        clobber_everything();
        resume(SUBJECT.take(), |left| COMPANION.put(left));
    }
    Leave::Resume(SUBJECT.take())
}

/// Writes other values to all registers that an interrupted function could use.
#[inline(never)]
fn clobber_everything() {
    // SAFETY: every register that is written is declared; rbx and rbp are saved. The flags that the
    // ABI fixes (DF) are back at the end. MXCSR and the x87 control word stay changed: they are
    // the fiber's own.
    unsafe {
        asm!(
            "push rbx", "push rbp",
            "mov rbx, -1", "mov rbp, -1",
            "std",
            "fninit", "fld1", "fldpi", "fldl2e", "fldz", "fninit",
            "push 0x7fa0", "ldmxcsr [rsp]", "add rsp, 8",
            "push 0x0f7f", "fldcw [rsp]", "add rsp, 8",
            "pcmpeqd xmm0, xmm0",
            "movdqa xmm1, xmm0", "movdqa xmm2, xmm0", "movdqa xmm3, xmm0", "movdqa xmm4, xmm0",
            "movdqa xmm5, xmm0", "movdqa xmm6, xmm0", "movdqa xmm7, xmm0", "movdqa xmm8, xmm0",
            "movdqa xmm9, xmm0", "movdqa xmm10, xmm0", "movdqa xmm11, xmm0", "movdqa xmm12, xmm0",
            "movdqa xmm13, xmm0", "movdqa xmm14, xmm0", "movdqa xmm15, xmm0",
            "stc",
            "cld",
            "pop rbp", "pop rbx",
            inlateout("rax") -1i64 => _, inlateout("rcx") -1i64 => _,
            inlateout("rdx") -1i64 => _, inlateout("rsi") -1i64 => _,
            inlateout("rdi") -1i64 => _, inlateout("r8") -1i64 => _,
            inlateout("r9") -1i64 => _, inlateout("r10") -1i64 => _,
            inlateout("r11") -1i64 => _, inlateout("r12") -1i64 => _,
            inlateout("r13") -1i64 => _, inlateout("r14") -1i64 => _,
            inlateout("r15") -1i64 => _,
            clobber_abi("sysv64"),
        );
    }
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the feature is there.
        unsafe { clobber_avx512() };
    } else if is_x86_feature_detected!("avx") {
        // SAFETY: the feature is there.
        unsafe { clobber_avx() };
    }
}

#[target_feature(enable = "avx")]
fn clobber_avx() {
    // SAFETY: all vector registers are declared by the ABI's clobbers.
    unsafe {
        asm!(
            "vxorps ymm0, ymm0, ymm0",
            "vcmpps ymm0, ymm0, ymm0, 0",
            "vmovaps ymm1, ymm0",
            "vmovaps ymm2, ymm0",
            "vmovaps ymm3, ymm0",
            "vmovaps ymm4, ymm0",
            "vmovaps ymm5, ymm0",
            "vmovaps ymm6, ymm0",
            "vmovaps ymm7, ymm0",
            "vmovaps ymm8, ymm0",
            "vmovaps ymm9, ymm0",
            "vmovaps ymm10, ymm0",
            "vmovaps ymm11, ymm0",
            "vmovaps ymm12, ymm0",
            "vmovaps ymm13, ymm0",
            "vmovaps ymm14, ymm0",
            "vmovaps ymm15, ymm0",
            clobber_abi("sysv64"),
        );
    }
}

#[target_feature(enable = "avx512f")]
fn clobber_avx512() {
    // SAFETY: all vector and mask registers are declared by the ABI's clobbers.
    unsafe {
        asm!(
            "vpternlogd zmm0, zmm0, zmm0, 255",
            ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "vmovdqa64 zmm\\n, zmm0",
            ".endr",
            "kxnorw k0, k0, k0",
            "kxnorw k1, k1, k1",
            "kxnorw k2, k2, k2",
            "kxnorw k3, k3, k3",
            "kxnorw k4, k4, k4",
            "kxnorw k5, k5, k5",
            "kxnorw k6, k6, k6",
            "kxnorw k7, k7, k7",
            clobber_abi("sysv64"),
        );
    }
}
