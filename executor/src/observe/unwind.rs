//! From a copied stack to the addresses of its frames, by the unwind tables of the loaded objects
//! (`.eh_frame`; DWARF 5, section 6.4). Ordinary code: takes the dynamic linker's lock and allocates.

use super::stack::{Copied, RBP, RSP, Registers};
use crate::preempt::unwind::{Bytes, Described, Object};
use gimli::{
    CfaRule, EvaluationResult, Location, RegisterRule, UnwindContext, UnwindExpression,
    UnwindTableRow, Value, X86_64,
};

/// A frame without a known frame pointer is looked for in so many words.
const MOST_FRAME_WORDS: usize = 256;

/// More frames are not looked at.
const MOST_FRAMES: usize = 192;

/// Unwinds stacks. Keeps the objects that it has met; not to be kept itself for longer than they
/// stay loaded.
pub(crate) struct Unwinder {
    objects: Vec<Object>,
    context: UnwindContext<usize>,
}

impl Unwinder {
    pub(crate) fn new() -> Self {
        Unwinder { objects: Vec::new(), context: UnwindContext::new() }
    }

    /// Where the functions of the stack are, the innermost first, as far as they were copied and are
    /// described. For a call it is one less than the return address, which may belong to another
    /// line, or to another function.
    pub(crate) fn walk(&mut self, stack: &Copied) -> Vec<usize> {
        let mut places = Vec::new();
        let mut registers = stack.registers;
        let mut is_return_address = false;
        while places.len() < MOST_FRAMES && registers.pc != 0 {
            let instruction = registers.pc - usize::from(is_return_address);
            places.push(instruction);
            let Some((caller, was_signalled)) = self.step(&registers, instruction, stack) else {
                break;
            };
            // The stack grows downwards; anything else is a table that is wrong here.
            if caller.sp() <= registers.sp() {
                break;
            }
            registers = caller;
            is_return_address = !was_signalled;
        }
        places
    }

