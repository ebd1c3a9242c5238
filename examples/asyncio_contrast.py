#!/usr/bin/env python3
"""What a task that never awaits does to Python's asyncio, and to preempt.

A ticker that is due every millisecond shares an event loop with hogs: coroutines that compute and never
await. asyncio has nothing like a monitor: the loop waits until a hog returns, so that the ticker does not
tick before a *thread* ends the hogs. (CPython does preempt threads, every 5 ms. Coroutines it does not.)
The same on preempt, with a plain loop for a hog, is the example `vs_tokio`, which this script then runs.

    python3 examples/asyncio_contrast.py            # needs Python 3.8 or later, and cargo
    python3 examples/asyncio_contrast.py --asyncio  # only the first half

Expect three rows within three seconds; beside hogs no tick comes before they end.
The exit status is 1 if preempt's ticker did not advance.
"""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

SECONDS = 1.0
PERIOD = 0.001


class Run:
    def __init__(self):
        self.over = False
        self.late_ms = []

    async def hog(self):
        turns = 0
        while not self.over:
            turns += 1
        return turns

    async def ticker(self):
        start = time.monotonic()
        due = start + PERIOD
        while due <= start + SECONDS:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            if self.over:
                break
            self.late_ms.append((now - due) * 1000)
            due += PERIOD

    async def main(self, hogs):
        def end():
            self.over = True

        timer = threading.Timer(SECONDS, end)
        tasks = [asyncio.create_task(self.ticker())]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(self.hog()) for _ in range(hogs)]
        timer.start()
        await asyncio.gather(*tasks)
        timer.cancel()


def late_at(late_ms, due, percent):
    """A tick that did not come counts as late until the end."""
    missing = due - len(late_ms)
    late = sorted(late_ms + [(missing - index) * PERIOD * 1000 for index in range(missing)])
    return late[min(len(late) - 1, len(late) * percent // 100)]


def row(hogs):
    run = Run()
    asyncio.run(run.main(hogs))
    due = round(SECONDS / PERIOD)
    p50, p99 = (late_at(run.late_ms, due, percent) for percent in (50, 99))
    print(f" {hogs:>4} | {len(run.late_ms):>4} / {due} | {p50:>8.2f} {p99:>8.2f}", flush=True)


def main():
    print("asyncio: a ticker that is due every millisecond, beside hogs that never await.\n")
    print(" hogs | ticks       | late, ms:  p50      p99")
    print("------|-------------|-----------------------")
    for hogs in (0, 1, 2):
        row(hogs)
    if sys.argv[1:] == ["--asyncio"]:
        return 0
    print("\ntokio and preempt: the same in Rust.\n", flush=True)
    command = ["cargo", "run", "--quiet", "--release", "--example", "vs_tokio"]
    return subprocess.run(command, cwd=Path(__file__).parent.parent).returncode


if __name__ == "__main__":
    sys.exit(main())
