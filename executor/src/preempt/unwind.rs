//! What the unwind table of a loaded object says of a function: is it frameless?
//!
//! In a function without a frame the word at the stack pointer is the return address, at each of its
//! instructions. Compilers and the hand-written assembly of libc describe each of them, for
//! debuggers, profilers and unwinding out of signal handlers; that description is the source here.
//! `PT_GNU_EH_FRAME` leads to a sorted index of all functions (Linux Standard Base, "The
//! .eh_frame_hdr section"). For ordinary code only.
//!
//! # Rejected
//! * The symbol table: where the processor has a say in which implementation is used, the symbol
//!   that programs see is that of the function that chooses, and so is its size.
//! * `_dl_find_object`, which takes no lock: glibc 2.35 and later.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, FrameDescriptionEntry, NativeEndian, Pointer,
    RegisterRule, UnwindContext, UnwindSection, X86_64,
};
use std::ops::Range;
use std::slice;

pub(crate) type Bytes = gimli::EndianSlice<'static, NativeEndian>;

/// An entry of an unwind table, and what it takes to read it.
pub(crate) struct Described {
    pub(crate) entry: FrameDescriptionEntry<Bytes>,
    pub(crate) table: EhFrame<Bytes>,
    pub(crate) bases: BaseAddresses,
}

/// The part of a loaded object that is read here. The object stays loaded.
#[derive(Debug)]
pub(crate) struct Object {
    /// The executable segment.
    code: Range<usize>,
    /// The index of its unwind table.
    index: Range<usize>,
    /// Everything that was loaded and may be read.
    readable: Vec<Range<usize>>,
}

impl Object {
    /// The object whose code contains the address, if it has an unwind table.
    ///
    /// # Safety
    /// The object is never unloaded.
    pub(crate) unsafe fn containing(address: usize) -> Option<Object> {
        let mut search = Search { address, found: None };
        // SAFETY: `visit` gets the search, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        search.found
    }

    fn from_headers(
        load_bias: usize,
        headers: &[libc::Elf64_Phdr],
        address: usize,
    ) -> Option<Object> {
        let range = |header: &libc::Elf64_Phdr| {
            let start = load_bias.wrapping_add(header.p_vaddr as usize);
            start..start.saturating_add(header.p_filesz as usize)
        };
        let segments = |flag| {
            headers
                .iter()
                .filter(move |header| header.p_type == libc::PT_LOAD && header.p_flags & flag != 0)
                .map(range)
        };
        let is_index = |header: &&libc::Elf64_Phdr| header.p_type == libc::PT_GNU_EH_FRAME;
        Some(Object {
            code: segments(libc::PF_X).find(|code| code.contains(&address))?,
            index: headers.iter().find(is_index).map(range)?,
            readable: segments(libc::PF_R).collect(),
        })
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        self.code.contains(&address)
    }

    /// The last bytes of code before an address.
    pub(crate) fn code_before<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
        let start = address.checked_sub(N).filter(|start| self.contains(*start))?;
        if !self.contains(address) {
            return None;
        }
        let start = std::ptr::with_exposed_provenance::<[u8; N]>(start);
        // SAFETY: a part of the loaded code.
        Some(unsafe { start.read() })
    }

    /// The instructions of the function that begins at `start`, if it has no frame at any of them.
    /// Parts of a function that are described apart from its beginning are not included.
    pub(super) fn frameless_function(&self, start: usize) -> Option<Range<usize>> {
        let Described { entry, table, bases } = self.description(start)?;
        let end = start.checked_add(entry.len() as usize)?;
        let is_whole = entry.initial_address() == start as u64 && end <= self.code.end;
        let is_frameless = is_frameless(&entry, &table, &bases).unwrap_or(false);
        (is_whole && is_frameless).then_some(start..end)
    }

    /// What the unwind table says of the function that the address is in.
    pub(crate) fn description(&self, address: usize) -> Option<Described> {
        let bases = BaseAddresses::default().set_eh_frame_hdr(self.index.start as u64);
        let index = EhFrameHdr::new(self.bytes_from(self.index.start)?, NativeEndian)
            .parse(&bases, size_of::<usize>() as u8)
            .ok()?;
        let Pointer::Direct(table) = index.eh_frame_ptr() else { return None };
        let bases = bases.set_eh_frame(table);
        let table = EhFrame::new(self.bytes_from(table as usize)?, NativeEndian);
        let entry = index
            .table()?
            .fde_for_address(&table, &bases, address as u64, EhFrame::cie_from_offset)
            .ok()?;
        Some(Described { entry, table, bases })
    }

    /// A word of what was loaded.
    pub(crate) fn word(&self, address: usize) -> Option<usize> {
        let (word, _) = self.bytes_from(address)?.split_first_chunk()?;
        Some(usize::from_ne_bytes(*word))
    }

    /// From the address to the end of its segment. Where the unwind table ends does not matter: only
    /// entries that the index names are read.
    fn bytes_from(&self, address: usize) -> Option<&'static [u8]> {
        let segment = self.readable.iter().find(|segment| segment.contains(&address))?;
        let start = std::ptr::with_exposed_provenance(address);
        // SAFETY: a loaded part of the object's file, which stays (`containing`) and which nobody
        // writes to: unwind tables are constant.
        Some(unsafe { slice::from_raw_parts(start, segment.end - address) })
    }
}

