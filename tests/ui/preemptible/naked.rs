use preempt::preemptible;

#[preemptible]
#[unsafe(naked)]
extern "C" fn nothing() {
    core::arch::naked_asm!("ret")
}

fn main() {
    let _ = nothing;
}
