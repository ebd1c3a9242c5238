//! Goal: the standard streams behave as tokio's, except that a read that waits holds nobody up.
//! Method: the streams belong to the process, so each case is a process of its own, whose other ends
//! the test has.

mod files_support;

use files_support::*;
use preempt::io::{stderr, stdin, stdout};
use preempt::runtime::Builder;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// In the other process: runs the body as a task beside a hog.
fn run<F>(builder: Builder, body: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    print!("{MARK}");
    std::io::stdout().flush().unwrap();
    run_beside_a_hog(builder, body);
}

fn some_bytes(count: usize) -> Vec<u8> {
    let mut random = Random::new(1);
    (0..count).map(|_| random.below(256) as u8).collect()
}

#[test]
fn input_becomes_output() {
    Played::each_flavor(
        "input_becomes_output",
        |builder| {
            run(builder, async {
                let (mut from, mut to) = (stdin(), stdout());
                let mut bytes = vec![0; 3_000];
                loop {
                    let count = from.read(&mut bytes).await.unwrap();
                    if count == 0 {
                        break;
                    }
                    to.write_all(&bytes[..count]).await.unwrap();
                }
                to.flush().await.unwrap();
                assert_eq!(from.read(&mut bytes).await.unwrap(), 0, "the end stays the end");
                assert_eq!(stdin().read(&mut bytes).await.unwrap(), 0);
                assert_eq!(from.read(&mut []).await.unwrap(), 0);
            });
        },
        |mut played| {
            let bytes = some_bytes(1_000_000);
            let mut input = played.process.stdin.take().unwrap();
            input.write_all(&bytes).unwrap();
            drop(input);
            assert!(played.end().succeeded().written() == bytes);
        },
    );
}

#[test]
fn lines_come_as_they_are_entered() {
    Played::each_flavor(
        "lines_come_as_they_are_entered",
        |builder| {
            run(builder, async {
                let mut lines = BufReader::new(stdin()).lines();
                let mut to = stderr();
                while let Some(line) = lines.next_line().await.unwrap() {
                    to.write_all(format!("{line}!\n").as_bytes()).await.unwrap();
                }
                to.flush().await.unwrap();
            });
        },
        |mut played| {
            let mut input = played.process.stdin.take().unwrap();
            for line in ["one", "two", "three"] {
                writeln!(input, "{line}").unwrap();
            }
            drop(input);
            assert_eq!(played.end().succeeded().stderr, "one!\ntwo!\nthree!\n");
        },
    );
}

#[test]
fn a_read_that_waits_does_not_hold_the_shutdown_up() {
    Played::each_flavor(
        "a_read_that_waits_does_not_hold_the_shutdown_up",
        |builder| {
            run(builder, async {
                let mut read = Box::pin(async { stdin().read(&mut [0]).await });
                assert!(poll_once(&mut read).is_pending());
                preempt::spawn(read);
            });
            println!("the runtime is gone");
        },
        |mut played| {
            let _input = played.process.stdin.take().unwrap();
            assert_eq!(played.end().succeeded().written(), b"the runtime is gone\n");
        },
    );
}

#[test]
fn a_cancelled_read_loses_no_input() {
    Played::each_flavor_of(
        "a_cancelled_read_loses_no_input",
        |builder| {
            run(builder, async {
                let mut bytes = [0; 100];
                // Of a handle that stays, and of one that goes.
                let mut kept = stdin();
                {
                    let mut read = Box::pin(kept.read(&mut bytes));
                    assert!(poll_once(&mut read).is_pending());
                    let mut dropped = Box::pin(async { stdin().read(&mut [0; 50]).await });
                    assert!(poll_once(&mut dropped).is_pending());
                }
                stderr().write_all(b"now").await.unwrap();
                let mut all = Vec::new();
                kept.read_exact(&mut bytes[..2]).await.unwrap();
                all.extend_from_slice(&bytes[..2]);
                drop(kept);
                stdin().read_to_end(&mut all).await.unwrap();
                assert_eq!(all, b"0123456789");
            });
        },
        |command| {
            let (mut cancelled, to) = std::io::pipe().unwrap();
            let mut played = Played::start(command.stderr(to));
            // The command's own end of the pipe goes.
            command.stderr(Stdio::null());
            let mut told = [0; 3];
            cancelled.read_exact(&mut told).unwrap();
            assert_eq!(&told, b"now", "not before the reads were cancelled");
            played.process.stdin.take().unwrap().write_all(b"0123456789").unwrap();
            played.end().succeeded();
        },
    );
}

