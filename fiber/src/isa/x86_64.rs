//! x86-64: the switch between two stacks and the trampoline of an injected call.
//!
//! This file and `xstate.rs` are all that is specific to the instruction set; no system call but
//! `arch_prctl` appears here. Another ISA (aarch64: not written yet) provides the same items:
//! [`SwitchFrame`], [`new_stack`], [`switch`], [`rewrite`], [`inject_stack_bytes`], [`text`].
//!
//! Who may call what: [`switch`] is called with the fiber's injection count raised (so that no
//! signal handler injects a call here), [`rewrite`] only from a signal handler. A handler may find
//! its interrupted pc anywhere in [`text`]; there the stack pointer and the FS base can belong to
//! two different fibers. Both are valid memory of live fibers, so that a handler which only reads
//! and writes its own thread-locals is harmless there; injecting is not, hence [`text`].
//!
//! # A suspended stack
//!
//! ```text
//!            │ frames of the caller of `switch`    │
//!            ├─────────────────────────────────────┤
//!            │ return address into that caller     │ +56
//!            │ rbp                                 │ +48
//!            │ rbx                                 │ +40
//!            │ r12  (new stack: the function)      │ +32
//!            │ r13  (new stack: its argument)      │ +24
//!            │ r14                                 │ +16
//!            │ r15                                 │  +8
//!            │ MXCSR (4), x87 control word (2), 0  │  +0  <- saved stack pointer = SwitchFrame
//!            └─────────────────────────────────────┘
//! ```
//!
//! Everything else is caller-saved in the System V ABI, so that the compiler has spilled what it
//! needs before the call. The flags are dead across a call, except DF, which the ABI keeps clear.
//!
//! # An injected call
//!
//! ```text
//! interrupted rsp ->  │ frames of the interrupted code      │
//!                     ├─────────────────────────────────────┤
//!                     │ red zone, 128 bytes, left alone     │
//!                     ├─────────────────────────────────────┤
//!               +24   │ interrupted pc                      │ interrupted rsp - 136
//!               +16   │ argument                            │
//!                +8   │ function                            │
//!   rsp at trampoline │ address of the injection count      │ interrupted rsp - 160 = InjectFrame
//!                     ├─────────────────────────────────────┤
//!                     │ rflags, rax, rcx, rdx, rbx, rbp,    │
//!                     │ rsi, rdi, r8 .. r15                 │ <- rbp while the function runs
//!                     ├─────────────────────────────────────┤
//!                     │ up to 63 bytes for alignment        │
//!                     │ XSAVE area, sized by CPUID          │ <- rsp, 64-byte aligned
//!                     ├─────────────────────────────────────┤
//!                     │ frames of `run_injected`            │
//! ```
//!
//! Rejected: switching inside the handler (the kernel's signal frame and the signal mask belong to
//! the kernel thread, the fiber may go on on another one); FXSAVE (loses AVX and AVX-512); saving
//! only what the interrupted function could use (it cannot be known).
//!
//! Not supported: user shadow stacks (CET SHSTK), as both ways of switching return to addresses
//! that were not pushed by a call. Rust does not mark its binaries for them, so glibc leaves them off.

use std::arch::global_asm;
use std::ops::Range;
use std::ptr::NonNull;

use super::xstate::{self, LAYOUT};

/// What [`switch`] leaves on a stack that it suspends. See the picture above.
#[repr(C)]
pub(crate) struct SwitchFrame {
    mxcsr: u32,
    x87_control: u16,
    unused: u16,
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    rbx: u64,
    rbp: u64,
    return_address: u64,
}

/// What [`rewrite`] leaves below the red zone of the interrupted code. See the picture above.
#[repr(C)]
struct InjectFrame {
    count: *const u32,
    function: usize,
    argument: *mut (),
    pc: u64,
}

const RED_ZONE_BYTES: u64 = 128;
/// From the interrupted stack pointer to the trampoline's; the CFI below repeats it.
const INJECT_OFFSET: u64 = 160;
const _: () = assert!(INJECT_OFFSET == RED_ZONE_BYTES + size_of::<InjectFrame>() as u64);
const _: () = assert!(size_of::<SwitchFrame>() == 64);

/// All exceptions masked, round to nearest: what the ABI prescribes at process start.
const DEFAULT_MXCSR: u32 = 0x1f80;
const DEFAULT_X87_CONTROL: u16 = 0x037f;

