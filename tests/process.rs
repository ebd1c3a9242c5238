//! Goal: child processes behave as tokio's, and none is left behind as a zombie.
//! Method: small programs of the system. What counts all children of the process is done in another
//! process.

#![cfg(target_os = "linux")]

mod files_support;

use files_support::*;
use preempt::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use preempt::runtime::{Backend, Builder};
use preempt::signal::unix::{SignalKind, signal};
use preempt::task::JoinSet;
use preempt::time::{sleep, timeout};
use std::fs;
use std::io::{ErrorKind, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Ends when its standard input is closed.
fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The state of a process, `Z` for a zombie, and its parent; `None`: there is none of this number.
fn state(process: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program is in parentheses, and may have blanks.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// The children of this process, running or not.
fn children() -> Vec<(u32, char)> {
    let entries = fs::read_dir("/proc").unwrap();
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|process| {
            let (state, parent) = state(process)?;
            (parent == std::process::id()).then_some((process, state))
        })
        .collect()
}

fn kill(process: u32, signal: i32) {
    // SAFETY: a child that was not waited for.
    assert_eq!(unsafe { libc::kill(process.cast_signed(), signal) }, 0);
}

// ---- starting ----

#[test]
fn a_process_is_told_everything() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let script = "echo $0 $1 $A $B ${C-none} ${HOME-none}; pwd; echo error >&2; exit 3";
        let mut command = Command::new("/bin/sh");
        command
            .arg0("another name")
            .arg("-c")
            .args([script, "zero", "one"])
            .env_clear()
            .envs([("A", "a"), ("B", "b")])
            .env("C", "c")
            .env_remove("C")
            .current_dir(dir.path());
        let output = command.output().await.unwrap();
        let expected = format!("zero one a b none none\n{}\n", dir.path().display());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        assert_eq!(output.stderr, b"error\n");
        assert_eq!(output.status.code(), Some(3));
        let name = Command::new("cat").arg0("other").arg("/proc/self/cmdline").output().await;
        assert!(name.unwrap().stdout.starts_with(b"other\0"));
    });
}

#[test]
fn a_command_is_stds_command() {
    let mut std = std::process::Command::new("echo");
    std.arg("one");
    let mut command = Command::from(std);
    command.as_std_mut().arg("two");
    assert_eq!(command.as_std().get_args().collect::<Vec<_>>(), ["one", "two"]);
    assert!(!command.get_kill_on_drop());
    assert!(command.kill_on_drop(true).get_kill_on_drop());
    assert_eq!(command.into_std().output().unwrap().stdout, b"one two\n");
}

