//! What a seeded runtime has in common with the others, and what it refuses.

use crate::determinism::{Log, seeded};
use crate::support::*;
use preempt::runtime::{Builder, Handle};
use preempt::sync::oneshot;
use preempt::task::{self, JoinSet, Preemption, block_in_place, spawn_blocking, yield_now};
use preempt::time::{Duration, Instant, advance, interval, pause, resume, sleep};
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn hours_take_no_time() {
    within(LIMIT, || {
        seeded(1).block_on(async {
            let start = Instant::now();
            let mut ticks = interval(HOUR);
            for _ in 0..1_000 {
                ticks.tick().await;
            }
            preempt::spawn(sleep(HOUR)).await.unwrap();
            assert_eq!(start.elapsed(), 1_000 * HOUR);
            advance(HOUR).await;
            assert_eq!(start.elapsed(), 1_001 * HOUR);
        });
    });
}

#[test]
fn a_deadlock_names_who_waits_and_the_seed() {
    let message = panic_message(|| {
        seeded(23).block_on(async {
            let (_sender, receiver) = oneshot::channel::<()>();
            let wait = async move { drop(receiver.await) };
            let waits = task::Builder::new().name("patient").spawn(wait).unwrap();
            preempt::spawn(sleep(HOUR));
            waits.await.unwrap();
        });
    });
    assert!(message.contains("deadlock with seed 23"), "{message}");
    assert!(message.contains("\"patient\", spawned at tests/seeded/runtime.rs:"), "{message}");
    assert!(message.contains("1 in `block_on`, 0 in blocking closures"), "{message}");
}

#[test]
fn a_runtime_goes_on_after_a_deadlock_and_a_panic() {
    let runtime = seeded(2);
    let deadlock =
        catch_unwind(AssertUnwindSafe(|| runtime.block_on(std::future::pending::<()>())));
    assert!(text_of(&*deadlock.unwrap_err()).contains("deadlock with seed 2"));
    let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { panic!("on purpose") })));
    assert_eq!(text_of(&*panic.unwrap_err()), "on purpose");
    assert_eq!(runtime.block_on(async { preempt::spawn(async { 3 }).await.unwrap() }), 3);
}

#[test]
fn blocking_closures_run_in_turn_and_may_wait_for_tasks() {
    within(LIMIT, || {
        for seed in 0..20 {
            let running = Arc::new(AtomicU32::new(0));
            let sum: u32 = seeded(seed).block_on(async {
                let mut jobs = JoinSet::new();
                for n in 0..4 {
                    let running = running.clone();
                    jobs.spawn_blocking(move || {
                        assert_eq!(running.fetch_add(1, SeqCst), 0, "another one runs");
                        running.fetch_sub(1, SeqCst);
                        let task = preempt::spawn(async move {
                            sleep(HOUR).await;
                            n
                        });
                        Handle::current().block_on(task).unwrap()
                    });
                }
                jobs.join_all().await.into_iter().sum()
            });
            assert_eq!(sum, 6);
        }
    });
}

#[test]
fn files_and_sockets_work() {
    use preempt::io::{AsyncReadExt, AsyncWriteExt};
    use preempt::net::{TcpListener, TcpStream};
    within(LIMIT, || {
        let path = std::env::temp_dir().join(format!("preempt-seeded-{}", std::process::id()));
        seeded(5).block_on(async {
            preempt::fs::write(&path, b"written").await.unwrap();
            assert_eq!(preempt::fs::read(&path).await.unwrap(), b"written");
            preempt::fs::remove_file(&path).await.unwrap();

            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let echo = preempt::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = [0; 4];
                stream.read_exact(&mut bytes).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
            });
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_all(b"ping").await.unwrap();
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).await.unwrap();
            assert_eq!(&bytes, b"ping");
            echo.await.unwrap();
        });
    });
}

/// Nothing is ready while a thread of the application's own prepares the bytes: no deadlock, as there is a
/// source.
#[test]
fn an_event_from_outside_is_waited_for() {
    use preempt::io::AsyncReadExt;
    use preempt::net::UnixStream;
    use std::io::Write;
    within(LIMIT, || {
        seeded(5).block_on(async {
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let mut ours = UnixStream::from_std(ours).unwrap();
            let writer = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                theirs.write_all(b"x").unwrap();
            });
            assert_eq!(ours.read_u8().await.unwrap(), b'x');
            writer.join().unwrap();
        });
    });
}

preempt::task_local! {
    static NAME: u32;
}

