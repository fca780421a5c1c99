"""Measures `kees lint` over 1,000 manifests.

    tests/benchmarks/lint.py [PROGRAM]

It prints a table in Markdown. `make bench` writes it into docs/benchmarks.md.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

MANIFESTS = 1000
RUNS = 20
TARGET_SECONDS = 1.0
CACHE = pathlib.Path(os.environ.get("KEES_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "kees")
PROGRAM = CACHE / "images/context/bin/static/kees"


def manifest(number, size):
    """A Deployment with four entries. A size of 7 is an error."""
    return f"""---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  namespace: team-a
spec:
  replicas: 2
  selector:
    matchLabels: {{app: app-{number}}}
  template:
    metadata:
      labels: {{app: app-{number}}}
      annotations:
        secret.bsycorp.com/db-password: kind=DYNAMIC,type=PASSWORD,size={size}
        secret.bsycorp.com/signing_public: kind=DYNAMIC,type=RSA,size=2048
        secret.bsycorp.com/token: kind=REFERENCE,storageKey=partner/token
        resource.bsycorp.com/db_url: storageKey=database/url
    spec:
      containers:
      - name: app
        image: app:1
        ports: [{{containerPort: 8080}}]
        resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
"""


def write(folder):
    """Each kind of input, with the exit status and the last line that are expected."""
    good = [manifest(number, 256) for number in range(MANIFESTS)]
    bad = [manifest(number, 7) for number in range(MANIFESTS)]
    files = folder / "files"
    files.mkdir()
    for number, text in enumerate(good):
        (files / f"app-{number}.yaml").write_text(text)
    for name, texts in (("one.yaml", good), ("errors.yaml", bad)):
        (folder / name).write_text("".join(texts))
    fine = f"{MANIFESTS} annotated workloads: {MANIFESTS} admitted, 0 denied; 0 errors, 0 warnings"
    wrong = f"{MANIFESTS} annotated workloads: 0 admitted, {MANIFESTS} denied; {MANIFESTS} errors, 0 warnings"
    return (("1,000 files", files, 0, fine), ("one file of 1,000 documents", folder / "one.yaml", 0, fine),
            ("the same with an error in each document", folder / "errors.yaml", 65, wrong))


def run(program, argument, status, last, report):
    """Wall time, CPU time (s) and peak memory (MB) of one run."""
    begun = time.perf_counter()
    with open(report, "wb") as out:
        pid = os.posix_spawn(program, [program, "lint", argument], {}, file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)])
        _, ended, usage = os.wait4(pid, 0)
    took = time.perf_counter() - begun
    lines = report.read_text().splitlines()
    if os.waitstatus_to_exitcode(ended) != status or last not in lines[-2:]:
        raise RuntimeError(f"kees lint {argument} ended with {os.waitstatus_to_exitcode(ended)}: {lines[-2:]}")
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(program=PROGRAM):
    """Name, median wall time, median CPU time and peak memory for each kind of input."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, argument, status, last in write(folder):
            runs = [run(str(program), str(argument), status, last, folder / "report") for _ in range(RUNS)]
            wall, cpu, memory = zip(*runs)
            rows.append((name, statistics.median(wall), statistics.median(cpu), max(memory)))
    return rows


def target(rows):
    """The row of the table of targets."""
    worst = max(wall for _, wall, _, _ in rows)
    reached = "yes" if worst < TARGET_SECONDS else "**no**"
    return f"| `kees lint` over 1,000 manifests | under {TARGET_SECONDS:.0f} s | {worst:.2f} s for the slowest input | {reached} |"


def section(rows):
    """The part of docs/benchmarks.md about `kees lint`."""
    return ["## kees lint", "",
            f"1,000 Deployments with four entries each, without a policy file; process start to exit, the median of {RUNS} runs.", "",
            "| manifests | time | CPU time | peak memory |", "| --- | ---: | ---: | ---: |",
            *(f"| {name} | {wall:.2f} s | {cpu:.2f} s | {memory:.1f} MB |" for name, wall, cpu, memory in rows), ""]


if __name__ == "__main__":
    measured = measure(*sys.argv[1:2])
    print("\n".join([target(measured), "", *section(measured)]))
