//! Unwinds the stack with the unwinder that panics and backtraces use, and checks what it finds.

use std::ffi::c_void;

#[repr(C)]
struct Context {
    _private: [u8; 0],
}

/// `_Unwind_Reason_Code` values.
const CONTINUE: i32 = 0;
const END_OF_STACK: i32 = 5;

unsafe extern "C" {
    fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut Context, *mut c_void) -> i32,
        argument: *mut c_void,
    ) -> i32;
    fn _Unwind_GetIP(context: *mut Context) -> usize;
    fn _Unwind_GetRegionStart(context: *mut Context) -> usize;
}

/// What has to be found on the way down.
pub(crate) struct Search {
    /// A frame with exactly this pc (0: not looked for).
    pub(crate) pc: usize,
    /// A frame of one of these functions.
    pub(crate) functions: [usize; 2],
}

struct State {
    search: Search,
    frames: u32,
    pc_found: bool,
    function_found: bool,
}

/// Whether unwinding from here reaches the end of the stack and meets everything it should.
pub(crate) fn finds(search: Search) -> bool {
    let pc_found = search.pc == 0;
    let mut state = State { search, frames: 0, pc_found, function_found: false };
    // SAFETY: the visitor gets the state, which outlives the call.
    let reason = unsafe { _Unwind_Backtrace(visit, (&raw mut state).cast()) };
    reason == END_OF_STACK && state.pc_found && state.function_found && state.frames < 200
}

extern "C" fn visit(context: *mut Context, argument: *mut c_void) -> i32 {
    // SAFETY: `finds` passes its state; the context is valid for the duration of the visit.
    let (state, pc, start) = unsafe {
        let state = &mut *argument.cast::<State>();
        (state, _Unwind_GetIP(context), _Unwind_GetRegionStart(context))
    };
    state.frames += 1;
    state.pc_found |= pc == state.search.pc;
    state.function_found |= state.search.functions.contains(&start);
    if state.frames < 200 { CONTINUE } else { END_OF_STACK }
}
