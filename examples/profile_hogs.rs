//! Profiles of a few hogs, to look at.
//!
//! Two workers run three tasks that compute, one that blocks again and again, and one that ticks each
//! millisecond and has to wait behind the others. Two profiles are made, of one second each: where the
//! CPU time goes, and behind whom others wait. They are written as files for pprof, and as text for flame
//! graphs.
//!
//! ```text
//! cargo run --release --features pprof --example profile_hogs [-- DIRECTORY]
//! go tool pprof -top DIRECTORY/cpu.pb.gz
//! inferno-flamegraph DIRECTORY/cpu.folded > cpu.svg
//! ```
//!
//! What to look for:
//!
//! * `render`, `compress` and `checksum` share the CPU time, and `load` has none, as it sleeps;
//! * others wait behind `load` all the same, and longer than behind those that can be suspended;
//! * each sample has the name of its task as a label, and where it was spawned: one task has no name.

use preempt::runtime::{Builder, Profile, Runtime};
use preempt::task;
use preempt::time::{Duration, sleep};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{env, fs, io, thread};

const TIME: Duration = Duration::from_secs(1);
const HZ: u32 = 100;

/// With checkpoints: it is suspended at the next one when others wait.
#[preempt::preemptible]
#[inline(never)]
fn render(stop: &AtomicBool) -> u64 {
    let mut picture = 0_u64;
    while !stop.load(Relaxed) {
        for pixel in 0..10_000 {
            picture ^= shade(pixel);
        }
    }
    picture
}

#[inline(never)]
fn shade(pixel: u64) -> u64 {
    (0..8).fold(pixel, |colour, light| black_box(colour.wrapping_mul(31) ^ light))
}

/// Without: it is suspended by a signal.
#[inline(never)]
fn compress(stop: &AtomicBool) -> u64 {
    let mut state = 0_u64;
    while !stop.load(Relaxed) {
        for byte in 0..10_000_u64 {
            state = black_box(state.rotate_left(7) ^ byte);
        }
    }
    state
}

#[inline(never)]
fn checksum(stop: &AtomicBool) -> u64 {
    let mut sum = 0_u64;
    while !stop.load(Relaxed) {
        for byte in 0..10_000_u64 {
            sum = black_box(sum.wrapping_mul(31).wrapping_add(byte));
        }
    }
    sum
}

/// Uses no CPU time, and keeps its worker: that is handed off.
#[inline(never)]
fn load() {
    thread::sleep(Duration::from_millis(30));
}

async fn tick(stop: Arc<AtomicBool>) {
    while !stop.load(Relaxed) {
        sleep(Duration::from_millis(1)).await;
    }
}

async fn load_often(stop: Arc<AtomicBool>) {
    while !stop.load(Relaxed) {
        load();
        sleep(Duration::from_millis(20)).await;
    }
}

fn spawn_tasks(runtime: &Runtime, stop: &Arc<AtomicBool>) -> io::Result<()> {
    let _entered = runtime.enter();
    let (first, second, third) = (stop.clone(), stop.clone(), stop.clone());
    let named = |name| task::Builder::new().name(name);
    named("render").spawn(async move { _ = render(&first) })?;
    named("compress").spawn(async move { _ = compress(&second) })?;
    preempt::spawn(async move { _ = checksum(&third) });
    named("load").spawn(load_often(stop.clone()))?;
    named("ticker").spawn(tick(stop.clone()))?;
    Ok(())
}

/// `NAME.pb.gz` for pprof, and `NAME.folded` for flame graphs.
fn write(profile: &Profile, directory: &Path, name: &str) -> io::Result<()> {
    let (file, text) = (format!("{name}.pb.gz"), format!("{name}.folded"));
    for (file, bytes) in [(file, profile.pprof()), (text, profile.folded().into_bytes())] {
        let path = directory.join(file);
        fs::write(&path, bytes)?;
        println!("{}", path.display());
    }
    Ok(())
}

/// The functions that have the most, in the innermost frame.
fn show(profile: &Profile) {
    let total: Duration = profile.samples.iter().map(|sample| sample.time).sum();
    println!(
        "{:?}: {total:.3?} in {:.3?}, {} samples were lost",
        profile.kind, profile.duration, profile.lost
    );
    for sample in profile.samples.iter().take(5) {
        let task = sample.task.as_deref().unwrap_or("-");
        let (time, count) = (sample.time, sample.count);
        let frame = sample.frames.first().map(ToString::to_string).unwrap_or_default();
        println!("  {time:>10.3?} in {count:>4} samples, task {task}: {frame}");
    }
}

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).map_or_else(env::temp_dir, PathBuf::from);
    // The hogs are what the example is about, and need not be reported.
    let runtime = Builder::new_multi_thread().worker_threads(2).stall_report(false).build()?;
    let stop = Arc::new(AtomicBool::new(false));
    spawn_tasks(&runtime, &stop)?;
    let cpu = runtime.handle().profile(TIME, HZ)?;
    let delay = runtime.handle().profile_delays(TIME)?;
    stop.store(true, Relaxed);
    for (name, profile) in [("cpu", &cpu), ("delay", &delay)] {
        show(profile);
        write(profile, &directory, name)?;
    }
    Ok(())
}