/// How [`switch`] sets the FS base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum FsBase {
    /// `arch_prctl(ARCH_SET_FS)`: a system call, works everywhere.
    Syscall = 0,
    /// `wrfsbase`: allowed if the kernel says so in `AT_HWCAP2`.
    Instruction = 1,
}

/// First function on a new stack: gets the argument of [`new_stack`] and the word of the switch.
pub(crate) type Entry = extern "C" fn(argument: *mut (), word: usize) -> !;

unsafe extern "C" {
    #[link_name = "preempt_fiber_switch"]
    fn switch_asm(
        save: *mut *mut SwitchFrame,
        target: *mut SwitchFrame,
        fs_base: usize,
        word: usize,
        fs_method: u32,
    ) -> usize;
    #[link_name = "preempt_fiber_entry"]
    fn entry_asm();
    #[link_name = "preempt_fiber_trampoline"]
    fn trampoline_asm();
    #[link_name = "preempt_fiber_text_begin"]
    static TEXT_BEGIN: u8;
    #[link_name = "preempt_fiber_text_end"]
    static TEXT_END: u8;
}

/// Suspends the calling context, storing its frame in `*save`, and continues `target` with the FS
/// base `fs_base`, where `word` is the result of the `switch` that suspended it. Returns the word
/// of whoever continues this context later.
///
/// # Safety
///
/// `target` was stored by `switch` or made by [`new_stack`], has not been continued since, and its
/// stack and the thread-local block at `fs_base` are alive and belong together. `save` stays valid
/// until the store, which happens before `target` goes on. `FsBase::Instruction` needs FSGSBASE.
#[inline]
pub(crate) unsafe fn switch(
    save: *mut *mut SwitchFrame,
    target: *mut SwitchFrame,
    fs_base: usize,
    word: usize,
    method: FsBase,
) -> usize {
    // SAFETY: the caller's contract is that of the assembly.
    unsafe { switch_asm(save, target, fs_base, word, method as u32) }
}

/// Lays the first frame on a new stack: a switch to it calls `entry(argument, word)`.
///
/// # Safety
///
/// `top` is 16-byte aligned and the upper end of writable memory that nobody uses.
pub(crate) unsafe fn new_stack(
    top: *mut u8,
    entry: Entry,
    argument: *mut (),
) -> NonNull<SwitchFrame> {
    debug_assert!(top.addr().is_multiple_of(16));
    let frame = top.cast::<SwitchFrame>().wrapping_sub(1);
    let first = SwitchFrame {
        mxcsr: DEFAULT_MXCSR,
        x87_control: DEFAULT_X87_CONTROL,
        unused: 0,
        r15: 0,
        r14: 0,
        r13: argument.expose_provenance() as u64,
        r12: entry as usize as u64,
        rbx: 0,
        rbp: 0,
        return_address: entry_asm as *const () as usize as u64,
    };
    // SAFETY: the caller vouches for the memory below `top`; the frame is 64 bytes, `top` aligned.
    unsafe { frame.write(first) };
    NonNull::new(frame).expect("the top of a stack is not null")
}

/// Rewrites an interrupted context so that it calls `function(argument)` and then goes on as if
/// nothing had happened. The trampoline lowers `*count` when all but the last registers are back.
///
/// # Safety
///
/// `context` is the third argument of a running signal handler, the stack below the interrupted
/// stack pointer has room for [`inject_stack_bytes`] and the function, and `count` stays valid.
/// [`xstate::prepare`] has been called.
pub(crate) unsafe fn rewrite(
    context: *mut libc::ucontext_t,
    function: extern "C" fn(*mut ()),
    argument: *mut (),
    count: *const u32,
) {
    // SAFETY: the kernel's frame is valid while the handler runs, and the handler's own.
    let registers = unsafe { &mut (*context).uc_mcontext.gregs };
    let pc = registers[libc::REG_RIP as usize] as u64;
    let sp = (registers[libc::REG_RSP as usize] as u64).wrapping_sub(INJECT_OFFSET);
    let frame = std::ptr::with_exposed_provenance_mut::<InjectFrame>(sp as usize);
    let call = InjectFrame { count, function: function as usize, argument, pc };
    // SAFETY: the caller vouches for room below the red zone. The interrupted stack pointer can
    // have any alignment.
    unsafe { frame.write_unaligned(call) };
    registers[libc::REG_RSP as usize] = sp as i64;
    registers[libc::REG_RIP as usize] = trampoline_asm as *const () as usize as i64;
}

