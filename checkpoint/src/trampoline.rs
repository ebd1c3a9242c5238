//! The way from a check that finds a request to the hook, on x86-64: a call that changes no
//! register.
//!
//! An ordinary call may change half of the registers, and the compiler prepares for that even
//! where the call is next to never made: it saves registers at the function's entry and moves
//! values around the call. With this one the code around a check stays as it was without.
//!
//! # Soundness
//! The `asm!` block has no options, so the compiler takes it to read and write memory and to change
//! the flags, aligns the stack for it and keeps nothing in the red zone. The trampoline keeps what is
//! left: every general register, and the vector registers and the like by `XSAVE`, as whoever called
//! may be compiled for more of them than this crate. The hook cannot unwind: it is called by an
//! `extern "C"` function, which aborts instead. A check with `cancel` is told by the answer, in `rax`,
//! that it is to unwind, and does so by an ordinary call that does not return: so the code around it
//! pays for its landing pad, which is elsewhere, and for nothing else.

use core::arch::naked_asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The state components that are saved: x87, SSE, AVX, the three of AVX-512, and the registers of
/// APX. Not AMX tiles, which are too large and which the ABI lets nobody keep across a call that
/// the compiler does not know of; nor protection keys, which are the thread's.
const COMPONENTS: u32 = 0b111 | 0b111 << 5 | 1 << 19;

/// Which components XSAVE saves; 0 until there is a hook.
static MASK: AtomicU32 = AtomicU32::new(0);
/// In the place of a mask: there is no XSAVE, and so nothing that FXSAVE does not save.
const FXSAVE: u32 = 1 << 31;
/// The bytes that it writes, in a multiple of 64.
static AREA: AtomicU32 = AtomicU32::new(0);

/// Calls the hook. Without a hook in the process it returns at once.
#[allow(unsafe_code, reason = "calls the trampoline")]
#[inline(always)]
pub(crate) fn call_hook() {
    // SAFETY: the trampoline follows no rules but these: it keeps all registers, and the stack.
    unsafe { core::arch::asm!("call {trampoline}", trampoline = sym trampoline) }
}

/// Calls the hook, and asks whether to unwind. Without a hook in the process: no.
#[allow(unsafe_code, reason = "calls the trampoline")]
#[inline(always)]
pub(crate) fn call_hook_and_ask() -> bool {
    let unwinds: u64;
    // SAFETY: as above, except that the answer is in `rax`.
    unsafe {
        core::arch::asm!(
            "call {trampoline}",
            trampoline = sym asking_trampoline,
            out("rax") unwinds,
        );
    }
    // The ABI leaves the upper bits of a `bool` undefined.
    unwinds & 1 != 0
}

/// Finds out what there is to save, ahead of the first hook.
#[allow(unsafe_code, reason = "asks the processor")]
pub(crate) fn prepare() {
    const OSXSAVE: u32 = 1 << 27;
    if MASK.load(Relaxed) != 0 {
        return;
    }
    if __cpuid(1).ecx & OSXSAVE == 0 {
        AREA.store(512, Relaxed);
        MASK.store(FXSAVE, Relaxed);
        return;
    }
    let enabled: u32;
    // SAFETY: OSXSAVE says that the instruction may be used.
    unsafe {
        core::arch::asm!(
            "xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _,
            options(nomem, nostack, preserves_flags),
        );
    }
    AREA.store(__cpuid_count(0xd, 0).ebx.next_multiple_of(64), Relaxed);
    MASK.store(enabled & COMPONENTS, Relaxed);
}

/// A call of `$called` that keeps every register and flag but the arithmetic ones. `$before` is done
/// ahead of all, with RBP set; `$after` when the call has returned. RAX is at `[rbp - 8]` in between.
macro_rules! trampoline {
    ($called:path, before: [$($before:literal)*], after: [$($after:literal)*]) => { naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbp, 0",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        $($before,)*
        "push rax",
        "mov eax, [rip + {mask}]",
        "test eax, eax",
        "jz 2f",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "mov ecx, [rip + {area}]",
        "sub rsp, rcx",
        "and rsp, -64",
        "test eax, eax",
        "js 3f",
        // The area's header has to be zero before the save.
        "xor edx, edx",
        "mov [rsp + 512], rdx",
        "mov [rsp + 520], rdx",
        "mov [rsp + 528], rdx",
        "mov [rsp + 536], rdx",
        "mov [rsp + 544], rdx",
        "mov [rsp + 552], rdx",
        "mov [rsp + 560], rdx",
        "mov [rsp + 568], rdx",
        "xsave64 [rsp]",
        "call {called}",
        $($after,)*
        "mov eax, [rip + {mask}]",
        "xor edx, edx",
        "xrstor64 [rsp]",
        "4:",
        "lea rsp, [rbp - 72]",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "2:",
        "pop rax",
        "pop rbp",
        ".cfi_remember_state",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_restore_state",
        "3:",
        "fxsave64 [rsp]",
        "call {called}",
        $($after,)*
        "fxrstor64 [rsp]",
        "jmp 4b",
        ".cfi_endproc",
        mask = sym MASK,
        area = sym AREA,
        called = sym $called,
    ) };
}