#[test]
fn each_byte_goes_to_one_handle() {
    Played::each_flavor(
        "each_byte_goes_to_one_handle",
        |builder| {
            run(builder, async {
                let mut tasks = preempt::task::JoinSet::new();
                for _ in 0..8 {
                    tasks.spawn(async {
                        let mut bytes = Vec::new();
                        let mut from = stdin();
                        while let Ok(byte) = from.read_u8().await {
                            bytes.push(byte);
                        }
                        bytes
                    });
                }
                let mut counts = [0; 256];
                while let Some(bytes) = tasks.join_next().await {
                    for byte in bytes.unwrap() {
                        counts[usize::from(byte)] += 1;
                    }
                }
                assert_eq!(counts, [20; 256]);
            });
        },
        |mut played| {
            let mut input = played.process.stdin.take().unwrap();
            for _ in 0..20 {
                input.write_all(&std::array::from_fn::<u8, 256, _>(|byte| byte as u8)).unwrap();
            }
            drop(input);
            played.end().succeeded();
        },
    );
}

#[test]
fn input_goes_on_in_the_next_runtime() {
    Played::each_flavor(
        "input_goes_on_in_the_next_runtime",
        |mut builder| {
            let mut line = String::new();
            for expected in ["one\n", "two\n"] {
                line.clear();
                let runtime = builder.build().unwrap();
                runtime.block_on(async {
                    let mut from = stdin();
                    while !line.ends_with('\n') {
                        line.push(from.read_u8().await.unwrap().into());
                    }
                });
                assert_eq!(line, expected);
            }
            line.clear();
            std::io::stdin().read_line(&mut line).unwrap();
            assert_eq!(line, "three\n", "single bytes are not read ahead from std's buffer");
        },
        |mut played| {
            let mut input = played.process.stdin.take().unwrap();
            input.write_all(b"one\ntwo\nthree\n").unwrap();
            played.end().succeeded();
        },
    );
}

#[test]
#[cfg(unix)]
fn what_cannot_be_read_is_an_error() {
    Played::each_flavor_of(
        "what_cannot_be_read_is_an_error",
        |builder| {
            run(builder, async {
                for _ in 0..3 {
                    let error = stdin().read(&mut [0]).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::IsADirectory);
                }
            });
        },
        |command| {
            command.stdin(Stdio::from(std::fs::File::open("/").unwrap()));
            Played::start(command).end().succeeded();
        },
    );
}

#[test]
fn a_waker_that_panics_stops_nobody() {
    struct Panics;
    impl std::task::Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("this waker always does");
        }
    }
    Played::each_flavor(
        "a_waker_that_panics_stops_nobody",
        |mut builder| {
            let waker = std::sync::Arc::new(Panics).into();
            let (mut panics, mut other) = (stdin(), stdin());
            let (mut panics_bytes, mut all) = ([0; 1], Vec::new());
            let mut read = Box::pin(panics.read(&mut panics_bytes));
            assert!(read.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
            builder.build().unwrap().block_on(other.read_to_end(&mut all)).unwrap();
            assert_eq!(all, b"0123456789");
        },
        |mut played| {
            played.process.stdin.take().unwrap().write_all(b"0123456789").unwrap();
            played.end().succeeded();
        },
    );
}

// ---- output ----

#[test]
fn writes_of_one_handle_keep_their_order() {
    Played::each_flavor(
        "writes_of_one_handle_keep_their_order",
        |builder| {
            run(builder, async {
                let mut to = stdout();
                for number in 0..1000 {
                    to.write_all(format!("{number},").as_bytes()).await.unwrap();
                }
                // Not flushed: what was taken is written all the same.
            });
        },
        |played| {
            let expected: String = (0..1000).map(|number| format!("{number},")).collect();
            assert_eq!(played.end().succeeded().written(), expected.as_bytes());
        },
    );
}

