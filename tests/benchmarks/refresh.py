"""Measures `kees-init refresh` and `kees-init start`: memory and CPU, and how fast a change reaches the files. run.py puts
the result into docs/benchmarks.md."""

import ctypes
import os
import pathlib
import random
import re
import signal
import statistics
import struct
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
IN_MOVED_TO = 0x80
REFRESHES = 60
CHANGES = 20
REST = 20


def memory_mb(pid, name):
    """`VmRSS`: the memory now; `VmHWM`: the peak."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status).group(1)) / 1024


def private_mb(pid):
    """The memory that belongs to the process alone, without the pages of its program."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kb) for kb in re.findall(r"Private_Dirty:\s+(\d+)", rollup)) / 1024


def cpu_ms(pid):
    """The CPU time of a process, to the nanosecond, of all of its threads."""
    threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e6


def read_lines(process, text, count):
    while count:
        line = process.stderr.readline()
        if not line:
            raise RuntimeError(f"kees-init ended before it logged '{text}'")
        count -= text in line


def started(program, env, subcommand):
    env = {**env, "LOG_LEVEL": "debug"}
    return subprocess.Popen([program, subcommand], env=env, stderr=subprocess.PIPE, text=True)


def ended(process):
    process.send_signal(signal.SIGTERM)
    if process.wait(10) != 0:
        raise RuntimeError(f"kees-init ended with {process.returncode}")


class Watch:
    """inotify on the folder of the files, as an application uses it."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.file = libc.inotify_init()
        if self.file < 0 or libc.inotify_add_watch(self.file, str(folder).encode(), IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def wait(self, name):
        """Waits until `name` is renamed into the folder. Returns the moment in ns."""
        while True:
            events = os.read(self.file, 4096)
            now = time.time_ns()
            while events:
                length, = struct.unpack_from("I", events, 12)
                if events[16:16 + length].rstrip(b"\0") == name:
                    return now
                events = events[16 + length:]


def at_rest(process):
    """CPU in µs of each second."""
    time.sleep(1)
    before = cpu_ms(process.pid)
    time.sleep(REST)
    return (cpu_ms(process.pid) - before) / REST * 1000


def of_refresh(program, env, change):
    folder = pathlib.Path(env["RESOURCES_FILE_PATH"])
    subprocess.run([program], env={**env, "REFRESH": "1s"}, check=True, capture_output=True)
    sidecar = started(program, {**env, "REFRESH": "24h"}, "refresh")
    rest = at_rest(sidecar)
    ended(sidecar)

    sidecar = started(program, {**env, "REFRESH": "1s"}, "refresh")
    read_lines(sidecar, "no value has changed", 5)
    before = cpu_ms(sidecar.pid)
    read_lines(sidecar, "no value has changed", REFRESHES)
    cpu = (cpu_ms(sidecar.pid) - before) / REFRESHES
    memory = memory_mb(sidecar.pid, "VmRSS")
    watch, to_file, to_inotify = Watch(folder), [], []
    for number in range(CHANGES):
        time.sleep(random.random())  # At any moment of the period.
        begun = time.time_ns()
        change(f"value {number}")
        seen = watch.wait(b"..data")
        renamed = os.lstat(folder / "..data").st_ctime_ns
        to_file.append((renamed - begun) / 1e6)
        to_inotify.append((seen - renamed) / 1e6)
    peak = memory_mb(sidecar.pid, "VmHWM")
    ended(sidecar)
    return {"memory": memory, "peak": peak, "rest": rest, "cpu": cpu,
            "file": statistics.median(to_file), "longest": max(to_file), "inotify": statistics.median(to_inotify)}


def of_rest(program, env):
    """The sidecar of `start: fast` when its files are written."""
    sidecar = started(program, env, "start")
    subprocess.run([program, "wait"], env=env, check=True)
    while b"rest" not in pathlib.Path(f"/proc/{sidecar.pid}/cmdline").read_bytes():
        time.sleep(0.01)
    rest = at_rest(sidecar)
    memory, private = memory_mb(sidecar.pid, "VmRSS"), private_mb(sidecar.pid)
    ended(sidecar)
    return {"memory": memory, "private": private, "rest": rest}


def measure(program, refreshed, change, fast):
    """`refreshed` and `fast` are environments of pods whose values exist. `change(text)` stores another value."""
    return {"refresh": of_refresh(program, refreshed, change), "fast": of_rest(program, fast)}


def target(measured):
    peak = measured["refresh"]["peak"]
    reached = "yes" if peak < 16 else "**no**"
    return f"| refresh: peak memory of the sidecar | under 16 MB | {peak:.1f} MB | {reached} |"


def section(measured, starts):
    """The lines of the page. `starts` are rows of the test `starts_take_as_long_as_their_containers`."""
    refresh, fast = measured["refresh"], measured["fast"]
    return [
        "## Refresh", "",
        "[`kees-init refresh`](refresh.md) with ten passwords and another secret in DynamoDB Local. The time to the new file is measured",
        "with a period of one second, so half a second of it is the pause. The time to inotify is from the renaming to the event in a",
        "Python program that waits for it.", "",
        "| figure | measured |", "| --- | ---: |",
        f"| memory after {REFRESHES} refreshes | {refresh['memory']:.1f} MB |",
        f"| peak memory, with {CHANGES} changes | {refresh['peak']:.1f} MB |",
        f"| CPU time at rest | {refresh['rest']:.0f} µs a second |",
        f"| CPU time of a refresh in which nothing changed | {refresh['cpu']:.1f} ms |",
        f"| from a rotation in the store to the new file, median of {CHANGES} | {refresh['file']:.0f} ms, {refresh['longest']:.0f} ms at most |",
        f"| from the new file to inotify in the application, median of {CHANGES} | {refresh['inotify']:.2f} ms |", "",
        "## Starts", "",
        "From `kubectl apply` of a pod to its condition Ready, on the cluster of the tests, seven pods of each kind in turn. The value exists.", "",
        "| start | median | shortest | longest |", "| --- | ---: | ---: | ---: |", *starts, "",
        f"With [`start: fast`](fast-start.md) the sidecar rests afterwards: {fast['memory']:.1f} MB of memory, of which {fast['private']:.1f} MB are its own",
        f"(the rest are pages of the program, which all pods of a node share), and {fast['rest']:.0f} µs of CPU time a second.", "",
    ]
