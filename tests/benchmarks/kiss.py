"""Measures Ping of kiss-server: authentication and authorisation alone. run.py puts the result into docs/benchmarks.md.

    kiss.py PROGRAM [IMAGE]: prints the section.
"""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

GROUPS = 20
LOADS = ((1, 1, 20_000), (4, 8, 100_000))
ROUNDS = 3
STARTS = 20
TICK = os.sysconf("SC_CLK_TCK")


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


class Provider:
    """An OIDC provider with one RSA key of 2048 bits."""

    def __init__(self, folder):
        self.key = str(folder / "provider.pem")
        openssl("genrsa", "-out", self.key, "2048")
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
        self.keys = {"keys": [{"kty": "RSA", "kid": "bench", "use": "sig", "n": encoded(bytes.fromhex(modulus)), "e": "AQAB"}]}

    def token(self, groups):
        now = int(time.time())
        claims = {"email": "ada@example.com", "cognito:groups": groups, "iss": "https://issuer.example.com", "aud": "kubernetes",
                  "iat": now, "exp": now + 3600}
        parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "bench"}, claims)]
        signed = ".".join(parts)
        return f"{signed}.{encoded(openssl('dgst', '-sha256', '-sign', self.key, data=signed.encode()))}"


BINDING = {"metadata": {"name": "payments", "namespace": "payments", "resourceVersion": "1"},
           "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "developers"},
           "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "payments-developers"}]}
BINDINGS = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBindingList", "metadata": {"resourceVersion": "1"}, "items": [BINDING]}
IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/bench</Arn><UserId>bench</UserId><Account>123456789012</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A connection breaks when the program that is measured ends."""


@contextlib.contextmanager
def surroundings(provider):
    """The provider's keys, an API server that lists one RoleBinding, and STS, on one port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, body, kind="application/json"):
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/keys":
                self.answer(json.dumps(provider.keys).encode())
            elif "watch=true" in self.path:
                # A watch in which nothing happens until its end.
                time.sleep(int(re.search(r"timeoutSeconds=(\d+)", self.path).group(1)))
                self.answer(b"")
            else:
                self.answer(json.dumps(BINDINGS).encode())

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(IDENTITY.encode(), "text/xml")

        def log_message(self, *_):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path):
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n".encode())
        return connection.makefile("rb").read().decode()


@contextlib.contextmanager
def running(program, folder, url):
    """The server on one core, ready. Yields its process, its ports, and the time in ms from its start until it is ready."""
    port, admin = free_port(), free_port()
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--admin-listen", f"127.0.0.1:{admin}", "--jwks-url", f"{url}/keys",
               "--issuer", "https://issuer.example.com", "--audience", "kubernetes", "--kubeconfig-path", folder / "kubeconfig",
               "--tls-cert", folder / "tls.crt", "--tls-key", folder / "tls.key", "--token-path", "",
               "--user-rate", "1000000", "--user-burst", "1000000"]
    env = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
    with open(folder / "log", "w") as log:
        begun = time.perf_counter()
        process = subprocess.Popen(["taskset", "-c", "0", *command], env={"PATH": os.environ["PATH"], **env}, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=log)
        try:
            while True:
                if process.poll() is not None:
                    raise RuntimeError(f"kiss-server ended: {(folder / 'log').read_text()}")
                with contextlib.suppress(OSError):
                    if " 200 " in get(admin, "/readyz").splitlines()[0]:
                        break
                time.sleep(0.0005)
            yield process, port, admin, (time.perf_counter() - begun) * 1000
        finally:
            process.terminate()
            process.wait(40)