#[test]
fn users_groups_and_functions() {
    beside_a_hog(|| async {
        // SAFETY: asks for a number.
        if unsafe { libc::geteuid() } == 0 {
            let output = sh("id -u; id -g").uid(54_321).gid(12_345).output().await.unwrap();
            assert_eq!(output.stdout, b"54321\n12345\n");
        } else {
            println!("skipped in part: only root can become somebody else");
        }
        let mut command = sh("ulimit -n; ps -o pgid= -p $$ 2>/dev/null || cat /proc/$$/stat");
        command.process_group(0).stdout(Stdio::piped());
        // SAFETY: the function makes one system call.
        unsafe {
            command.pre_exec(|| {
                let limit = libc::rlimit { rlim_cur: 77, rlim_max: 77 };
                libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        let id = child.id().unwrap().to_string();
        let output = child.wait_with_output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("77\n") && text[3..].contains(&id), "{text}");

        let mut failing = Command::new("true");
        // SAFETY: the function does nothing that is not allowed there.
        unsafe { failing.pre_exec(|| Err(std::io::Error::from_raw_os_error(libc::EDOM))) };
        assert_eq!(failing.spawn().unwrap_err().raw_os_error(), Some(libc::EDOM));
    });
}

#[test]
fn what_cannot_be_started_is_an_error() {
    beside_a_hog(|| async {
        let dir = TempDir::new();
        let no_program = dir.file("text", "just text");
        let kind = |command: &mut Command| command.spawn().unwrap_err().kind();
        assert_eq!(kind(&mut Command::new(dir.join("missing"))), ErrorKind::NotFound);
        assert_eq!(kind(&mut Command::new(dir.path())), ErrorKind::PermissionDenied);
        assert_eq!(kind(&mut Command::new(no_program)), ErrorKind::PermissionDenied);
        assert_eq!(kind(Command::new("true").current_dir(dir.join("no"))), ErrorKind::NotFound);
        assert_eq!(kind(&mut Command::new("a\0b")), ErrorKind::InvalidInput);
        let missing = dir.join("missing");
        let status = Command::new(&missing).status();
        assert_eq!(status.await.unwrap_err().kind(), ErrorKind::NotFound);
        let output = Command::new(&missing).output();
        assert_eq!(output.await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn without_a_runtime_nothing_is_started() {
    let dir = TempDir::new();
    let error = Command::new("touch").arg(dir.join("file")).spawn().unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
    assert!(!dir.join("file").exists());
}

#[test]
fn what_cannot_be_talked_to_is_killed() {
    Played::each_flavor(
        "what_cannot_be_talked_to_is_killed",
        |mut builder| {
            let runtime = builder.build().unwrap();
            let handle = runtime.handle().clone();
            drop(runtime);
            let _entered = handle.enter();
            let error = cat().spawn().unwrap_err();
            assert!(error.to_string().contains("shut down"), "{error}");
            eventually("it is gone", || children().is_empty());
            // Without pipes a process needs nothing of the runtime.
            let status = Command::new("true").status();
            assert!(futures::executor::block_on(status).unwrap().success());
        },
        |played| drop(played.end().succeeded()),
    );
}

// ---- waiting ----

#[test]
fn the_end_is_told_again_and_again() {
    beside_a_hog(|| async {
        let mut child = cat().spawn().unwrap();
        let id = child.id().unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        drop(child.stdin.take());
        let status = child.wait().await.unwrap();
        assert!(status.success());
        assert_eq!(state(id), None, "it is reaped");
        assert_eq!(child.wait().await.unwrap(), status);
        assert_eq!(child.try_wait().unwrap(), Some(status));
        assert_eq!(child.id(), None);
        child.start_kill().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap(), status);
    });
}

#[test]
fn waiting_closes_the_input() {
    beside_a_hog(|| async {
        let mut child = cat().spawn().unwrap();
        assert!(child.wait().await.unwrap().success());
        assert!(child.stdin.is_none());
        // But not what was taken out.
        let mut child = cat().spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let wait = timeout(Duration::from_millis(50), child.wait()).await;
        assert!(wait.is_err(), "it still can be written to");
        drop(stdin);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_process_that_ended_before_the_wait() {
    beside_a_hog(|| async {
        let mut child = Command::new("true").spawn().unwrap();
        let id = child.id().unwrap();
        while state(id).unwrap().0 != 'Z' {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(child.wait().await.unwrap().success());
        let mut child = Command::new("true").spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(child.id(), None);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_cancelled_wait_loses_nothing() {
    beside_a_hog(|| async {
        let mut child = cat().spawn().unwrap();
        let stdin = child.stdin.take();
        for _ in 0..5 {
            let mut wait = Box::pin(child.wait());
            assert!(poll_once(&mut wait).is_pending());
        }
        drop(stdin);
        let id = child.id().unwrap();
        while state(id).unwrap().0 != 'Z' {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_killed_process_says_so() {
    beside_a_hog(|| async {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        kill(child.id().unwrap(), libc::SIGTERM);
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
    });
}

#[test]
fn a_process_that_ignores_the_polite_signal() {
    beside_a_hog(|| async {
        let mut command = sh("trap '' TERM; echo ready; exec sleep 1000");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        assert_eq!(line, "ready\n");
        kill(child.id().unwrap(), libc::SIGTERM);
        assert!(timeout(Duration::from_millis(50), child.wait()).await.is_err());
        assert_eq!(child.try_wait().unwrap(), None);
        child.start_kill().unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn a_process_that_somebody_else_reaps() {
    beside_a_hog(|| async {
        for before in [true, false] {
            let mut child = cat().spawn().unwrap();
            let (id, stdin) = (child.id().unwrap(), child.stdin.take());
            let mut wait = Box::pin(child.wait());
            if !before {
                assert!(poll_once(&mut wait).is_pending());
            }
            drop(stdin);
            // SAFETY: no status is asked for.
            let reaped = unsafe { libc::waitpid(id.cast_signed(), std::ptr::null_mut(), 0) };
            assert_eq!(reaped, id.cast_signed());
            assert_eq!(wait.await.unwrap_err().raw_os_error(), Some(libc::ECHILD));
        }
    });
}

#[test]
fn a_child_is_waited_for_on_another_runtime_and_on_none() {
    on_each_flavor(|mut builder| {
        for polled_before in [false, true] {
            let runtime = builder.build().unwrap();
            let mut children: Vec<Child> = runtime.block_on(async {
                let mut children: Vec<Child> = (0..3).map(|_| cat().spawn().unwrap()).collect();
                for child in &mut children {
                    let stdin = child.stdin.take();
                    if polled_before {
                        assert!(poll_once(&mut Box::pin(child.wait())).is_pending());
                    }
                    child.stdin = stdin;
                }
                children
            });
            let id = children[0].id().unwrap();
            // Its runtime, another one, none.
            runtime.block_on(children.pop().unwrap().wait()).unwrap();
            drop(runtime);
            let other = builder.build().unwrap();
            other.block_on(children.pop().unwrap().wait()).unwrap();
            futures::executor::block_on(children.pop().unwrap().wait()).unwrap();
            assert_eq!(state(id), None);
        }
    });
}

#[test]
fn a_process_is_waited_for_when_no_descriptor_is_left() {
    Played::each_flavor(
        "a_process_is_waited_for_when_no_descriptor_is_left",
        |mut builder| {
            builder.build().unwrap().block_on(async {
                // The way by signals needs some, but only once.
                let _listener = signal(SignalKind::child()).unwrap();
                let mut child = cat().spawn().unwrap();
                let stdin = child.stdin.take();
                let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                // SAFETY: a valid structure. What is open stays open.
                assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
                assert!(std::fs::File::open("/").is_err());
                assert!(poll_once(&mut Box::pin(child.wait())).is_pending());
                drop(stdin);
                assert!(child.wait().await.unwrap().success());
                let error = cat().spawn().unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            });
        },
        |played| drop(played.end().succeeded()),
    );
}

// ---- pipes ----

#[test]
fn much_goes_through_both_ways() {
    beside_a_hog(|| async {
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at / 3) as u8).collect();
        let mut child = cat().spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = preempt::spawn({
            let bytes = bytes.clone();
            async move {
                assert!(stdin.is_write_vectored());
                let slices = [IoSlice::new(&bytes[..10]), IoSlice::new(&bytes[10..20])];
                let first = stdin.write_vectored(&slices).await.unwrap();
                stdin.write_all(&bytes[first..]).await.unwrap();
                stdin.flush().await.unwrap();
                // Does not close it.
                stdin.shutdown().await.unwrap();
            }
        });
        let output = child.wait_with_output();
        // It has taken the input away, which is with the writer.
        assert!(output.await.unwrap().stdout == bytes);
        writer.await.unwrap();
    });
}

#[test]
fn more_output_than_a_pipe_holds() {
    beside_a_hog(|| async {
        let script = "head -c 500000 /dev/zero; head -c 600000 /dev/zero >&2; echo end";
        let output = sh(script).output().await.unwrap();
        assert!(output.status.success());
        assert_eq!((output.stdout.len(), output.stderr.len()), (500_004, 600_000));
        assert!(output.stdout.ends_with(b"end\n"));
        // Nobody reads, and nobody hangs: the pipes are closed.
        let mut command = sh("head -c 500000 /dev/zero");
        let status = command.stdout(Stdio::piped()).stdin(Stdio::piped()).status().await.unwrap();
        assert!(!status.success() || status.signal() == Some(libc::SIGPIPE), "{status}");
    });
}

#[test]
fn a_conversation() {
    beside_a_hog(|| async {
        let mut child = cat().spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for number in 0..100 {
            stdin.write_all(format!("line {number}\n").as_bytes()).await.unwrap();
            let line = lines.next_line().await.unwrap().unwrap();
            assert_eq!(line, format!("line {number}"));
        }
        drop(stdin);
        assert_eq!(lines.next_line().await.unwrap(), None);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_write_to_a_process_that_is_gone() {
    beside_a_hog(|| async {
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        child.wait().await.unwrap();
        // Between fork and exec the child of another test has the pipe's other end as well.
        let error = loop {
            if let Err(error) = stdin.write_all(b"hello?").await {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn processes_are_connected() {
    beside_a_hog(|| async {
        let mut echo = sh("echo one; echo two >&2");
        let mut echo = echo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout: Stdio = echo.stdout.take().unwrap().try_into().unwrap();
        let stderr: Stdio = echo.stderr.take().unwrap().try_into().unwrap();
        for (input, expected) in [(stdout, b"ONE\n"), (stderr, b"TWO\n")] {
            let output = Command::new("tr").args(["a-z", "A-Z"]).stdin(input).output().await;
            assert_eq!(output.unwrap().stdout, expected);
        }
        assert!(echo.wait().await.unwrap().success());

        let mut sink = cat();
        let mut sink = sink.spawn().unwrap();
        let input: Stdio = sink.stdin.take().unwrap().try_into().unwrap();
        assert!(sh("echo three").stdout(input).status().await.unwrap().success());
        assert_eq!(sink.wait_with_output().await.unwrap().stdout, b"three\n");
    });
}

#[test]
fn pipes_are_descriptors() {
    beside_a_hog(|| async {
        let does_block = |fd: &OwnedFd| {
            // SAFETY: asks about an open descriptor.
            let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
            flags & libc::O_NONBLOCK == 0
        };
        let mut command = cat();
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let stderr = child.stderr.take().unwrap();
        let numbers = [stdin.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()];
        let borrowed = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
        assert_eq!(borrowed.map(|fd| fd.as_raw_fd()), numbers);
        let owned = [stdin.into_owned_fd(), stdout.into_owned_fd(), stderr.into_owned_fd()];
        let [stdin, stdout, stderr] = owned.map(Result::unwrap);
        assert!(does_block(&stdin) && does_block(&stdout) && does_block(&stderr));
        // And back.
        let mut stdin = ChildStdin::from_std(stdin.into()).unwrap();
        let mut stdout = ChildStdout::from_std(stdout.into()).unwrap();
        let mut stderr = ChildStderr::from_std(stderr.into()).unwrap();
        stdin.write_all(b"hello").await.unwrap();
        drop(stdin);
        let (mut out, mut err) = (String::new(), String::new());
        stdout.read_to_string(&mut out).await.unwrap();
        stderr.read_to_string(&mut err).await.unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("hello", ""));
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_cancelled_read_loses_nothing() {
    beside_a_hog(|| async {
        let mut child = cat().spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut bytes = [0; 10];
        for _ in 0..10 {
            assert!(poll_once(&mut Box::pin(stdout.read(&mut bytes))).is_pending());
            stdin.write_all(b"hello").await.unwrap();
            stdout.read_exact(&mut bytes[..5]).await.unwrap();
            assert_eq!(&bytes[..5], b"hello");
        }
        drop(stdin);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn the_output_ends_when_the_last_writer_goes() {
    beside_a_hog(|| async {
        // The process ends at once, and what it has started in the background holds the pipe.
        let output = sh("(sleep 0.1; echo late) & echo early").output().await.unwrap();
        assert_eq!(output.stdout, b"early\nlate\n");
    });
}

// ---- dropping ----

#[test]
fn a_dropped_process_goes_on_and_is_reaped() {
    beside_a_hog(|| async {
        let mut child = cat().spawn().unwrap();
        let id = child.id().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        drop(child);
        stdin.write_all(b"hello").await.unwrap();
        let mut bytes = [0; 5];
        stdout.read_exact(&mut bytes).await.unwrap();
        assert!(matches!(state(id), Some((state, _)) if state != 'Z'));
        drop(stdin);
        while state(id).is_some() {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_process_is_killed_when_it_is_dropped() {
    beside_a_hog(|| async {
        let endless = || {
            let mut command = Command::new("sleep");
            command.arg("1000").kill_on_drop(true);
            command
        };
        let child = endless().spawn().unwrap();
        let mut ids = vec![child.id().unwrap()];
        drop(child);

        // In the hands of a task that is aborted in the middle of a wait.
        let mut child = endless().spawn().unwrap();
        ids.push(child.id().unwrap());
        let task = preempt::spawn(async move { child.wait().await });
        preempt::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());

        let child = endless().stdout(Stdio::piped()).spawn().unwrap();
        ids.push(child.id().unwrap());
        assert!(timeout(Duration::from_millis(20), child.wait_with_output()).await.is_err());
        for id in ids {
            while state(id).is_some() {
                sleep(Duration::from_millis(1)).await;
            }
        }
        // What has ended is not killed, and not another one of its number.
        let mut child = Command::new("true").kill_on_drop(true).spawn().unwrap();
        assert!(child.wait().await.unwrap().success());
        drop(child);
    });
}

#[test]
fn a_shutdown_drops_processes() {
    on_each_flavor(|mut builder| {
        let runtime = builder.build().unwrap();
        let (killed, goes_on) = runtime.block_on(async {
            let mut killed = Command::new("sleep");
            let mut killed = killed.arg("1000").kill_on_drop(true).spawn().unwrap();
            let mut goes_on = cat().spawn().unwrap();
            let ids = (killed.id().unwrap(), goes_on.id().unwrap());
            let stdin = goes_on.stdin.take();
            preempt::spawn(async move { killed.wait().await });
            preempt::spawn(async move { goes_on.wait().await.map(|_| drop(stdin)) });
            preempt::task::yield_now().await;
            ids
        });
        drop(runtime);
        // Nobody but the library is left to reap them.
        eventually("one was killed", || state(killed).is_none());
        eventually("the other had its input closed", || state(goes_on).is_none());
    });
}

// ---- many ----

#[test]
fn many_at_a_time_leave_no_zombies() {
    Played::each_flavor(
        "many_at_a_time_leave_no_zombies",
        |builder| {
            run_beside_a_hog(builder, async {
                let mut tasks = JoinSet::new();
                for number in 0..100_usize {
                    tasks.spawn(async move {
                        let text = number.to_string();
                        match number % 4 {
                            0 => {
                                let output = Command::new("echo").arg(&text).output().await;
                                assert_eq!(output.unwrap().stdout, (text + "\n").as_bytes());
                            }
                            1 => {
                                let code = sh(&format!("exit {number}")).status().await.unwrap();
                                assert_eq!(code.code().unwrap(), number as i32);
                            }
                            // Nobody waits for these.
                            2 => drop(Command::new("true").spawn().unwrap()),
                            _ => {
                                let mut endless = Command::new("sleep");
                                drop(endless.arg("1000").kill_on_drop(true).spawn().unwrap());
                            }
                        }
                    });
                }
                while let Some(ended) = tasks.join_next().await {
                    ended.unwrap();
                }
            });
            eventually("all are reaped", || children().is_empty());
        },
        |played| drop(played.end().succeeded()),
    );
}

#[test]
fn zombies_are_reaped_also_if_every_thread_blocks_the_signal() {
    Played::each_flavor_of(
        "zombies_are_reaped_also_if_every_thread_blocks_the_signal",
        |mut builder| {
            let runtime = builder.build().unwrap();
            runtime.block_on(async {
                for _ in 0..10 {
                    drop(sh("sleep 0.01").spawn().unwrap());
                }
                assert!(sh("exit 0").status().await.unwrap().success());
            });
            eventually("all are reaped", || children().is_empty());
            // By the signal alone, as there is no runtime.
            let mut children: Vec<Child> =
                runtime.block_on(async { (0..10).map(|_| cat().spawn().unwrap()).collect() });
            let waits = children.iter_mut().map(Child::wait);
            let ended = futures::executor::block_on(futures::future::join_all(waits));
            assert!(ended.into_iter().all(|status| status.unwrap().success()));
        },
        |command| {
            // SAFETY: the closure makes one system call.
            unsafe {
                command.pre_exec(|| {
                    let mut set = std::mem::zeroed();
                    libc::sigaddset(&mut set, libc::SIGCHLD);
                    libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
                    Ok(())
                });
            }
            Played::start(command).end().succeeded();
        },
    );
}

#[test]
fn processes_and_descriptors_under_a_storm_of_signals() {
    Played::each_flavor(
        "processes_and_descriptors_under_a_storm_of_signals",
        |_| {
            for backend in [Backend::User, Backend::Kernel] {
                if !backend.is_supported() {
                    println!("skipped: {backend}");
                    continue;
                }
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(2).backend(backend).time_slice(Duration::from_micros(200));
                let runtime = builder.build().unwrap();
                let stop = Stop::new();
                for _ in 0..2 {
                    let stop = stop.signal();
                    runtime.spawn(async move { stop.spin() });
                }
                let kind = SignalKind::user_defined2();
                let _harmless = signal(kind).unwrap();
                let storm = std::thread::spawn({
                    let stop = stop.signal();
                    move || {
                        while !stop.is_set() {
                            kill(std::process::id(), kind.as_raw_value());
                            std::thread::sleep(Duration::from_micros(50));
                        }
                    }
                });
                let work = runtime.spawn(async {
                    let mut tasks = JoinSet::new();
                    for _ in 0..30 {
                        tasks.spawn(async {
                            let output = sh("head -c 100000 /dev/zero").output().await.unwrap();
                            assert!(output.status.success());
                            assert_eq!(output.stdout.len(), 100_000);
                        });
                    }
                    while let Some(ended) = tasks.join_next().await {
                        ended.unwrap();
                    }
                });
                runtime.block_on(work).unwrap();
                stop.stop();
                storm.join().unwrap();
            }
            eventually("all are reaped", || children().is_empty());
            let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
            assert!(descriptors < 20, "{descriptors} are open");
        },
        |played| drop(played.end().succeeded()),
    );
}

#[test]
fn what_tasks_need_to_share() {
    fn is_shared<T: Send + Sync + Unpin>(_: Option<T>) {}
    fn is_sent<T: Send>(_: impl FnOnce(&'static mut Command, Child) -> T) {}
    is_shared(None::<Command>);
    is_shared(None::<Child>);
    is_shared(None::<ChildStdin>);
    is_shared(None::<ChildStdout>);
    is_shared(None::<ChildStderr>);
    is_sent(|command, _| command.status());
    is_sent(|command, _| command.output());
    is_sent(|_, child| child.wait_with_output());
}