#[test]
fn task_locals_panics_aborts_and_restrictions() {
    within(LIMIT, || {
        for seed in 0..30 {
            seeded(seed).block_on(async {
                let named = [1, 2, 3].map(|name| {
                    preempt::spawn(NAME.scope(name, async move {
                        for _ in 0..5 {
                            preempt::checkpoint();
                            assert_eq!(NAME.get(), name);
                            yield_now().await;
                        }
                    }))
                });
                let panics = preempt::spawn(async { panic!("on purpose") });
                let endless = preempt::spawn(async {
                    loop {
                        preempt::checkpoint();
                        yield_now().await;
                    }
                });
                for task in named {
                    task.await.unwrap();
                }
                assert!(panics.await.unwrap_err().is_panic());
                endless.abort();
                assert!(endless.await.unwrap_err().is_cancelled());

                let (entered, alone) = (Arc::new(AtomicBool::new(false)), Preemption::Never);
                let tasks = [(); 2].map(|()| {
                    let entered = entered.clone();
                    let poll = async move {
                        assert!(!entered.swap(true, SeqCst));
                        (0..10).for_each(|_| preempt::checkpoint());
                        entered.store(false, SeqCst);
                    };
                    task::Builder::new().preemption(alone).spawn(poll).unwrap()
                });
                for task in tasks {
                    task.await.unwrap();
                }
            });
        }
    });
}

#[test]
fn the_probability_of_preemption_can_be_set() {
    let detached = |probability| {
        let runtime = Builder::new_seeded(1).preempt_probability(probability).build().unwrap();
        runtime.block_on(async {
            preempt::spawn(async { (0..200).for_each(|_| preempt::checkpoint()) }).await.unwrap();
        });
        runtime.metrics().detaches
    };
    assert_eq!(detached(0.0), 0);
    assert_eq!(detached(1.0), 200);
    let some = detached(0.25);
    assert!((20..80).contains(&some), "{some}");
}

#[test]
fn tasks_stand_still_outside_of_block_on() {
    let runtime = seeded(1);
    let count = Arc::new(AtomicU32::new(0));
    let counts = {
        let count = count.clone();
        async move {
            loop {
                count.fetch_add(1, SeqCst);
                yield_now().await;
            }
        }
    };
    runtime.spawn(counts);
    runtime.block_on(async {
        while count.load(SeqCst) < 5 {
            yield_now().await;
        }
    });
    let (before, hash) = (count.load(SeqCst), runtime.schedule_hash());
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!((count.load(SeqCst), runtime.schedule_hash()), (before, hash));
}

#[test]
fn a_shutdown_lets_suspended_polls_end_and_drops_the_rest() {
    within(LIMIT, || {
        for seed in 0..20 {
            let (ended, dropped) = (Arc::new(AtomicU32::new(0)), Arc::new(()));
            let runtime = seeded(seed);
            runtime.block_on(async {
                for _ in 0..4 {
                    let (ended, dropped) = (ended.clone(), dropped.clone());
                    preempt::spawn(async move {
                        (0..20).for_each(|_| preempt::checkpoint());
                        ended.fetch_add(1, SeqCst);
                        let _dropped = dropped;
                        std::future::pending::<()>().await;
                    });
                    let dropped = Arc::downgrade(&Arc::new(()));
                    spawn_blocking(move || {
                        (0..20).for_each(|_| preempt::checkpoint());
                        dropped.strong_count()
                    });
                }
                for _ in 0..seed {
                    yield_now().await;
                }
            });
            drop(runtime);
            assert!(ended.load(SeqCst) <= 4);
            assert_eq!(Arc::strong_count(&dropped), 1, "a future was not dropped");
        }
    });
}

#[test]
fn misuse_is_refused() {
    let message = panic_message(|| {
        seeded(0).block_on(async {
            let task = async { block_in_place(|| Handle::current().block_on(async {})) };
            if let Err(error) = preempt::spawn(task).await {
                std::panic::resume_unwind(error.into_panic());
            }
        });
    });
    assert!(message.contains("`block_on` in a task of a seeded runtime"), "{message}");
    let message = panic_message(|| {
        Builder::new_seeded(0).worker_threads(2);
    });
    assert!(message.contains("one thing runs at a time"), "{message}");
    let message = panic_message(|| {
        Builder::new_seeded(0).preempt_probability(1.5);
    });
    assert!(message.contains("0 to 1, not 1.5"), "{message}");
    let message = panic_message(|| {
        Builder::new_multi_thread().preempt_probability(0.5);
    });
    assert!(message.contains("new_seeded"), "{message}");
    for change in [pause, resume] {
        let message = panic_message(move || seeded(0).block_on(async { change() }));
        assert!(message.contains("stopped for good"), "{message}");
    }
    let runtime = preempt::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.schedule_hash(), None);
}