def memory_mb(pid, name):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status).group(1)) / 1024


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def pings(admin):
    """The successful calls since the start."""
    found = re.findall(r'^kees_kiss_calls_total\{(.*)\} (\d+)$', get(admin, "/metrics"), re.MULTILINE)
    return sum(int(count) for labels, count in found if 'method="Ping"' in labels and 'code="OK"' in labels)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def load(server, folder, token, connections, streams, calls):
    """Calls a second, p50 and p99 in ms, CPU time of a call in ms. h2load does not know gRPC, so the server's own counter says
    whether the calls have succeeded."""
    process, port, admin, _ = server
    # An uncompressed message: ClientMeta, the field 1, with the namespace, its field 1.
    namespace = b"payments"
    message = bytes([10, len(namespace) + 2, 10, len(namespace)]) + namespace
    (folder / "ping").write_bytes(bytes([0]) + len(message).to_bytes(4, "big") + message)
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    done, used = pings(admin), cpu_seconds(process.pid)
    out = subprocess.run(
        ["taskset", "-c", "1", "h2load", "-n", str(calls), "-c", str(connections), "-m", str(streams), "-d", folder / "ping",
         "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", f"authorization: {token}", f"--log-file={log}",
         f"https://127.0.0.1:{port}/kiss.resources.KISS/Ping"], check=True, capture_output=True, text=True).stdout
    used, done = cpu_seconds(process.pid) - used, pings(admin) - done
    if done != calls:
        raise RuntimeError(f"{done} of {calls} calls have succeeded:\n{out}\n{(folder / 'log').read_text()[-2000:]}")
    rate = float(re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", out).group(1))
    times = [int(line.split()[2]) / 1000 for line in log.read_text().splitlines()]
    return rate, percentile(times, .5), percentile(times, .99), used / calls * 1000


def measure(program, image=None):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=IP:127.0.0.1", "-out", str(folder / "tls.crt"), "-keyout", str(folder / "tls.key"))
        provider = Provider(folder)
        token = provider.token([f"group-{number}" for number in range(GROUPS - 1)] + ["payments-developers"])
        with surroundings(provider) as url:
            cluster = {"apiVersion": "v1", "kind": "Config", "current-context": "bench", "users": [{"name": "bench", "user": {}}],
                       "clusters": [{"name": "bench", "cluster": {"server": url}}],
                       "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}]}
            (folder / "kubeconfig").write_text(json.dumps(cluster))
            with running(program, folder, url) as server:
                process = server[0]
                time.sleep(2)
                rest = memory_mb(process.pid, "VmRSS")
                rows = []
                for connections, streams, calls in LOADS:
                    # The best counts: other work on the machine can only add time.
                    results = [load(server, folder, token, connections, streams, calls) for _ in range(ROUNDS)]
                    rows.append((f"{connections} × {streams}", *min(results, key=lambda result: result[3])))
                peak = memory_mb(process.pid, "VmHWM")
            starts = []
            for _ in range(STARTS):
                with running(program, folder, url) as server:
                    starts.append(server[3])
    return {"rows": rows, "rest": rest, "peak": peak, "start": statistics.median(starts), "length": len(token),
            "binary": pathlib.Path(program).stat().st_size / 1e6,
            "image": pathlib.Path(image).stat().st_size / 1e6 if image else None}


def target(measured):
    reached = "yes" if measured["peak"] < 25 else "**no**"
    return f"| kiss-server: peak memory under load | under 25 MB | {measured['peak']:.1f} MB | {reached} |"


def section(measured):
    """The lines of the page."""
    calls = sum(calls for _, _, calls in LOADS) * ROUNDS
    image = f", the image {measured['image']:.1f} MB" if measured["image"] else ""
    return [
        "## kiss", "",
        "`h2load` calls `Ping` of [`kiss-server`](kiss.md) over TLS 1.3. Each call checks a token of RS256 with a key of 2048 bits, which has",
        f"{GROUPS} groups and {measured['length']:,} characters, and decides by a RoleBinding that the server watches. It writes its audit line into a file.",
        f"The server and `h2load` have one core each. The load is connections × streams, and the best of {ROUNDS} runs is shown.", "",
        "| load | calls a second | p50 | p99 | CPU a call |", "| --- | ---: | ---: | ---: | ---: |",
        *(f"| {name} | {rate:,.0f} | {p50:.2f} ms | {p99:.2f} ms | {cpu:.3f} ms |" for name, rate, p50, p99, cpu in measured["rows"]), "",
        f"Memory at rest: {measured['rest']:.1f} MB. The peak in {calls:,} calls: {measured['peak']:.1f} MB. The server is ready {measured['start']:.0f} ms after its start",
        f"(median of {STARTS}), with the keys, STS and the API server on the same machine. The static binary has {measured['binary']:.1f} MB{image}.", ""]


if __name__ == "__main__":
    result = measure(*sys.argv[1:])
    print("\n".join([target(result), "", *section(result)]))
