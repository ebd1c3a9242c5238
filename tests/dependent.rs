//! Goal: what the macros need is there for a program that depends on `preempt` alone, with the features
//! that `preempt` itself asks for. In this package they do not tell: its tests have all of tokio.
//! Method: such a program is built, outside of the workspace but with its versions, and run.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn a_program_that_depends_on_nothing_else() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dependent");
    fs::create_dir_all(package.join("src")).unwrap();
    fs::copy(here.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    fs::copy(here.join("tests/dependent/program.rs"), package.join("src/main.rs")).unwrap();
    let manifest = format!(
        "[package]\nname = \"dependent\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [workspace]\n\n[dependencies]\npreempt = {{ path = {here:?} }}\n"
    );
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--offline", "--quiet", "--target-dir"])
        .arg(package.join("target"))
        .current_dir(&package)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.trim() == "36", "{text}\n{errors}");
}