    /// The registers of the caller; and whether it was interrupted rather than that it called.
    fn step(
        &mut self,
        registers: &Registers,
        instruction: usize,
        stack: &Copied,
    ) -> Option<(Registers, bool)> {
        let described = self.object(instruction)?.description(instruction)?;
        let mut registers = *registers;
        if registers.get(RBP).is_none() && self.has_frame_pointer(&described, instruction) {
            registers.set(RBP, self.frame_of(&described, registers.sp(), stack)?);
        }
        let registers = &registers;
        let Described { entry, table, bases } = &described;
        let row = entry
            .unwind_info_for_address(table, bases, &mut self.context, instruction as u64)
            .ok()?;
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                registers.get(register.0.into())?.wrapping_add_signed(*offset as isize)
            }
            CfaRule::Expression(expression) => {
                evaluate(expression, &described, registers, stack, None)?
            }
        };
        let value_of = |rule, own: Option<usize>| match rule {
            None | Some(RegisterRule::SameValue) => own,
            Some(RegisterRule::Offset(offset)) => {
                stack.word(cfa.wrapping_add_signed(offset as isize))
            }
            Some(RegisterRule::ValOffset(offset)) => Some(cfa.wrapping_add_signed(offset as isize)),
            Some(RegisterRule::Register(other)) => registers.get(other.0.into()),
            Some(RegisterRule::Expression(expression)) => {
                stack.word(evaluate(&expression, &described, registers, stack, Some(cfa))?)
            }
            Some(RegisterRule::ValExpression(expression)) => {
                evaluate(&expression, &described, registers, stack, Some(cfa))
            }
            Some(_) => None,
        };
        // A function that nothing has called has none.
        let pc = value_of(Some(row.register(X86_64::RA)?), None)?;
        let mut caller = Registers { pc, general: [0; 16], known: 0 };
        for number in 0..16_u16 {
            let own = registers.get(number.into());
            let value = match row.register(gimli::Register(number)) {
                None if usize::from(number) == RSP => Some(cfa),
                rule => value_of(rule, own),
            };
            if let Some(value) = value {
                caller.set(number.into(), value);
            }
        }
        Some((caller, entry.is_signal_trampoline()))
    }

    /// Whether the function has its frame where the frame pointer says.
    fn has_frame_pointer(&mut self, described: &Described, instruction: usize) -> bool {
        let Described { entry, table, bases } = described;
        let address = instruction as u64;
        let row = entry.unwind_info_for_address(table, bases, &mut self.context, address);
        row.is_ok_and(is_by_frame_pointer)
    }

    /// Where a function has its frame, whose frame pointer is not known (the kernel does not tell it of
    /// a thread that sleeps): there its caller's frame pointer lies, and above that the return address.
    /// It is where the function's first instructions have put it; if they are not as usual, where there
    /// is a return address behind a call of just this function.
    fn frame_of(&mut self, described: &Described, sp: usize, stack: &Copied) -> Option<usize> {
        let return_address = |frame: usize| stack.word(frame + size_of::<usize>()).unwrap_or(0);
        let usual = self.frame_bytes(described).map(|bytes| sp + bytes);
        let is_usual = |frame: &usize| {
            let address = return_address(*frame);
            self.object(address).is_some_and(|object| is_call(object, address))
        };
        if let Some(frame) = usual.filter(is_usual) {
            return Some(frame);
        }
        let function = described.entry.initial_address() as usize;
        (0..MOST_FRAME_WORDS).map(|word| sp + word * size_of::<usize>()).find(|frame| {
            let address = return_address(*frame);
            self.object(address).is_some_and(|object| is_call_of(object, address, function))
        })
    }

    /// How far below the frame the stack pointer is, after the function's first instructions: they save
    /// registers, of which the table tells, and make room for variables, of which it does not.
    fn frame_bytes(&mut self, described: &Described) -> Option<usize> {
        let Described { entry, table, bases } = described;
        let mut rows = entry.rows(table, bases, &mut self.context).ok()?;
        let mut begin = None;
        while let Ok(Some(row)) = rows.next_row() {
            let lowest = |row: &UnwindTableRow<usize>| {
                let saved = row.registers().filter_map(|(_, rule)| match rule {
                    RegisterRule::Offset(offset) => Some(*offset),
                    _ => None,
                });
                saved.min()
            };
            // The first row that has all saved registers.
            if is_by_frame_pointer(row) {
                match (begin, lowest(row)) {
                    (Some((_, before)), Some(now)) if before <= now => {}
                    (_, Some(now)) => begin = Some((row.start_address() as usize, now)),
                    _ => {}
                }
            }
        }
        let (address, lowest) = begin?;
        let object = self.object(address)?;
        let room = room_made(object.code_before::<7>(address)?)
            .or_else(|| room_made_from(object.code_before::<7>(address + 7)?))
            .unwrap_or(0);
        // The frame is two words below the caller's stack pointer, which the offsets are from.
        usize::try_from(-lowest).ok()?.checked_sub(2 * size_of::<usize>())?.checked_add(room)
    }

    fn object(&mut self, address: usize) -> Option<&Object> {
        if let Some(known) = self.objects.iter().position(|object| object.contains(address)) {
            return Some(&self.objects[known]);
        }
        // SAFETY: the object has a frame on a stack that exists, or had a moment ago.
        let object = unsafe { Object::containing(address) }?;
        self.objects.push(object);
        self.objects.last()
    }
}

/// Whether the code before a return address calls the function, directly or by the table of a
/// dynamically linked program.
fn is_call_of(object: &Object, return_address: usize, function: usize) -> bool {
    let Some([opcode, mode, offset @ ..]) = object.code_before::<6>(return_address) else {
        return false;
    };
    let target = return_address.wrapping_add_signed(i32::from_le_bytes(offset) as isize);
    match (opcode, mode) {
        (_, 0xe8) => target == function,
        (0xff, 0x15) => object.word(target) == Some(function),
        _ => false,
    }
}

