// Errors in the body point into the body.

#[preempt::main]
async fn main() -> Result<(), std::fmt::Error> {
    "1".parse::<u32>()?;
    Ok(1)
}
