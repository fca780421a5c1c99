"""Measures what `kees-init exec` adds to the start of a program. run.py puts the result into docs/benchmarks.md."""

import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

RUNS = 1000
TRUE = "/usr/bin/true"
ENTRIES = 10


def spawn(command):
    """Wall time in µs of one process, start to exit."""
    begun = time.perf_counter()
    _, status = os.waitpid(os.posix_spawn(command[0], command, {"PATH": "/usr/bin"}), 0)
    took = (time.perf_counter() - begun) * 1e6
    if status != 0:
        raise RuntimeError(f"{command} ended with {os.waitstatus_to_exitcode(status)}")
    return took


def peak_kb(command):
    """Peak memory in KB of one process, before and after it executes another program."""
    out = subprocess.run(["/usr/bin/time", "-f", "%M", *command], capture_output=True, text=True, check=True)
    return int(out.stderr)


def measure(program):
    """Runs `true` directly and under `exec`, in turn, from a volume in memory as in a pod."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        copy = pathlib.Path(folder) / ".kees-init"
        shutil.copyfile(program, copy)
        copy.chmod(0o555)
        value = "x" * 32
        entries = (f"password-{n} {len(value)}\n{value}\n" for n in range(ENTRIES))
        (copy.parent / ".kees-env").write_text("".join(entries))
        direct, wrapped = [TRUE], [str(copy), "exec", "--", TRUE]
        for command in (direct, wrapped):
            for _ in range(20):
                spawn(command)
        times = [(spawn(direct), spawn(wrapped)) for _ in range(RUNS)]
        return {
            "direct": statistics.median(one for one, _ in times),
            "wrapped": statistics.median(other for _, other in times),
            "peak": max(peak_kb(wrapped) for _ in range(10)) / 1024,
            "peak of true": max(peak_kb(direct) for _ in range(10)) / 1024,
            "copy": copy.stat().st_size / 1e6,
        }


def section(measured):
    """The lines of the page."""
    added = measured["wrapped"] - measured["direct"]
    return [
        "## Environment variables", "",
        f"`true` is started directly and by `kees-init exec` with {ENTRIES} entries, in turn, {RUNS} times; process start to exit:",
        f"median {measured['direct']:,.0f} µs and {measured['wrapped']:,.0f} µs. So [`exec`](environment.md) adds {added:,.0f} µs to the start of a",
        f"container. Its peak memory is {measured['peak']:.1f} MB until it executes the command ({measured['peak of true']:.1f} MB for `true` alone), and nothing",
        f"of it stays. The copy of the program in the memory volume has {measured['copy']:.1f} MB.", "",
    ]
