//! A process that was started.

use super::reaper::Reaper;
use super::{ChildStderr, ChildStdin, ChildStdout};
use futures_util::future::try_join3;
use std::future::poll_fn;
use std::io;
use std::process::{Child as StdChild, ExitStatus, Output};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A process that was started, see [`Command::spawn`](super::Command::spawn).
///
/// Dropping it leaves the process running or kills it, see the [module](super).
#[derive(Debug)]
pub struct Child {
    process: Process,
    /// The other end of its standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// The other end of its standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// The other end of its standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
}

#[derive(Debug)]
enum Process {
    /// It has not ended, as far as anybody knows.
    Running(Running),
    Ended(ExitStatus),
}

#[derive(Debug)]
struct Running {
    reaper: Reaper,
    kill_on_drop: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.kill_on_drop {
            // If it fails there is nothing to be killed.
            drop(self.reaper.kill());
        }
    }
}

impl Child {
    /// # Errors
    /// If the pipes cannot be waited for. The process is killed then: nobody could talk to it.
    pub(super) fn new(mut std: StdChild, kill_on_drop: bool) -> io::Result<Child> {
        let (stdin, stdout, stderr) = (std.stdin.take(), std.stdout.take(), std.stderr.take());
        let mut running = Running { reaper: Reaper::new(std), kill_on_drop: true };
        let stdin = stdin.map(ChildStdin::from_std).transpose()?;
        let stdout = stdout.map(ChildStdout::from_std).transpose()?;
        let stderr = stderr.map(ChildStderr::from_std).transpose()?;
        running.kill_on_drop = kill_on_drop;
        Ok(Child { process: Process::Running(running), stdin, stdout, stderr })
    }

    /// The number of the process; `None`: it has ended and was waited for, so that the number may be
    /// another one's.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        match &self.process {
            Process::Running(running) => Some(running.reaper.id()),
            Process::Ended(_) => None,
        }
    }

    /// Sends the process `SIGKILL`, and does not wait for its end. Nothing happens if it was waited
    /// for.
    ///
    /// # Errors
    /// If the process is another user's by now.
    pub fn start_kill(&mut self) -> io::Result<()> {
        let Process::Running(running) = &mut self.process else { return Ok(()) };
        running.reaper.kill()?;
        running.kill_on_drop = false;
        Ok(())
    }

    /// Kills the process and waits for its end.
    ///
    /// # Errors
    /// Those of [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    ///
    /// # Cancellation
    /// The process is killed by the first poll. Call it again, or `wait`, to go on waiting.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await?;
        Ok(())
    }

    /// Waits for the end of the process. Closes its standard input first: it may wait for that. Take
    /// [`stdin`](Self::stdin) out to keep it open.
    ///
    /// # Errors
    /// If somebody else has reaped the process (`ECHILD`). If there are neither pidfds nor a
    /// listener to `SIGCHLD` to be had.
    ///
    /// # Cancellation
    /// Nothing is lost when the future is dropped. It may be called again, also after the end.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|cx| self.poll_wait(cx)).await
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        match &mut self.process {
            Process::Running(running) => {
                let status = ready!(running.reaper.poll_wait(cx))?;
                self.ended(status);
                Poll::Ready(Ok(status))
            }
            Process::Ended(status) => Poll::Ready(Ok(*status)),
        }
    }

    /// How the process has ended; `None`: it runs. Does not wait, and closes nothing.
    ///
    /// # Errors
    /// If somebody else has reaped the process (`ECHILD`).
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match &mut self.process {
            Process::Running(running) => {
                let status = running.reaper.try_wait()?;
                if let Some(status) = status {
                    self.ended(status);
                }
                Ok(status)
            }
            Process::Ended(status) => Ok(Some(*status)),
        }
    }

    fn ended(&mut self, status: ExitStatus) {
        if let Process::Running(running) = &mut self.process {
            running.kill_on_drop = false;
        }
        self.process = Process::Ended(status);
    }

    /// Closes the process's standard input, collects what it writes, and waits for its end, and
    /// until nobody has its outputs open.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait), and of reading. What was read is lost then.
    ///
    /// # Cancellation
    /// As if the child were dropped; what was read is lost.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        // Read at the same time: the process waits when one of the pipes is full.
        let (mut stdout, mut stderr) = (self.stdout.take(), self.stderr.take());
        let (status, out, err) =
            try_join3(self.wait(), read_to_end(&mut stdout), read_to_end(&mut stderr)).await?;
        Ok(Output { status, stdout: out, stderr: err })
    }
}

async fn read_to_end(from: &mut Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
