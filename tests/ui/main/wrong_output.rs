#[path = "../stand_in.rs"]
mod stand_in;

// Errors in the body point into the body.

#[preempt_macros::main(crate = stand_in)]
async fn main() -> Result<(), std::fmt::Error> {
    "1".parse::<u32>()?;
    Ok(1)
}
