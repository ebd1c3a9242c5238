//! Where the program's own instructions are.

use std::ops::Range;

/// Text of the test program, which includes std and everything statically linked.
///
/// Without the linker's `.plt`, whose stubs jump into libc and have no unwind tables.
pub(crate) fn own_text() -> Range<usize> {
    let (bias, text) = (load_bias(), text_section());
    let text = bias + text.start..bias + text.end;
    assert!(text.contains(&(own_text as *const () as usize)));
    text
}

/// Difference between the addresses in the file and those in memory.
fn load_bias() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let exe = std::env::current_exe().expect("a path");
    let first = maps.lines().find(|line| line.ends_with(exe.to_str().unwrap())).expect("mapped");
    usize::from_str_radix(first.split('-').next().unwrap(), 16).expect("an address")
}

/// Addresses of the section `.text`, from the ELF file.
fn text_section() -> Range<usize> {
    let file = std::fs::read("/proc/self/exe").expect("the program's file");
    let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap()) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let (headers, count, names) = (word(0x28), half(0x3c), half(0x3e));
    let header = |index: usize| headers + index * 64;
    let name_table = word(header(names) + 0x18);
    let named = |index: &usize| {
        let offset =
            u32::from_le_bytes(file[header(*index)..header(*index) + 4].try_into().unwrap());
        file[name_table + offset as usize..].starts_with(b".text\0")
    };
    let text = (0..count).find(named).map(header).expect("a section .text");
    word(text + 0x10)..word(text + 0x10) + word(text + 0x20)
}
