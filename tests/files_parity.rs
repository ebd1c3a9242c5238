//! Goal: code that is written against `tokio::{fs, signal, process}` and tokio's standard streams
//! moves over by renaming.
//! Method: the same text is compiled against both crates. It calls every public method of the types
//! with its arguments and results spelled out, and is never run.
#![cfg(target_os = "linux")]
#![allow(dead_code, unreachable_code, reason = "the code is only compiled")]
#![allow(unused_must_use, reason = "the code is only compiled")]

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::fs::{FileType, Metadata, Permissions};
use std::future::Future;
use std::io::Result;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::task::{Context, Poll};
use std::time::SystemTime;

/// A value that no code comes to.
fn any<T>() -> T {
    unreachable!("the code is only compiled")
}

fn is_send<T: Send>(it: T) -> T {
    it
}

macro_rules! code {
    ($name:ident, $krate:ident) => {
        mod $name {
            use super::*;
            use $krate::fs::{self, DirBuilder, DirEntry, File, FileTimes, OpenOptions, ReadDir};
            use $krate::io::{
                AsyncRead, AsyncSeek, AsyncWrite, Stderr, Stdin, Stdout, stderr, stdin, stdout,
            };
            use $krate::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
            use $krate::signal::unix::{Signal, SignalKind, signal};

            fn shared<T: Send + Sync + Unpin + Debug>() {}

            fn all_traits() {
                shared::<DirBuilder>();
                shared::<DirEntry>();
                shared::<File>();
                shared::<OpenOptions>();
                shared::<ReadDir>();
                shared::<Stderr>();
                shared::<Stdin>();
                shared::<Stdout>();
                shared::<Child>();
                shared::<ChildStderr>();
                shared::<ChildStdin>();
                shared::<ChildStdout>();
                shared::<Command>();
                shared::<Signal>();
                shared::<SignalKind>();
                fn reads<T: AsyncRead + AsFd + AsRawFd>() {}
                reads::<File>();
                reads::<Stdin>();
                reads::<ChildStderr>();
                reads::<ChildStdout>();
                fn writes<T: AsyncWrite + AsFd + AsRawFd>() {}
                writes::<File>();
                writes::<Stderr>();
                writes::<Stdout>();
                writes::<ChildStdin>();
                fn stdio<T: TryInto<Stdio, Error = std::io::Error>>() {}
                stdio::<ChildStderr>();
                stdio::<ChildStdin>();
                stdio::<ChildStdout>();
                fn file<T: AsyncSeek + From<std::fs::File> + From<OwnedFd> + FromRawFd>() {}
                file::<File>();
                fn options<T: Default + Clone + From<std::fs::OpenOptions>>() {}
                options::<OpenOptions>();
                fn kind<T: Copy + Eq + std::hash::Hash + From<i32> + Into<i32>>() {}
                kind::<SignalKind>();
                fn times<T: Clone + Default>() {}
                times::<FileTimes>();
                fn command<T: From<std::process::Command>>() {}
                command::<Command>();
            }

            async fn paths(a: &Path, b: String) -> Result<()> {
                let _: PathBuf = fs::canonicalize(a).await?;
                let _: u64 = fs::copy(a, &b).await?;
                let _: () = fs::create_dir(&b).await?;
                let _: () = fs::create_dir_all("x").await?;
                let _: () = fs::hard_link(a, &b).await?;
                let _: Metadata = fs::metadata(a).await?;
                let _: Vec<u8> = fs::read(a).await?;
                let _: ReadDir = fs::read_dir(a).await?;
                let _: PathBuf = fs::read_link(a).await?;
                let _: String = fs::read_to_string(a).await?;
                let _: () = fs::remove_dir(a).await?;
                let _: () = fs::remove_dir_all(a).await?;
                let _: () = fs::remove_file(a).await?;
                let _: () = fs::rename(a, &b).await?;
                let _: () = fs::set_permissions(a, any::<Permissions>()).await?;
                let _: () = fs::symlink(a, &b).await?;
                let _: Metadata = fs::symlink_metadata(a).await?;
                let _: bool = fs::try_exists(a).await?;
                let _: () = fs::write(a, "text").await?;
                let _: () = fs::write(a, vec![1_u8]).await?;
                fs::write(a, &[1_u8][..]).await
            }

            async fn files(path: &Path, mut file: File) -> Result<()> {
                let _: File = File::open(path).await?;
                let _: File = File::create(path).await?;
                let _: File = File::create_new::<&Path>(path).await?;
                let mut options: OpenOptions = File::options();
                let options: &mut OpenOptions = options.read(true).write(true).append(true);
                let options: &mut OpenOptions = options.truncate(true).create(true);
                let options: &OpenOptions = options.create_new(true).mode(0o600).custom_flags(0);
                let _: File = options.open(path).await?;
                let _: File = File::from_std(any());
                let _: () = file.sync_all().await?;
                let _: () = file.sync_data().await?;
                let _: () = file.set_len(1_u64).await?;
                let _: Metadata = file.metadata().await?;
                let _: File = file.try_clone().await?;
                let _: () = file.set_permissions(any::<Permissions>()).await?;
                let now = SystemTime::now();
                let times: FileTimes = FileTimes::new().set_accessed(now).set_modified(now);
                let _: () = file.set_times(times).await?;
                let _: () = file.set_modified(now).await?;
                let _: () = file.set_max_buf_size(1_usize);
                let _: usize = file.max_buf_size();
                let _: std::result::Result<std::fs::File, File> = file.try_into_std();
                let _: std::fs::File = any::<File>().into_std().await;

                let mut entries: ReadDir = fs::read_dir(path).await?;
                let entry: Option<DirEntry> = entries.next_entry().await?;
                let entry: DirEntry = entry.unwrap();
                let _: (PathBuf, OsString, u64) = (entry.path(), entry.file_name(), entry.ino());
                let _: Metadata = entry.metadata().await?;
                let _: FileType = entry.file_type().await?;
                let mut builder: DirBuilder = DirBuilder::new();
                let builder: &mut DirBuilder = builder.recursive(true).mode(0o700);
                builder.create(path).await
            }

            async fn signals() -> Result<()> {
                let _: () = $krate::signal::ctrl_c().await?;
                let mut listener: Signal = signal(SignalKind::terminate())?;
                let _: Option<()> = listener.recv().await;
                const KINDS: [SignalKind; 12] = [
                    SignalKind::alarm(),
                    SignalKind::child(),
                    SignalKind::hangup(),
                    SignalKind::interrupt(),
                    SignalKind::io(),
                    SignalKind::pipe(),
                    SignalKind::quit(),
                    SignalKind::terminate(),
                    SignalKind::user_defined1(),
                    SignalKind::user_defined2(),
                    SignalKind::window_change(),
                    SignalKind::from_raw(1),
                ];
                let _: i32 = KINDS[0].as_raw_value();
                Ok(())
            }

            fn commands(path: &Path, text: &str) -> Result<()> {
                let mut command: Command = Command::new::<&str>(text);
                let _: &std::process::Command = command.as_std();
                let _: &mut std::process::Command = command.as_std_mut();
                let command_: &mut Command = command.arg::<&OsStr>(text.as_ref()).args([text]);
                let command_: &mut Command = command_.args::<_, String>(any::<Vec<String>>());
                let command_: &mut Command = command_.env::<&str, String>("a", any());
                let command_: &mut Command = command_.envs::<_, &str, &str>([("a", "b")]);
                let command_: &mut Command = command_.env_remove::<&str>("a").env_clear();
                let command_: &mut Command = command_.current_dir::<&Path>(path);
                let command_: &mut Command = command_.stdin::<Stdio>(Stdio::null());
                let command_: &mut Command = command_.stdout(any::<std::fs::File>());
                let command_: &mut Command = command_.stderr(Stdio::piped());
                let command_: &mut Command = command_.kill_on_drop(true).uid(1_u32).gid(1_u32);
                let command_: &mut Command = command_.arg0::<&str>(text).process_group(0_i32);
                // SAFETY: it is never run.
                let command_: &mut Command = unsafe { command_.pre_exec(|| Ok(())) };
                let _: bool = command_.get_kill_on_drop();
                let _: Result<Child> = command.spawn();
                // They borrow nothing of the command.
                let status = is_send(command.status());
                let output = is_send(command.output());
                fn results(
                    _: impl Future<Output = Result<ExitStatus>>,
                    _: impl Future<Output = Result<Output>>,
                ) {
                }
                results(status, output);
                let _: std::process::Command = command.into_std();
                Ok(())
            }

            async fn children(mut child: Child) -> Result<()> {
                let _: Option<u32> = child.id();
                let _: () = child.start_kill()?;
                let _: () = child.kill().await?;
                let _: ExitStatus = child.wait().await?;
                let _: Option<ExitStatus> = child.try_wait()?;
                let stdin: Option<ChildStdin> = child.stdin.take();
                let stdout: Option<ChildStdout> = child.stdout.take();
                let stderr: Option<ChildStderr> = child.stderr.take();
                let _: OwnedFd = stdin.unwrap().into_owned_fd()?;
                let _: OwnedFd = stdout.unwrap().into_owned_fd()?;
                let _: OwnedFd = stderr.unwrap().into_owned_fd()?;
                let _: Result<ChildStdin> = ChildStdin::from_std(any());
                let _: Result<ChildStdout> = ChildStdout::from_std(any());
                let _: Result<ChildStderr> = ChildStderr::from_std(any());
                let _: Stdio = any::<ChildStdout>().try_into()?;
                let _: Output = child.wait_with_output().await?;
                Ok(())
            }

            fn polls(mut entries: ReadDir, mut listener: Signal, cx: &mut Context<'_>) {
                let _: Poll<Result<Option<DirEntry>>> = entries.poll_next_entry(cx);
                let _: Poll<Option<()>> = listener.poll_recv(cx);
            }

            fn streams() {
                let _: (Stdin, Stdout, Stderr) = (stdin(), stdout(), stderr());
            }

            fn all_are_sent() {
                is_send(paths(any(), any()));
                is_send(files(any(), any()));
                is_send(signals());
                is_send(children(any()));
            }
        }
    };
}

code!(on_tokio, tokio);
code!(on_preempt, preempt);