/// Interrupted stack pointer of a context, for the check that enough stack is left.
///
/// # Safety
///
/// As for [`rewrite`].
pub(crate) unsafe fn interrupted(context: *const libc::ucontext_t) -> (usize, usize) {
    // SAFETY: the kernel's frame is valid while the handler runs.
    let registers = unsafe { &(*context).uc_mcontext.gregs };
    (registers[libc::REG_RIP as usize] as usize, registers[libc::REG_RSP as usize] as usize)
}

/// Stack that an injected call takes before its function runs.
pub(crate) fn inject_stack_bytes() -> usize {
    INJECT_OFFSET as usize + 16 * 8 + 64 + xstate::area_bytes()
}

/// Where the instructions of this file are.
pub(crate) fn text() -> Range<usize> {
    (&raw const TEXT_BEGIN).addr()..(&raw const TEXT_END).addr()
}

/// First instruction of the trampoline: every register but two is as the interrupted code had it.
pub(crate) fn trampoline() -> usize {
    trampoline_asm as *const () as usize
}

/// Rust side of the trampoline: `errno` belongs to the interrupted code and must survive.
extern "C" fn run_injected(function: extern "C" fn(*mut ()), argument: *mut ()) {
    // SAFETY: the address is that of this fiber's `errno`, which moves with the fiber.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { errno.read() };
    function(argument);
    // SAFETY: as above.
    unsafe { errno.write(saved) };
}

/// Pushes a register and tells the unwinder where it is.
macro_rules! push {
    ($register:literal) => {
        concat!(
            "push ",
            $register,
            "\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset ",
            $register,
            ", 0"
        )
    };
}

/// Pops a register and tells the unwinder that it holds its own value again.
macro_rules! pop {
    ($register:literal) => {
        concat!("pop ", $register, "\n.cfi_adjust_cfa_offset -8\n.cfi_same_value ", $register)
    };
}