#[allow(unsafe_code, reason = "saves and restores registers")]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn trampoline() {
    trampoline!(crate::call_hook, before: [], after: [])
}

/// As [`trampoline`], except that RAX has the answer.
#[allow(unsafe_code, reason = "saves and restores registers")]
#[unsafe(naked)]
unsafe extern "C" fn asking_trampoline() {
    trampoline!(
        crate::call_hook_and_ask,
        before: ["xor eax, eax"],
        after: ["mov [rbp - 8], rax"]
    )
}

#[cfg(test)]
mod tests {
    use crate::runtime;
    use std::boxed::Box;
    use std::cell::Cell;
    use std::string::String;
    use std::vec::Vec;
    use std::{format, thread, thread_local};

    thread_local! {
        static TRACE: Cell<String> = const { Cell::new(String::new()) };
    }

    /// What a function may change, as bytes: nine general registers, `VECTORS` vector registers of
    /// `WIDTH` bytes, and the mask registers of AVX-512.
    type State = Box<[u64; 9 + 32 * 8 + 8]>;

    fn pattern(seed: u64) -> State {
        let mut state = Box::new([0; 9 + 32 * 8 + 8]);
        for (i, word) in state.iter_mut().enumerate() {
            *word = (i as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        state
    }

    /// Loads the general registers, does what `$load` says, calls the trampoline, and stores all.
    macro_rules! through_the_trampoline {
        ($trampoline:ident, $from:ident, $to:ident, [$($load:literal)*], [$($store:literal)*]) => {
            core::arch::asm!(
                $($load,)*
                "mov rax, [r12]",
                "mov rcx, [r12 + 8]",
                "mov rdx, [r12 + 16]",
                "mov rsi, [r12 + 24]",
                "mov rdi, [r12 + 32]",
                "mov r8, [r12 + 40]",
                "mov r9, [r12 + 48]",
                "mov r10, [r12 + 56]",
                "mov r11, [r12 + 64]",
                "call {trampoline}",
                "mov [r13], rax",
                "mov [r13 + 8], rcx",
                "mov [r13 + 16], rdx",
                "mov [r13 + 24], rsi",
                "mov [r13 + 32], rdi",
                "mov [r13 + 40], r8",
                "mov [r13 + 48], r9",
                "mov [r13 + 56], r10",
                "mov [r13 + 64], r11",
                $($store,)*
                trampoline = sym super::$trampoline,
                in("r12") $from.as_ptr(),
                in("r13") $to.as_mut_ptr(),
                clobber_abi("C"),
            )
        };
    }

    /// A hook that changes whatever a function may change, and notes from where it was called.
    fn clobber() {
        TRACE.set(format!("{}", std::backtrace::Backtrace::force_capture()));
        runtime::clear_request();
        // SAFETY: changes registers only, and says so.
        #[allow(unsafe_code, reason = "changes registers")]
        unsafe {
            core::arch::asm!(
                "mov rax, -1",
                "mov rcx, -1",
                "mov rdx, -1",
                "mov rsi, -1",
                "mov rdi, -1",
                "mov r8, -1",
                "mov r9, -1",
                "mov r10, -1",
                "mov r11, -1",
                "pcmpeqd xmm0, xmm0",
                "pcmpeqd xmm1, xmm1",
                "pcmpeqd xmm2, xmm2",
                "pcmpeqd xmm7, xmm7",
                "pcmpeqd xmm8, xmm8",
                "pcmpeqd xmm15, xmm15",
                clobber_abi("C"),
            );
            if std::is_x86_feature_detected!("avx") {
                core::arch::asm!("vzeroall", clobber_abi("C"));
            }
            if std::is_x86_feature_detected!("avx512bw") {
                core::arch::asm!(
                    "vpxorq zmm16, zmm16, zmm16",
                    "vpxorq zmm31, zmm31, zmm31",
                    "kxorq k1, k1, k1",
                    "kxorq k7, k7, k7",
                    clobber_abi("C"),
                );
            }
        }
    }

    /// Runs `check` on a thread with the hook, as each has registers of its own.
    fn with_the_hook(check: fn()) {
        let check = move || {
            runtime::install(clobber);
            check();
        };
        thread::spawn(check).join().expect("the test body panicked");
    }

    #[allow(unsafe_code, reason = "looks at registers")]
    #[test]
    fn a_call_of_the_hook_changes_no_register() {
        with_the_hook(|| {
            let from = pattern(1);
            let mut to = Box::new([0; 9 + 32 * 8 + 8]);
            // SAFETY: reads `from`, writes `to`, and changes what it says.
            unsafe {
                through_the_trampoline!(trampoline, from, to, [
                    "movups xmm0, [r12 + 72]" "movups xmm1, [r12 + 88]" "movups xmm7, [r12 + 104]"
                    "movups xmm8, [r12 + 120]" "movups xmm15, [r12 + 136]"
                ], [
                    "movups [r13 + 72], xmm0" "movups [r13 + 88], xmm1" "movups [r13 + 104], xmm7"
                    "movups [r13 + 120], xmm8" "movups [r13 + 136], xmm15"
                ]);
            }
            assert!(!TRACE.take().is_empty(), "the hook was called");
            assert_eq!(from[..19], to[..19]);
        });
    }

    #[allow(unsafe_code, reason = "looks at registers")]
    #[test]
    fn it_changes_no_wide_register_either() {
        if !std::is_x86_feature_detected!("avx") {
            return;
        }
        with_the_hook(|| {
            let from = pattern(2);
            let mut to = Box::new([0; 9 + 32 * 8 + 8]);
            // SAFETY: as above; the processor has these registers.
            unsafe {
                through_the_trampoline!(trampoline, from, to, [
                    "vmovups ymm0, [r12 + 72]" "vmovups ymm7, [r12 + 104]" "vmovups ymm15, [r12 + 136]"
                ], [
                    "vmovups [r13 + 72], ymm0" "vmovups [r13 + 104], ymm7" "vmovups [r13 + 136], ymm15"
                ]);
            }
            assert_eq!(from[..21], to[..21]);
        });
        if !std::is_x86_feature_detected!("avx512bw") {
            return;
        }
        with_the_hook(|| {
            let from = pattern(3);
            let mut to = Box::new([0; 9 + 32 * 8 + 8]);
            // SAFETY: as above.
            unsafe {
                through_the_trampoline!(trampoline, from, to, [
                    "vmovups zmm0, [r12 + 72]" "vmovups zmm16, [r12 + 136]" "vmovups zmm31, [r12 + 200]"
                    "kmovq k1, [r12 + 264]" "kmovq k7, [r12 + 272]"
                ], [
                    "vmovups [r13 + 72], zmm0" "vmovups [r13 + 136], zmm16" "vmovups [r13 + 200], zmm31"
                    "kmovq [r13 + 264], k1" "kmovq [r13 + 272], k7"
                ]);
            }
            assert_eq!(from[..35], to[..35]);
        });
    }

    #[allow(unsafe_code, reason = "looks at registers")]
    #[test]
    fn a_call_that_asks_changes_only_the_register_of_the_answer() {
        fn answer() -> bool {
            clobber();
            true
        }
        fn unwind() -> ! {
            unreachable!("nobody calls it here")
        }
        static CANCELLATION: runtime::Cancellation =
            runtime::Cancellation { is_cancelled: answer, is_to_unwind: answer, unwind };
        with_the_hook(|| {
            for asks in [false, true] {
                if asks {
                    runtime::install_cancellation(&CANCELLATION);
                    runtime::note_cancellation();
                }
                let from = pattern(4);
                let mut to = Box::new([0; 9 + 32 * 8 + 8]);
                // SAFETY: as above.
                unsafe {
                    through_the_trampoline!(asking_trampoline, from, to, [
                        "movups xmm0, [r12 + 72]" "movups xmm8, [r12 + 88]"
                    ], [
                        "movups [r13 + 72], xmm0" "movups [r13 + 88], xmm8"
                    ]);
                }
                assert_eq!(to[0] & 1 != 0, asks);
                assert_eq!(from[1..13], to[1..13]);
            }
        });
    }

    #[inline(never)]
    fn the_function_that_checks() -> u64 {
        // SAFETY: the flag is this thread's own.
        #[allow(unsafe_code, reason = "raises the flag as a runtime does")]
        unsafe {
            runtime::this_thread().request_remote();
        }
        let values: Vec<u64> = (0..100).collect();
        crate::checkpoint();
        values.iter().sum()
    }

    #[test]
    fn a_backtrace_leads_through_the_trampoline() {
        with_the_hook(|| {
            assert_eq!(the_function_that_checks(), 4950);
            let trace = TRACE.take();
            assert!(trace.contains("the_function_that_checks"), "{trace}");
            assert!(trace.contains("with_the_hook"), "{trace}");
        });
    }
}