#[test]
fn a_flush_puts_things_in_order() {
    Played::each_flavor(
        "a_flush_puts_things_in_order",
        |builder| {
            run(builder, async {
                for number in 0..50 {
                    let mut to = stdout();
                    to.write_all(format!("{number},").as_bytes()).await.unwrap();
                    to.flush().await.unwrap();
                    print!("{number};");
                    let mut to = stderr();
                    to.write_all(format!("{number},").as_bytes()).await.unwrap();
                    to.shutdown().await.unwrap();
                    eprint!("{number};");
                }
            });
        },
        |played| {
            let expected: String = (0..50).map(|number| format!("{number},{number};")).collect();
            let end = played.end().succeeded();
            assert_eq!(end.written(), expected.as_bytes());
            assert_eq!(end.stderr, expected);
        },
    );
}

#[test]
fn much_text_stays_text() {
    Played::each_flavor(
        "much_text_stays_text",
        |builder| {
            run(builder, async {
                let text = "-".to_owned() + &"🦀".repeat(1_500_000);
                let mut to = stdout();
                let first = to.write(text.as_bytes()).await.unwrap();
                assert!(text.is_char_boundary(first) && first > 2_000_000);
                to.write_all(&text.as_bytes()[first..]).await.unwrap();
                to.flush().await.unwrap();
            });
        },
        |played| {
            let end = played.end().succeeded();
            assert!(end.written() == ("-".to_owned() + &"🦀".repeat(1_500_000)).as_bytes());
        },
    );
}

#[test]
#[cfg(target_os = "linux")]
fn an_error_of_a_write_comes_out_later_and_once() {
    use std::os::fd::AsRawFd;

    Played::each_flavor(
        "an_error_of_a_write_comes_out_later_and_once",
        |mut builder| {
            let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
            // SAFETY: two descriptors of this process.
            assert_eq!(unsafe { libc::dup2(full.as_raw_fd(), 1) }, 1);
            builder.build().unwrap().block_on(async {
                let mut to = stdout();
                let line = b"a line, which std does not keep\n";
                to.write_all(line).await.unwrap();
                let error = to.flush().await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
                to.write_all(line).await.unwrap();
                let error = to.write(line).await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
                stderr().write_all(b"done").await.unwrap();
            });
        },
        |played| {
            let end = played.end().succeeded();
            assert_eq!(end.stderr, "done");
        },
    );
}

#[test]
#[cfg(unix)]
fn output_that_nobody_reads_is_a_broken_pipe() {
    Played::each_flavor_of(
        "output_that_nobody_reads_is_a_broken_pipe",
        |mut builder| {
            builder.build().unwrap().block_on(async {
                let mut to = stderr();
                let result = async {
                    loop {
                        to.write_all(&[b'x'; 1000]).await?;
                    }
                };
                let result: std::io::Result<()> = result.await;
                assert_eq!(result.unwrap_err().kind(), ErrorKind::BrokenPipe);
            });
        },
        |command| {
            let (_, nobody_reads) = std::io::pipe().unwrap();
            Played::start(command.stderr(nobody_reads)).end().succeeded();
        },
    );
}

#[test]
#[cfg(unix)]
fn the_streams_are_descriptors() {
    use std::os::fd::{AsFd, AsRawFd};
    let (from, to, errors) = (stdin(), stdout(), stderr());
    assert_eq!([from.as_raw_fd(), to.as_raw_fd(), errors.as_raw_fd()], [0, 1, 2]);
    let descriptors = [from.as_fd(), to.as_fd(), errors.as_fd()];
    assert_eq!(descriptors.map(|descriptor| descriptor.as_raw_fd()), [0, 1, 2]);
}

#[test]
fn without_a_runtime_output_is_an_error() {
    let mut to = stdout();
    let mut write = Box::pin(to.write(b"x"));
    let std::task::Poll::Ready(Err(error)) = poll_once(&mut write) else { panic!("it must fail") };
    assert!(error.to_string().contains("runtime"), "{error}");
}

#[test]
fn what_tasks_need_to_share() {
    fn is_shared<T: Send + Sync + Unpin>(_: T) {}
    is_shared(stdin());
    is_shared(stdout());
    is_shared(stderr());
}