#[test]
fn block_in_place_and_block_on_inside_of_block_on() {
    within(LIMIT, || {
        seeded(3).block_on(async {
            let inner = || Handle::current().block_on(async { preempt::spawn(async { 1 }).await });
            assert_eq!(block_in_place(inner).unwrap(), 1);
            let other = || seeded(4).block_on(async { preempt::spawn(async { 2 }).await });
            assert_eq!(block_in_place(other).unwrap(), 2);
            assert_eq!(
                preempt::spawn(async move { block_in_place(other) }).await.unwrap().unwrap(),
                2
            );
        });
    });
}

#[test]
fn two_threads_in_block_on_take_turns() {
    within(LIMIT, || {
        let (runtime, log) = (Arc::new(seeded(3)), Log::default());
        let inside = Arc::new(AtomicBool::new(false));
        let threads = [0, 1].map(|name| {
            let (runtime, log, inside) = (runtime.clone(), log.clone(), inside.clone());
            std::thread::spawn(move || {
                runtime.block_on(async {
                    for _ in 0..50 {
                        assert!(!inside.swap(true, SeqCst));
                        burn(Duration::from_micros(10));
                        inside.store(false, SeqCst);
                        log.note(format!("{name}"));
                        preempt::spawn(async {}).await.unwrap();
                    }
                });
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(log.take().len(), 100);
    });
}

/// Hangs, as a lock of `std` is held across a checkpoint. The test below runs it in another process.
#[test]
#[ignore = "it hangs on purpose"]
fn hangs() {
    let runtime = Builder::new_seeded(0).preempt_probability(1.0).build().unwrap();
    runtime.block_on(async {
        let lock = Arc::new(std::sync::Mutex::new(()));
        let tasks = [(); 2].map(|()| {
            let lock = lock.clone();
            preempt::spawn(async move {
                let _guard = lock.lock().unwrap();
                (0..20).for_each(|_| preempt::checkpoint());
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_standstill_is_reported() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "runtime::hangs", "--include-ignored", "--nocapture"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let report =
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("nothing has moved")));
    child.kill().unwrap();
    child.wait().unwrap();
    let report = report.expect("it has ended").unwrap();
    assert!(report.contains("seed 0") && report.contains("no_preempt"), "{report}");
}

#[preempt::test(seed = 7)]
async fn the_macro_runs_one_seed() {
    let handle = Handle::current();
    assert!(handle.schedule_hash().is_some());
    sleep(HOUR).await;
}

#[preempt::test(seeds = 20)]
async fn the_macro_runs_many_seeds() -> Result<(), Box<dyn std::error::Error>> {
    let n: u32 = "3".parse()?;
    assert_eq!(preempt::spawn(async move { n }).await?, 3);
    Ok(())
}

/// What a failed test prints. Ignored, as the test below runs it in other processes.
#[preempt::test(seeds = 200)]
#[ignore = "it fails on purpose"]
async fn fails_now_and_then() {
    let first = Arc::new(AtomicU32::new(0));
    let tasks = [1, 2, 3, 4].map(|name| {
        let first = first.clone();
        preempt::spawn(async move {
            {
                let _ = first.compare_exchange(0, name, SeqCst, SeqCst);
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    assert_ne!(first.load(SeqCst), 4, "the last was the first");
}

#[test]
fn a_failed_test_says_how_to_replay_it() {
    let run = |variables: &[(&str, &str)]| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "runtime::fails_now_and_then", "--include-ignored", "--nocapture"])
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (passed, text) = run(&[]);
    assert!(!passed && text.contains("the last was the first"), "{text}");
    let seed = text
        .split("replay with PREEMPT_SEED=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_else(|| panic!("no seed in {text}"));
    for _ in 0..3 {
        let (passed, text) = run(&[("PREEMPT_SEED", seed), ("PREEMPT_SEED_TRACE", "1")]);
        assert!(!passed && text.contains(&format!("seed {seed} failed")), "{text}");
        assert!(text.contains(&format!("seed {seed}: ")), "the choices are shown: {text}");
    }
    let (passed, _) = run(&[("PREEMPT_SEEDS", seed)]);
    assert!(passed, "the seeds before {seed} pass");
    let (passed, text) = run(&[("PREEMPT_SEED", "x")]);
    assert!(!passed && text.contains("PREEMPT_SEED must be a number"), "{text}");
}

#[test]
fn the_world_of_a_seeded_runtime_stands_still_for_whoever_has_the_turn() {
    within(LIMIT, || {
        let runtime = seeded(3);
        let stop = |handle: &Handle| handle.stop_the_world(|world| world.asleep()).unwrap();
        let handle = runtime.handle().clone();
        runtime.block_on(async move {
            assert_eq!(stop(&Handle::current()), 0);
            let in_a_task = preempt::spawn(async move { stop(&Handle::current()) });
            assert_eq!(in_a_task.await.unwrap(), 0);
            assert_eq!(spawn_blocking(move || stop(&handle)).await.unwrap(), 0);
        });
    });
}