global_asm!(
    ".pushsection .text.preempt_fiber,\"ax\",@progbits",
    ".p2align 4",
    ".global preempt_fiber_text_begin",
    ".hidden preempt_fiber_text_begin",
    "preempt_fiber_text_begin:",
    // preempt_fiber_switch: C ABI.
    //   in:  rdi = where to store the frame of this context, rsi = frame to continue,
    //        rdx = its FS base, rcx = word for it, r8d = 1: wrfsbase, 0: arch_prctl
    //   out: rax = word of the context that continues this one
    // Both stacks have the same layout relative to rsp at the moment rsp changes, so that the
    // CFI is true before and after it.
    ".global preempt_fiber_switch",
    ".hidden preempt_fiber_switch",
    ".type preempt_fiber_switch,@function",
    "preempt_fiber_switch:",
    ".cfi_startproc",
    push!("rbp"),
    push!("rbx"),
    push!("r12"),
    push!("r13"),
    push!("r14"),
    push!("r15"),
    "sub rsp, 8",
    ".cfi_adjust_cfa_offset 8",
    "stmxcsr [rsp]",
    "fnstcw [rsp + 4]",
    "mov [rdi], rsp",
    "mov rsp, rsi",
    "test r8d, r8d",
    "jz 2f",
    "wrfsbase rdx",
    "3:",
    "mov rax, rcx",
    "ldmxcsr [rsp]",
    "fldcw [rsp + 4]",
    "add rsp, 8",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_remember_state",
    pop!("r15"),
    pop!("r14"),
    pop!("r13"),
    pop!("r12"),
    pop!("rbx"),
    pop!("rbp"),
    "ret",
    // Slow way to set the FS base: arch_prctl(ARCH_SET_FS, rdx). Clobbers rax, rcx and r11.
    // (An absolute offset: LLVM's assembler does not restore the one that it adjusts.)
    ".cfi_restore_state",
    ".cfi_def_cfa_offset 64",
    "2:",
    "mov r9, rcx",
    "mov edi, 0x1002",
    "mov rsi, rdx",
    "mov eax, 158",
    "syscall",
    "mov rcx, r9",
    "test rax, rax",
    "jz 3b",
    "ud2",
    ".cfi_endproc",
    ".size preempt_fiber_switch, . - preempt_fiber_switch",
    // preempt_fiber_entry: first instruction on a new stack, reached by the switch's `ret`.
    //   in: r12 = function, r13 = its first argument, rax = the word, its second; rsp aligned to 16
    // Nothing called it: the unwinder stops here.
    ".p2align 4",
    ".global preempt_fiber_entry",
    ".hidden preempt_fiber_entry",
    ".type preempt_fiber_entry,@function",
    "preempt_fiber_entry:",
    ".cfi_startproc",
    ".cfi_undefined rip",
    "mov rdi, r13",
    "mov rsi, rax",
    "call r12",
    "ud2",
    ".cfi_endproc",
    ".size preempt_fiber_entry, . - preempt_fiber_entry",
    // preempt_fiber_trampoline: entered by the return from a signal handler.
    //   in:  rsp = InjectFrame; every other register and flag as the interrupted code had it
    //   out: every register and flag as it was, rsp = the interrupted one, at the interrupted pc
    // It is a signal frame for the unwinder: the pc that it finds is looked up as it is, not as
    // a return address.
    ".p2align 4",
    ".global preempt_fiber_trampoline",
    ".hidden preempt_fiber_trampoline",
    ".type preempt_fiber_trampoline,@function",
    "preempt_fiber_trampoline:",
    ".cfi_startproc simple",
    ".cfi_signal_frame",
    ".cfi_def_cfa rsp, {inject_offset}",
    ".cfi_offset rip, -136",
    "pushfq",
    ".cfi_adjust_cfa_offset 8",
    "cld",
    push!("rax"),
    push!("rcx"),
    push!("rdx"),
    push!("rbx"),
    push!("rbp"),
    push!("rsi"),
    push!("rdi"),
    push!("r8"),
    push!("r9"),
    push!("r10"),
    push!("r11"),
    push!("r12"),
    push!("r13"),
    push!("r14"),
    push!("r15"),
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    // XSAVE area: the header (bytes 512..576) has to be zero before either form of the save.
    "sub rsp, [rip + {layout} + {area_bytes}]",
    "and rsp, -64",
    "xor eax, eax",
    "mov [rsp + 512], rax",
    "mov [rsp + 520], rax",
    "mov [rsp + 528], rax",
    "mov [rsp + 536], rax",
    "mov [rsp + 544], rax",
    "mov [rsp + 552], rax",
    "mov [rsp + 560], rax",
    "mov [rsp + 568], rax",
    "mov eax, [rip + {layout} + {mask}]",
    "mov edx, [rip + {layout} + {mask} + 4]",
    "cmp dword ptr [rip + {layout} + {compact}], 0",
    "je 2f",
    "xsavec64 [rsp]",
    "jmp 3f",
    "2:",
    "xsave64 [rsp]",
    "3:",
    // The function expects what the ABI promises: an empty x87 stack and default rounding.
    "fninit",
    "ldmxcsr [rip + {layout} + {default_mxcsr}]",
    "mov rdi, [rbp + 136]",
    "mov rsi, [rbp + 144]",
    "call {run_injected}",
    "mov eax, [rip + {layout} + {mask}]",
    "mov edx, [rip + {layout} + {mask} + 4]",
    "xrstor64 [rsp]",
    // One instruction: atomic towards signal handlers of this thread, and nobody else writes it.
    "mov rax, [rbp + 128]",
    "dec dword ptr [rax]",
    "mov rsp, rbp",
    ".cfi_def_cfa_register rsp",
    pop!("r15"),
    pop!("r14"),
    pop!("r13"),
    pop!("r12"),
    pop!("r11"),
    pop!("r10"),
    pop!("r9"),
    pop!("r8"),
    pop!("rdi"),
    pop!("rsi"),
    pop!("rbp"),
    pop!("rbx"),
    pop!("rdx"),
    pop!("rcx"),
    pop!("rax"),
    "popfq",
    ".cfi_adjust_cfa_offset -8",
    "lea rsp, [rsp + 24]",
    ".cfi_adjust_cfa_offset -24",
    "ret 128",
    ".cfi_endproc",
    ".size preempt_fiber_trampoline, . - preempt_fiber_trampoline",
    ".global preempt_fiber_text_end",
    ".hidden preempt_fiber_text_end",
    "preempt_fiber_text_end:",
    ".popsection",
    layout = sym LAYOUT,
    run_injected = sym run_injected,
    inject_offset = const INJECT_OFFSET,
    area_bytes = const xstate::AREA_BYTES_OFFSET,
    mask = const xstate::MASK_OFFSET,
    compact = const xstate::COMPACT_OFFSET,
    default_mxcsr = const xstate::DEFAULT_MXCSR_OFFSET,
);
