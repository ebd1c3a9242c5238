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
//! `extern "C"` function, which aborts instead.

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

/// Keeps every register and flag but the arithmetic ones.
#[allow(unsafe_code, reason = "saves and restores registers")]
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn trampoline() {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbp, 0",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
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
        "call {call_hook}",
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
        "call {call_hook}",
        "fxrstor64 [rsp]",
        "jmp 4b",
        ".cfi_endproc",
        mask = sym MASK,
        area = sym AREA,
        call_hook = sym crate::call_hook,
    )
}
