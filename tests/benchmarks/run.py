"""Measures the webhook, init, kiss, kees lint and the generation of keys, and writes docs/benchmarks.md.

All figures come from one run on one machine. Programs that are compared run in turn. tests/bench builds the programs
and starts this script.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import classes
import hostile
import kiss
import lint
import refresh
import variables
from counting_proxy import counting_proxy

CACHE, DYNAMODB = map(pathlib.Path, sys.argv[1:3])
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = CACHE / "images/context/bin/static"
PEER = CACHE / "bench/peer"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target"))
REVIEW = REPOSITORY / "inject/benches/review-3k.json"
TICK = os.sysconf("SC_CLK_TCK")
GO = "Go webhook"
# Other builds of kees-init to compare with, such as the last release: NAME=FILE, separated by semicolons.
OTHER_INITS = dict(each.split("=", 1) for each in os.environ.get("KEES_OTHER_INITS", "").split(";") if each)
AWS = {"AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(command, port, **options):
    """A child process that listens on `port`; ended with the block."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options)
    try:
        deadline = time.monotonic() + 60
        while True:
            if child.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with {child.returncode}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} does not listen on {port}")
                time.sleep(0.001)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def family(pid):
    """A process and its children: nginx serves requests in a child process."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(pid):
    total = 0
    for each in family(pid):
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident_mb(pid):
    total = 0
    for each in family(pid):
        status = pathlib.Path(f"/proc/{each}/status").read_text()
        total += int(re.search(r"VmRSS:\s+(\d+)", status).group(1))
    return total / 1024


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


# ---------------------------------------------------------------------------------------------------- webhook


def h2load(port, pid, folder, requests, connections, streams, h1):
    """Requests a second, p50 and p99 in ms, CPU in ms a request."""
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    command = ["h2load", "-n", str(requests), "-c", str(connections), "-m", str(1 if h1 else streams), "-d", str(REVIEW)]
    command += ["-H", "content-type: application/json", f"--log-file={log}", *(["--h1"] if h1 else [])]
    before = cpu_seconds(pid)
    out = subprocess.run([*command, f"https://127.0.0.1:{port}/mutate"], capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pid) - before
    done = re.search(r"(\d+) succeeded, (\d+) failed", out)
    if not done or int(done.group(1)) != requests or " 2xx" not in out or f"status codes: {requests} 2xx" not in out:
        raise RuntimeError(f"not all requests were answered:\n{out}")
    rate = float(re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", out).group(1))
    times = [int(line.split()[2]) / 1000 for line in log.read_text().splitlines()]
    return rate, percentile(times, 0.5), percentile(times, 0.99), used / requests * 1000


def response_size(port, folder, certificate):
    body = subprocess.run(
        ["curl", "-sS", "--cacert", certificate, "-H", "content-type: application/json", "--data-binary", f"@{REVIEW}",
         f"https://localhost:{port}/mutate"], capture_output=True, check=True).stdout
    response = json.loads(body)["response"]
    if not response["allowed"] or "patch" not in response:
        raise RuntimeError(f"the review is not patched: {body[:300]}")
    return len(body)


def webhook(folder):
    certificate, key = str(folder / "tls.crt"), str(folder / "tls.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", certificate, "-keyout", key],
        check=True, capture_output=True)
    port, admin, plain, peer = (free_port() for _ in range(4))
    command = [PROGRAMS / "kees-webhook", "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}",
               "--tls-cert", certificate, "--tls-key", key, "--init-image", "registry.example.com/kees-init:0.1.0",
               "--env-label", "bench", "--max-connections", "512", "--http2"]
    rows, memory = [], {}
    with server(command, port, stderr=subprocess.DEVNULL, env={}) as webhook_process:
        size = response_size(port, folder, certificate)
        (folder / "nginx.conf").write_text(f"""
            worker_processes auto; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
            events {{ worker_connections 512; }}
            http {{
              access_log off; client_body_temp_path {folder}/body; keepalive_requests 100000000;
              proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
              server {{
                listen 127.0.0.1:{plain} ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};
                location / {{ default_type application/json; return 200 "{'x' * size}"; }}
              }}
            }}""")
        with (server(["nginx", "-c", str(folder / "nginx.conf")], plain, stderr=subprocess.DEVNULL) as nginx_process,
              server([PEER, f"127.0.0.1:{peer}", certificate, key], peer, stderr=subprocess.DEVNULL) as peer_process):
            response_size(peer, folder, certificate)
            servers = (("kees-webhook", port, webhook_process, 1), ("nginx", plain, nginx_process, 1), (GO, peer, peer_process, 10))
            for h1 in (False, True):
                protocol = "HTTP/1.1" if h1 else "HTTP/2"
                for connections, streams, requests in ((1, 1, 20_000), (4, 8, 100_000)):
                    # In turn, four times. The best of each counts: other work on the machine can only add time.
                    results = {}
                    for _ in range(4):
                        for name, target, process, divisor in servers:
                            result = h2load(target, process.pid, folder, requests // divisor, connections, streams, h1)
                            if name not in results or result[3] < results[name][3]:
                                results[name] = result
                    load = f"{connections} × {1 if h1 else streams}"
                    for name, result in results.items():
                        rows.append((protocol, load, name, *result))
                    cpu = ", ".join(f"{name} {result[3]:.3f} ms" for name, result in results.items())
                    say(f"{protocol} {load}: CPU {cpu}")
            memory = {name: resident_mb(process.pid) for name, _, process, _ in servers}
    return size, rows, memory, statistics.median(ready(command, admin) for _ in range(20))


def ready(command, admin):
    """Time in ms from the start of the webhook until it is ready."""
    begun = time.perf_counter()
    with server(command, admin, stderr=subprocess.DEVNULL, env={}):
        while True:
            with socket.create_connection(("127.0.0.1", admin)) as connection:
                connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
                if b" 200 " in connection.makefile("rb").readline():
                    return (time.perf_counter() - begun) * 1000


def from_cluster(file, pattern):
    """The groups of each line that a test on the cluster printed."""
    found = re.findall(pattern, (CACHE / "bench" / file).read_text())
    if not found:
        raise RuntimeError(f"{file} has no line with {pattern}")
    return found


def criterion():
    """Name and median in µs of each result that `cargo bench` wrote."""
    found = []
    for file in sorted(TARGET.glob("criterion/**/new/estimates.json")):
        name = json.loads((file.parent / "benchmark.json").read_text())["full_id"]
        if name.startswith(("review", "typed")):
            found.append((name, json.loads(file.read_text())["median"]["point_estimate"] / 1000))
    return found


# ---------------------------------------------------------------------------------------------------- init


def run_measured(command, env):
    """Wall time in ms and CPU time in ms of one process, start to exit."""
    begun = time.perf_counter()
    pid = os.posix_spawn(command[0], command, env, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, env.get("BENCH_LOG", "/dev/null"),
                                                               os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)])
    _, status, usage = os.wait4(pid, 0)
    took = (time.perf_counter() - begun) * 1000
    if status != 0:
        raise RuntimeError(f"{command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return took, (usage.ru_utime + usage.ru_stime) * 1000


def peak_mb(command, env, folder):
    """Peak memory in MB of one process. It is started by a small program, because the memory of the parent counts until
    the new program is loaded."""
    out = folder / "peak"
    subprocess.run(["/usr/bin/time", "-f", "%M", "-o", out, *command], env=env, check=True, capture_output=True)
    return int(out.read_text()) / 1024


def init_environment(folder, endpoint, name, entries):
    lines = [f'secret.bsycorp.com/{key}="{value}"' for key, value in entries]
    lines.append(f'init.bsycorp.com/storage-prefix="/bench/{name}"')
    annotations = folder / f"{name}.annotations"
    annotations.write_text("\n".join(sorted(lines)))
    out = folder / name
    out.mkdir()
    return {**AWS, "AWS_ENDPOINT": endpoint, "ENV_LABEL": "bench", "ANNOTATIONS_FILE": str(annotations),
            "SECRETS_FILE": f"{out}/secrets.properties", "RESOURCES_FILE": f"{out}/resources.properties",
            "LEASES_FILE": f"{out}/leases.properties", "RESOURCES_FILE_PATH": str(out), "LEASES_FILE_PATH": str(out),
            "TERMINATION_LOG": "/dev/null", "BENCH_LOG": f"{out}.log"}


def dynamodb(endpoint, operation, body):
    subprocess.run(
        ["curl", "-sSf", "-o", "/dev/null", endpoint, "-H", f"x-amz-target: DynamoDB_20120810.{operation}",
         "-H", "content-type: application/x-amz-json-1.0", "-H",
         "authorization: AWS4-HMAC-SHA256 Credential=bench/20200101/ap-southeast-2/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
         "-d", json.dumps(body)], check=True)


def create_table(endpoint):
    dynamodb(endpoint, "CreateTable", {
        "TableName": "bench-kube-secret", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "secretName", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "secretName", "KeyType": "HASH"}]})


def sidecars(program, folder, endpoint, entries):
    """The figures of the sidecars with these entries and one that changes."""
    refreshed, fast = (init_environment(folder, endpoint, name, [*entries, ("url", "kind=REFERENCE")]) for name in ("refresh", "fast"))

    def store(name, text):
        value = base64.b64encode(text.encode()).decode()
        item = {"secretName": {"S": f"/bench/{name}/url"}, "secretValue": {"S": value}}
        dynamodb(endpoint, "PutItem", {"TableName": "bench-kube-secret", "Item": item})

    for name in ("refresh", "fast"):
        store(name, "first")
    return refresh.measure(program, refreshed, lambda text: store("refresh", text), fast)


def absent(program, folder, endpoint, port, entries):
    """Calls and median wall time in ms of a run in which all entries are absent."""
    name = pathlib.Path(tempfile.mkdtemp(dir=folder)).name
    runs = [run_measured([program], init_environment(folder, endpoint, f"{name}-{n}", entries)) for n in range(20)]
    with counting_proxy(port) as (proxy, requests):
        run_measured([program], init_environment(folder, f"http://127.0.0.1:{proxy}", f"{name}-counted", entries))
    return len(requests), percentile([r[0] for r in runs], .5)


def init(folder):
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    java = ["java", f"-Djava.library.path={DYNAMODB}", "-cp", f"{DYNAMODB}/*",
            "com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-sharedDb", "-disableTelemetry",
            "-port", str(port)]
    program = str(PROGRAMS / "kees-init")
    with server(java, port, stderr=subprocess.DEVNULL):
        create_table(endpoint)
        ten = [(f"password-{n}", "kind=DYNAMIC,type=PASSWORD,size=256") for n in range(10)]
        env = init_environment(folder, endpoint, "ten", ten)
        for _ in range(100):  # The first run creates them, and the others warm up Java.
            run_measured([program], env)
        runs = [run_measured([program], env) for _ in range(50)]
        peak = max(peak_mb([program], env, folder) for _ in range(10))
        say(f"ten entries: p50 {percentile([r[0] for r in runs], .5):.1f} ms, {peak:.1f} MB")
        created = {name: absent(path, folder, endpoint, port, ten) for name, path in {"this version": program, **OTHER_INITS}.items()}
        say(f"ten absent entries: {created}")
        keys = [(f"key-{n}_{half}", "kind=DYNAMIC,type=RSA,size=2048") for n in range(50) for half in ("public", "private")]
        hundred = run_measured([program], init_environment(folder, endpoint, "hundred", keys))
        say(f"a hundred absent entries: {hundred[0]:.0f} ms, {hundred[1]:.0f} ms of CPU")
        refreshed = sidecars(program, folder, endpoint, ten)
        say(f"sidecars: {refreshed}")
    return runs, peak, created, hundred, refreshed


# ---------------------------------------------------------------------------------------------------- keys


def keys():
    one = str(TARGET / "dist-small/examples/one")
    rows = []
    for what, count, ours, theirs in (
            ("RSA 2048", 60, [one, "RSA", "2048"], ["/usr/bin/openssl", "genrsa", "2048"]),
            ("RSA 4096", 24, [one, "RSA", "4096"], ["/usr/bin/openssl", "genrsa", "4096"]),
            ("GPG 4096", 24, [one, "GPG", "4096"], ["/usr/bin/openssl", "genrsa", "4096"])):
        mine, other = [], []
        for _ in range(count):
            mine.append(run_measured(ours, {})[1])
            other.append(run_measured(theirs, {})[1])
        rows.append((what, count, statistics.median(mine), statistics.mean(mine), statistics.median(other), statistics.mean(other)))
        say(f"{what}: mean {rows[-1][3]:.0f} ms against {rows[-1][5]:.0f} ms")
    return rows


# ---------------------------------------------------------------------------------------------------- page


def machine():
    model = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores of {model.group(1) if model else 'an unknown model'}, Linux {os.uname().release}"


def reached(holds):
    return "yes" if holds else "**no**"


def main():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        os.chmod(folder, 0o755)
        size, requests, memory, start = webhook(folder)
        runs, peak, created, hundred, refreshed = init(folder)
    attacks = hostile.measure_all(PROGRAMS / "kees-webhook")
    started = variables.measure(PROGRAMS / "kees-init")
    generation = keys()
    linted = lint.measure(PROGRAMS / "kees")
    pinged = kiss.measure(PROGRAMS / "kiss-server", CACHE / "images/kees-kiss.tar")
    reviews = criterion()
    admissions = from_cluster("admissions.txt", r"admission: (\|.*\|)")
    controller = from_cluster("controller.txt", r"controller: (\|.*\|)")
    starts = from_cluster("starts.txt", r"start: (\|.*\|)")
    of_classes = [from_cluster("classes.txt", pattern) for pattern in (
        r"class: (\|.*\|)", r"classes: (\|.*\|)", r"class calls: \{(.*)\}", r"from apply to the first message: (\S+)")]
    installed, = from_cluster("install.txt", r"from helm install to the first annotated pod Ready: ([\d.]+) s")
    binary = (PROGRAMS / "kees-init").stat().st_size / 1e6
    image = (CACHE / "images/kees-init.tar").stat().st_size / 1e6
    webhook_binary = (PROGRAMS / "kees-webhook").stat().st_size / 1e6
    cpu = {(p, load, name): c for p, load, name, _, _, _, c in requests}
    loads = sorted({(p, load) for p, load, _ in cpu})
    to_nginx = max(cpu[*load, "kees-webhook"] / cpu[*load, "nginx"] for load in loads)
    to_go = min(cpu[*load, GO] / cpu[*load, "kees-webhook"] for load in loads)
    p50, p99 = (percentile([r[0] for r in runs], share) for share in (.5, .99))
    small = next((us for name, us in reviews if "3.4" in name), float("nan"))
    large = next((us for name, us in reviews if "200" in name), float("nan"))
    slowest = max(mean / other for what, _, _, mean, _, other in generation if what.startswith("RSA"))
    watched = max(float(re.search(r"([\d.]+) MB \|$", row).group(1)) for row in controller)
    cores = os.cpu_count()

    lines = ["# Benchmarks", "",
             "`make bench` writes this page. All figures come from one run on one machine; programs that are compared run in",
             "turn. Ratios are more useful than absolute figures, which depend on the machine.", "",
             f"{machine()}; {time.strftime('%Y-%m-%d')}.", "",
             "## Targets", "", "| figure | target | measured | reached |", "| --- | --- | --- | --- |",
             f"| webhook: CPU time of a request, compared with nginx and a static body of the same size | at most 3 × at each load | {to_nginx:.2f} × at the worst load | {reached(to_nginx <= 3)} |",
             f"| webhook: CPU time of a request, compared with a typical webhook in Go | at least 10 × less at each load | {to_go:.1f} × less at the worst load | {reached(to_go >= 10)} |",
             f"| webhook: resident memory after more than 100,000 requests | under 15 MB | {memory['kees-webhook']:.1f} MB | {reached(memory['kees-webhook'] < 15)} |",
             f"| review to response, 3.4 KB, six entries | under 25 µs | {small:.1f} µs | {reached(small < 25)} |",
             f"| review to response, 200 KB | under 1 ms | {large:.0f} µs | {reached(large < 1000)} |",
             f"| init: ten existing entries, p50 | under 12 ms | {p50:.1f} ms | {reached(p50 < 12)} |",
             f"| init: peak memory | under 12 MB | {peak:.1f} MB | {reached(peak < 12)} |",
             f"| init: static binary | under 8 MB | {binary:.1f} MB | {reached(binary < 8)} |",
             f"| controller: memory with 5,000 pods | under 60 MB | {watched:.1f} MB | {reached(watched < 60)} |",
             refresh.target(refreshed),
             kiss.target(pinged),
             lint.target(linted),
             f"| RSA generation, against `openssl genrsa` | within 20 % | {slowest:.2f} × at the worst size | {reached(slowest <= 1.2)} |", "",
             "## Webhook", "",
             f"`h2load` on the same machine sends a review of 3.4 KB with six entries over TLS 1.3. nginx responds with a static",
             f"body of {size:,} bytes, the size of the webhook's response. The Go webhook (`tests/benchmarks/peer`) is written in the",
             "usual way with controller-runtime: it decodes the pod, changes it and compares both versions, but checks nothing. The",
             "load is connections × streams.", "",
             "| protocol | load | server | requests a second | p50 | p99 | CPU a request |", "| --- | --- | --- | ---: | ---: | ---: | ---: |",
             *(f"| {p} | {load} | {name} | {rate:,.0f} | {a:.2f} ms | {b:.2f} ms | {c:.3f} ms |" for p, load, name, rate, a, b, c in requests), "",
             f"Resident memory afterwards: {', '.join(f'{name} {mb:.1f} MB' for name, mb in memory.items())}. "
             f"The binary has {webhook_binary:.1f} MB.", "",
             "The decision alone, from the bytes of the review to the bytes of the response (criterion, median):", "", "| review | time |", "| --- | ---: |",
             *(f"| {name.removeprefix('review/')} | {us:,.1f} µs |" for name, us in reviews), "",
             "## On a cluster", "",
             "A real API server (the one of the tests, on this machine) calls the webhook through its Service. It counts how long it waits",
             "for the webhook (`apiserver_admission_webhook_admission_duration_seconds`). Its histogram has a few wide buckets, so a",
             "percentile is only known to be at most the bound of its bucket. The pods are dry runs with one entry.", "",
             "| pods a second | pods | mean | p50 | p99 |", "| ---: | ---: | ---: | ---: | ---: |", *admissions, "",
             f"With certificates from files, the webhook is ready {start:.0f} ms after its start (median of 20). From `helm install` with",
             f"certificates of its own to the first annotated pod Ready: {installed} s.", "",
             *hostile.section(attacks),
             "## Controller", "",
             "The controller starts when the pods exist already; the time begins with its first response to a scraper. Each pod has one",
             "entry of its own, in DynamoDB Local. The memory is the largest resident memory of the process. The percentiles are those",
             "of single attempts, and only known to be at most the bound of a bucket of `kees_controller_duration_seconds`.", "",
             "| secrets | pods | time | pods a second | p50 | p99 | memory |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: |", *controller, "",
             *lint.section(linted),
             "## Init", "",
             f"Ten existing entries from DynamoDB Local, process start to exit, {len(runs)} runs: p50 {p50:.1f} ms, p99 {p99:.1f} ms,",
             f"peak memory {peak:.1f} MB. The static binary has {binary:.1f} MB, the image {image:.1f} MB.", "",
             "Ten absent passwords in DynamoDB Local:", "",
             "| program | calls | p50 of 20 runs |", "| --- | ---: | ---: |",
             *(f"| {name} | {calls} | {ms:.1f} ms |" for name, (calls, ms) in created.items()), "",
             f"A hundred absent entries (fifty RSA 2048 pairs): {hundred[0] / 1000:.2f} s of wall time and {hundred[1] / 1000:.2f} s of CPU time. The CPU time is",
             f"{hundred[1] / 1000 / cores:.2f} s for each of {cores} cores, so the wall time is {hundred[0] * cores / hundred[1]:.2f} × the shortest possible time.", "",
             *refresh.section(refreshed, starts),
             *variables.section(started),
             *classes.section(of_classes[0], of_classes[1], of_classes[2][0].replace('"', "`"), of_classes[3][0]),
             *kiss.section(pinged),
             "## Keys", "",
             "Each run generates one key, in turn with `openssl genrsa`. The table shows the CPU time from start to exit. The time",
             "for one key varies, because primes are found by trial. So the table shows medians and means of many runs.", "",
             "| key | runs | kees, median | mean | openssl, median | mean | ratio of means |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
             *(f"| {what} | {count} | {a:,.0f} ms | {b:,.0f} ms | {c:,.0f} ms | {d:,.0f} ms | {b / d:.2f} |" for what, count, a, b, c, d in generation), ""]
    page = "\n".join(lines)
    (REPOSITORY / "docs/benchmarks.md").write_text(page)
    print(page)


main()
