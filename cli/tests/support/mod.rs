//! Programs in processes of their own.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

/// The example, which is a part of another package and so is not built by cargo before this test.
fn example() -> &'static Path {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let program = Path::new(env!("CARGO_BIN_EXE_preempt"));
        let profile = program.parent().expect("target/PROFILE");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace"));
        cargo.args(["build", "--quiet", "--package", "preempt", "--example", "debug_endpoint"]);
        cargo.arg("--all-features");
        cargo.arg("--target-dir").arg(profile.parent().expect("target"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success());
        profile.join("examples/debug_endpoint")
    })
}

/// A program that says where it listens, and is killed with this value.
pub(crate) struct Listening {
    child: Child,
    pub(crate) addr: String,
}

impl Listening {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("text");
        let addr = line.trim().strip_prefix("listening on ").map(str::to_owned);
        Listening { child, addr: addr.unwrap_or_else(|| panic!("{line:?}")) }
    }

    /// Waits for its end, and returns what it has complained of.
    pub(crate) fn finish(mut self) -> (ExitStatus, String) {
        let mut complaint = String::new();
        let stderr = self.child.stderr.as_mut().expect("it is piped");
        stderr.read_to_string(&mut complaint).expect("text");
        (self.child.wait().expect("a child of ours"), complaint)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example, which is there to be looked at.
pub(crate) struct Observed(Listening);

impl Observed {
    pub(crate) fn start() -> Self {
        Observed(Listening::start(Command::new(example()).arg("127.0.0.1:0")))
    }
}

impl Deref for Observed {
    type Target = Listening;

    fn deref(&self) -> &Listening {
        &self.0
    }
}
