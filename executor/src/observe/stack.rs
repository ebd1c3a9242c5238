//! A stack at one moment: the registers of a thread, and a copy of the memory above its stack
//! pointer. Made where the code runs or is suspended; unwound later, on another thread, where it
//! does no harm that this takes time, memory and locks.
//!
//! # Signal safety
//! [`Registers::interrupted`] and [`Copied::copy`] may be called in a handler: they read and copy
//! memory, nothing else.
//!
//! # Rejected
//! * Unwinding in the handler: it would have to find the unwind tables of all libraries without a
//!   lock, and would keep the poll for as long as its stack is deep.
//! * Frame pointers: Rust's standard library and most programs are built without.

use preempt_fiber::Stack;
use std::arch::asm;
use std::ptr;

/// How much of a stack is copied at most: the innermost frames.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// The registers that unwinding needs, by their DWARF numbers (System V ABI, x86-64, figure 3.36).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    pub(crate) pc: usize,
    pub(crate) general: [usize; 16],
    /// One bit for each general register whose value is known.
    pub(crate) known: u16,
}

pub(crate) const RBX: usize = 3;
pub(crate) const RBP: usize = 6;
pub(crate) const RSP: usize = 7;
const CALLEE_SAVED: u16 = 1 << RBX | 1 << RBP | 1 << RSP | 0b1111 << 12;

impl Registers {
    /// Those of the calling function. Valid as long as it does not return; so it has to be inlined
    /// into the one that is meant.
    #[inline(always)]
    pub(crate) fn here() -> Self {
        let mut general = [0_usize; 16];
        let pc: usize;
        // SAFETY: stores registers into the array and changes nothing else.
        unsafe {
            asm!(
                "mov [{to} + 24], rbx",
                "mov [{to} + 48], rbp",
                "mov [{to} + 56], rsp",
                "mov [{to} + 96], r12",
                "mov [{to} + 104], r13",
                "mov [{to} + 112], r14",
                "mov [{to} + 120], r15",
                "lea {pc}, [rip]",
                to = in(reg) general.as_mut_ptr(),
                pc = out(reg) pc,
                options(nostack, preserves_flags),
            );
        }
        Registers { pc, general, known: CALLEE_SAVED }
    }

    /// Those of the code that a signal has interrupted.
    ///
    /// # Safety
    /// `context` is the third argument of the running handler.
    pub(crate) unsafe fn interrupted(context: *const libc::ucontext_t) -> Self {
        use libc::{
            REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RAX, REG_RBP,
            REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP,
        };
        const ORDER: [i32; 16] = [
            REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9,
            REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
        ];
        // SAFETY: the caller's contract; the kernel has filled them in.
        let saved = unsafe { &(*context).uc_mcontext.gregs };
        Registers {
            pc: saved[REG_RIP as usize] as usize,
            general: ORDER.map(|register| saved[register as usize] as usize),
            known: u16::MAX,
        }
    }

    /// Those of which only the two are known.
    pub(crate) fn at(pc: usize, sp: usize) -> Self {
        let mut general = [0; 16];
        general[RSP] = sp;
        Registers { pc, general, known: 1 << RSP }
    }

    pub(crate) fn sp(&self) -> usize {
        self.general[RSP]
    }

    pub(crate) fn set(&mut self, register: usize, value: usize) {
        self.general[register] = value;
        self.known |= 1 << register;
    }

    pub(crate) fn get(&self, register: usize) -> Option<usize> {
        (self.known.checked_shr(register as u32)? & 1 == 1).then(|| self.general[register])
    }
}

/// Registers and a copy of the innermost part of a stack.
pub(crate) struct Copied {
    pub(crate) registers: Registers,
    /// Room for [`MOST_BYTES`]; the first `length` are valid.
    bytes: Box<[u8]>,
    length: usize,
}

impl Copied {
    /// With room, and nothing in it.
    pub(crate) fn new() -> Self {
        Copied {
            registers: Registers::at(0, 0),
            bytes: vec![0; MOST_BYTES].into_boxed_slice(),
            length: 0,
        }
    }

    /// Copies a stack, from the stack pointer to its upper end at most. Allocates nothing.
    ///
    /// # Safety
    /// The registers are those of code that is not running: it is interrupted, suspended, or has
    /// called this. `stack` is what it runs on.
    pub(crate) unsafe fn copy(&mut self, registers: Registers, stack: Stack) {
        let sp = registers.sp();
        let is_on_stack = stack.lo <= sp && sp <= stack.hi;
        let length = if is_on_stack { (stack.hi - sp).min(MOST_BYTES) } else { 0 };
        let from = ptr::with_exposed_provenance::<u8>(sp);
        // SAFETY: within the stack, which is mapped and which nobody writes to above the stack
        // pointer meanwhile; within the buffer.
        unsafe { ptr::copy_nonoverlapping(from, self.bytes.as_mut_ptr(), length) };
        self.registers = registers;
        self.length = length;
    }

    /// As [`copy`](Self::copy), of a thread that may go on meanwhile: `read` fills the buffer from
    /// the address on and answers how much it could read.
    pub(crate) fn copy_with(
        &mut self,
        registers: Registers,
        read: impl FnOnce(usize, &mut [u8]) -> usize,
    ) {
        self.length = read(registers.sp(), &mut self.bytes).min(MOST_BYTES);
        self.registers = registers;
    }

    /// The word at an address of the stack, if it was copied.
    pub(crate) fn word(&self, address: usize) -> Option<usize> {
        const WORD: usize = size_of::<usize>();
        let start = address.checked_sub(self.registers.sp())?;
        let bytes = self.bytes[..self.length].get(start..start.checked_add(WORD)?)?;
        Some(usize::from_ne_bytes(bytes.try_into().ok()?))
    }
}