struct Search {
    address: usize,
    found: Option<Object>,
}

/// Called for each object by `dl_iterate_phdr`; anything but zero ends the search.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _bytes: usize,
    search: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the first is valid for the time of the call, the second is what `containing` passes.
    let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
    // SAFETY: the object's program headers.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    search.found = Object::from_headers(info.dlpi_addr as usize, headers, search.address);
    search.found.is_some().into()
}

/// Whether the return address is the word at the stack pointer in all rows of the entry, that is,
/// at each instruction.
fn is_frameless(
    entry: &FrameDescriptionEntry<Bytes>,
    table: &EhFrame<Bytes>,
    bases: &BaseAddresses,
) -> gimli::Result<bool> {
    const CALL_PUSHED: i64 = size_of::<usize>() as i64;
    // The stack pointer of the caller, after the return.
    let above_it = CfaRule::RegisterAndOffset { register: X86_64::RSP, offset: CALL_PUSHED };
    let mut context = UnwindContext::new();
    let mut rows = entry.rows(table, bases, &mut context)?;
    while let Some(row) = rows.next_row()? {
        let return_address = row.register(X86_64::RA);
        if *row.cfa() != above_it || return_address != Some(RegisterRule::Offset(-CALL_PUSHED)) {
            return Ok(false);
        }
    }
    // A signal frame's address is no return address.
    Ok(!entry.is_signal_trampoline())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::arch::global_asm;

    /// A function with a body that is not meant to be run, and its description.
    macro_rules! function {
        ($name:literal, $($line:literal),* $(,)?) => {
            global_asm!(
                ".pushsection .text.unwind_test,\"ax\",@progbits",
                concat!(".global ", $name), concat!(".hidden ", $name), concat!($name, ":"),
                ".cfi_startproc", $($line),*, "ret", ".cfi_endproc",
                concat!(".global ", $name, "_end"), concat!(".hidden ", $name, "_end"),
                concat!($name, "_end:"), "nop",
                ".popsection",
            );
        };
    }

    function!("preempt_unwind_leaf", "mov rax, rdi", "2:", "dec rax", "jnz 2b");
    function!("preempt_unwind_red_zone", "mov [rsp - 8], rdi", "mov rax, [rsp - 8]");
    function!(
        "preempt_unwind_frame",
        "sub rsp, 24",
        ".cfi_adjust_cfa_offset 24",
        "add rsp, 24",
        ".cfi_adjust_cfa_offset -24"
    );
    function!(
        "preempt_unwind_late_push",
        "test rdi, rdi",
        "push rbx",
        ".cfi_adjust_cfa_offset 8",
        "pop rbx",
        ".cfi_adjust_cfa_offset -8"
    );
    function!("preempt_unwind_other_register", ".cfi_def_cfa rdx, 8", "mov rdx, rsp");
    function!("preempt_unwind_expression", ".cfi_escape 0x0f, 0x02, 0x77, 0x08", "nop");
    function!("preempt_unwind_lost_address", ".cfi_undefined rip", "nop");
    function!("preempt_unwind_moved_address", ".cfi_offset rip, -16", "nop");
    function!("preempt_unwind_signal_frame", ".cfi_signal_frame", "nop");

    macro_rules! addresses {
        ($($name:ident),* $(,)?) => {{
            unsafe extern "C" { $(static $name: u8;)* }
            [$((&raw const $name).addr()),*]
        }};
    }

    fn this_program() -> Object {
        // SAFETY: the program stays loaded.
        unsafe { Object::containing(this_program as *const () as usize) }.unwrap()
    }

    #[test]
    fn functions_without_a_frame_are_whole_ranges() {
        let program = this_program();
        let [leaf, leaf_end, red_zone, red_zone_end] = addresses![
            preempt_unwind_leaf,
            preempt_unwind_leaf_end,
            preempt_unwind_red_zone,
            preempt_unwind_red_zone_end,
        ];
        assert_eq!(program.frameless_function(leaf), Some(leaf..leaf_end));
        assert_eq!(program.frameless_function(red_zone), Some(red_zone..red_zone_end));
        assert_eq!(program.frameless_function(leaf + 3), None, "not where it begins");
        assert_eq!(program.frameless_function(leaf_end), None, "described by nothing");
    }

    #[test]
    fn one_instruction_with_a_frame_is_enough_to_be_refused() {
        let program = this_program();
        let table = addresses![
            preempt_unwind_frame,
            preempt_unwind_late_push,
            preempt_unwind_other_register,
            preempt_unwind_expression,
            preempt_unwind_lost_address,
            preempt_unwind_moved_address,
            preempt_unwind_signal_frame,
        ];
        for (index, function) in table.into_iter().enumerate() {
            assert!(program.contains(function));
            assert_eq!(program.frameless_function(function), None, "function {index}");
        }
    }

    #[test]
    fn what_is_not_code_of_an_object_is_in_none() {
        let on_the_heap = Box::new(0_u8);
        // SAFETY: none is found, so none can be unloaded.
        assert!(unsafe { Object::containing((&raw const *on_the_heap).addr()) }.is_none());
        assert!(this_program().frameless_function((&raw const *on_the_heap).addr()).is_none());
    }
}
