//! What to run, and how.

use super::Child;
use crate::runtime::Handle;
use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command as StdCommand, ExitStatus, Output, Stdio};

/// What to run, and how: `std::process::Command`, which it can be made from.
#[derive(Debug)]
pub struct Command {
    std: StdCommand,
    kill_on_drop: bool,
}

impl Command {
    /// A program, by its path or its name in `PATH`, without arguments, with this process's
    /// environment, directory and standard streams.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Self::from(StdCommand::new(program))
    }

    /// std's command.
    #[must_use]
    pub fn as_std(&self) -> &StdCommand {
        &self.std
    }

    /// std's command, for what has no method here.
    pub fn as_std_mut(&mut self) -> &mut StdCommand {
        &mut self.std
    }

    /// std's command. Whether to kill on drop is lost.
    #[must_use]
    pub fn into_std(self) -> StdCommand {
        self.std
    }

    /// One more argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, argument: S) -> &mut Command {
        self.std.arg(argument);
        self
    }

    /// More arguments.
    pub fn args<I, S>(&mut self, arguments: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(arguments);
        self
    }

    /// Sets a variable of the environment.
    pub fn env<K, V>(&mut self, key: K, value: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.env(key, value);
        self
    }

    /// Sets variables of the environment.
    pub fn envs<I, K, V>(&mut self, variables: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(variables);
        self
    }

    /// Takes a variable of the environment out.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Starts with an empty environment.
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// The directory that the process works in.
    pub fn current_dir<P: AsRef<Path>>(&mut self, directory: P) -> &mut Command {
        self.std.current_dir(directory);
        self
    }

    /// What its standard input is. The default is this process's, for [`output`](Self::output)
    /// too.
    pub fn stdin<T: Into<Stdio>>(&mut self, from: T) -> &mut Command {
        self.std.stdin(from);
        self
    }

    /// Where its standard output goes. The default is where this process's goes.
    pub fn stdout<T: Into<Stdio>>(&mut self, to: T) -> &mut Command {
        self.std.stdout(to);
        self
    }

    /// Where its standard error goes. The default is where this process's goes.
    pub fn stderr<T: Into<Stdio>>(&mut self, to: T) -> &mut Command {
        self.std.stderr(to);
        self
    }

    /// Whether the process is killed (`SIGKILL`) when its [`Child`], or the future of
    /// [`status`](Self::status) or [`output`](Self::output), is dropped before it has ended. The
    /// default is `false`.
    ///
    /// Nobody waits for the end of the process then; it is reaped later.
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// See [`kill_on_drop`](Self::kill_on_drop).
    #[must_use]
    pub fn get_kill_on_drop(&self) -> bool {
        self.kill_on_drop
    }

    /// The user that it runs as.
    pub fn uid(&mut self, user: u32) -> &mut Command {
        self.std.uid(user);
        self
    }

    /// The group that it runs as.
    pub fn gid(&mut self, group: u32) -> &mut Command {
        self.std.gid(group);
        self
    }

    /// What the program is told that it is called: its zeroth argument.
    pub fn arg0<S: AsRef<OsStr>>(&mut self, name: S) -> &mut Command {
        self.std.arg0(name);
        self
    }

    /// The process group that it joins; zero: a new one of its own.
    pub fn process_group(&mut self, group: i32) -> &mut Command {
        self.std.process_group(group);
        self
    }

    /// Calls `function` in the new process, before the program.
    ///
    /// # Safety
    /// The new process has the memory of this one as it was at some instant, and only one thread:
    /// the function must not allocate, lock or call whatever else is not signal-safe. See std's
    /// method of this name.
    pub unsafe fn pre_exec<F>(&mut self, function: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller's contract is the same.
        unsafe { self.std.pre_exec(function) };
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    /// Outside a runtime; if the program does not exist or cannot be run, the directory or the user
    /// does not exist, or a function of [`pre_exec`](Self::pre_exec) fails; if there are too many
    /// processes or open files. There is no process then.
    pub fn spawn(&mut self) -> io::Result<Child> {
        Handle::try_current().map_err(io::Error::other)?;
        Child::new(self.std.spawn()?, self.kill_on_drop)
    }

    /// Starts the process now, and waits for its end. Pipes to it are closed.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Cancellation
    /// When the future is dropped the process goes on, unless it is to be killed
    /// ([`kill_on_drop`](Self::kill_on_drop)).
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            // It may wait for one of them to be read or closed.
            drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }

    /// Starts the process now, collects what it writes to its standard output and standard error,
    /// and waits for its end. What was set for these two before is replaced.
    ///
    /// # Errors
    /// Those of [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Cancellation
    /// As [`status`](Self::status).
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        self.std.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.spawn();
        async { child?.wait_with_output().await }
    }
}

impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Command {
        Command { std, kill_on_drop: false }
    }
}