/// Whether the code before a return address is a call.
fn is_call(object: &Object, return_address: usize) -> bool {
    let is_indirect = |code: &[u8]| code[0] == 0xff && code[1] >> 3 & 0b111 == 0b010;
    let Some(code) = object.code_before::<7>(return_address) else { return false };
    // By an offset; by a register or memory, whose address is of up to seven bytes in all.
    code[2] == 0xe8 || [0, 1, 3, 4, 5].iter().any(|&start| is_indirect(&code[start..]))
}

fn is_by_frame_pointer(row: &UnwindTableRow<usize>) -> bool {
    matches!(row.cfa(), CfaRule::RegisterAndOffset { register: X86_64::RBP, .. })
}

/// How much room code makes whose last instruction is `sub rsp, ..`.
fn room_made(code: [u8; 7]) -> Option<usize> {
    match code {
        [_, _, _, 0x48, 0x83, 0xec, bytes] => Some(bytes.into()),
        _ => room_made_from(code).filter(|_| code[1] == 0x81),
    }
}

/// How much room code makes whose first instruction is `sub rsp, ..`.
fn room_made_from(code: [u8; 7]) -> Option<usize> {
    match code {
        [0x48, 0x83, 0xec, bytes, ..] => Some(bytes.into()),
        [0x48, 0x81, 0xec, bytes @ ..] => usize::try_from(u32::from_le_bytes(bytes)).ok(),
        _ => None,
    }
}

/// The value of an expression. That of a register's rule begins with the frame's address on its stack.
fn evaluate(
    expression: &UnwindExpression<usize>,
    described: &Described,
    registers: &Registers,
    stack: &Copied,
    cfa: Option<usize>,
) -> Option<usize> {
    let expression = expression.get::<Bytes, _>(&described.table).ok()?;
    let mut evaluation = expression.evaluation(described.entry.cie().encoding());
    if let Some(cfa) = cfa {
        evaluation.set_initial_value(cfa as u64);
    }
    let mut result = evaluation.evaluate().ok()?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                let word = stack.word(address as usize)?;
                evaluation.resume_with_memory(Value::Generic(word as u64)).ok()?
            }
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = if register == X86_64::RA {
                    registers.pc
                } else {
                    registers.get(register.0.into())?
                };
                evaluation.resume_with_register(Value::Generic(value as u64)).ok()?
            }
            _ => return None,
        };
    }
    match evaluation.as_result().last()?.location {
        Location::Address { address } => Some(address as usize),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::kernel;
    use crate::observe::symbols::Symbols;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    /// Functions of the standard library have frame pointers, and the kernel does not tell them.
    #[test]
    fn a_thread_that_sleeps_is_unwound_without_its_registers() {
        #[inline(never)]
        fn sleeps_here() {
            thread::sleep(Duration::from_millis(700));
        }
        let (tell, told) = channel();
        let sleeper = thread::spawn(move || {
            // SAFETY: asks for a number.
            tell.send(unsafe { libc::gettid() }).unwrap();
            sleeps_here();
        });
        let thread = usize::try_from(told.recv().unwrap()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let is_sleep = |found: &kernel::Asleep| {
            found.system_call.and_then(kernel::name_of) == Some("clock_nanosleep")
        };
        let found = loop {
            match kernel::asleep(thread).filter(is_sleep) {
                Some(found) => break found,
                None => assert!(Instant::now() < deadline),
            }
        };
        let mut stack = Copied::new();
        stack.copy_with(Registers::at(found.pc, found.sp), kernel::read_memory);
        let frames = Symbols::default().frames(&Unwinder::new().walk(&stack));
        let functions: Vec<_> =
            frames.iter().filter_map(|frame| frame.function.as_deref()).collect();
        println!("{functions:#?}");
        let has = |name: &str| functions.iter().any(|function| function.ends_with(name));
        assert!(has("functions::sleep"));
        assert!(has("sleeps_here"));
        assert!(has("clone3"), "to the end");
        sleeper.join().unwrap();
    }
}
