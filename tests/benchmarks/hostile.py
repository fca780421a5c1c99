"""Measures what hostile clients cost the webhook: its memory, and how long an honest request waits.

    tests/benchmarks/hostile.py [--program FILE] [--only TEXT] [--seconds N] [--connections N] [--json FILE]

For each input it starts a webhook, sends the input on several connections at once for some seconds, and sends an honest
review every 10 ms at the same time. It prints a table in Markdown. `make bench` writes it into docs/benchmarks.md.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import hostile_inputs
import http2_frames as h2

CACHE = pathlib.Path(os.environ.get("KEES_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "kees")
PROGRAM = CACHE / "images/context/bin/static/kees-webhook"
MEMORY_TARGET_MIB, WAIT_TARGET_MS = 64, 100
INTERVAL = 0.01
RECEIVE_BUFFER = 4096
# States of tcp(7).
TCP_CLOSE, TCP_CLOSE_WAIT = 7, 8


def client_context(protocol="http/1.1"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


def post(body, length=None):
    head = f"POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


# ---------------------------------------------------------------------------------------------------- honest client


class Honest:
    """Sends a review at fixed times, whether or not the responses to earlier ones have come. Prints what it measured."""

    def __init__(self, port):
        self.port, self.context, self.idle, self.waits, self.errors = port, client_context(), [], [], []
        self.request = post(hostile_inputs.review().encode())

    async def run(self, seconds):
        tasks, begun = [], time.perf_counter()
        for n in range(int(seconds / INTERVAL)):
            await asyncio.sleep(max(0, begun + n * INTERVAL - time.perf_counter()))
            tasks.append(asyncio.create_task(self.once()))
        await asyncio.wait(tasks, timeout=30)
        self.waits += [30.0] * sum(not task.done() for task in tasks)
        print(json.dumps({"waits": self.waits, "errors": self.errors}))

    async def once(self):
        begun = time.perf_counter()
        # An idle connection can be closed at the moment of its use. A client then tries again, as the API server does.
        for fresh in (False, True):
            try:
                await self.exchange(fresh)
                break
            except (OSError, EOFError, ssl.SSLError) as error:
                if fresh:
                    self.errors.append(repr(error))
        self.waits.append(time.perf_counter() - begun)

    async def exchange(self, fresh):
        if self.idle and not fresh:
            reader, writer = self.idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)
        try:
            writer.write(self.request)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(re.search(rb"content-length: (\d+)", head).group(1)))
        except BaseException:
            writer.close()
            raise
        if not json.loads(body)["response"]["allowed"]:
            self.errors.append(body.decode()[:300])
        self.idle.append((reader, writer))


# ---------------------------------------------------------------------------------------------------- hostile clients


class Attack:
    """Hostile connections, each in a thread that begins again when the connection is closed, until the time is over."""

    def __init__(self, port, connections, protocol="http/1.1"):
        self.port, self.connections, self.context = port, connections, client_context(protocol)
        self.ended, self.sent, self.first = threading.Event(), 0, None

    def run(self, seconds, act):
        def repeat():
            while not self.ended.is_set():
                with contextlib.suppress(OSError, EOFError, ssl.SSLError), self.connect() as stream:
                    act(self, stream)
                self.ended.wait(0.001)

        threads = [threading.Thread(target=repeat, daemon=True) for _ in range(self.connections)]
        for thread in threads:
            thread.start()
        self.ended.wait(seconds)
        self.ended.set()
        for thread in threads:
            thread.join(30)

    def connect(self):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", self.port))
        return self.context.wrap_socket(raw)

    def hold(self, stream):
        """Keeps the connection open without reading until the server closes it. Only the socket's state shows that: a read
        would make room for the response."""
        while not self.ended.is_set():
            state = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            if state in (TCP_CLOSE, TCP_CLOSE_WAIT):
                return
            self.ended.wait(0.05)


def send_and_read(body):
    request = post(body)

    def act(attack, stream):
        with stream.makefile("rb") as reader:
            while not attack.ended.is_set():
                stream.sendall(request)
                head = b"".join(iter(reader.readline, b"\r\n"))
                if not head:
                    return
                content = reader.read(int(re.search(rb"content-length: (\d+)", head).group(1)))
                attack.sent += 1
                attack.first = attack.first or content
    return act


def send_without_reading(body):
    """Requests one after the other on one connection, of which no response is read."""
    request = post(body)

    def act(attack, stream):
        stream.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while not attack.ended.is_set():
                stream.sendall(request)
                attack.sent += 1
        attack.hold(stream)
    return act


def send_slowly(attack, stream):
    """Most of a long body, and then a byte now and then."""
    begun = b'{"request": {"uid": "x", "object": "' + b" " * 1_000_000
    stream.sendall(post(begun, hostile_inputs.BODY_LIMIT))
    attack.sent += 1
    while not attack.ended.wait(0.1):
        stream.sendall(b" ")


def send_head(attack, stream):
    """The head of a request and the first byte of its short body."""
    stream.sendall(post(b"{", 5000))
    attack.sent += 1
    attack.hold(stream)


def http2_without_reading(body):
    """Requests on streams whose window for responses is 0."""

    def act(attack, stream):
        if stream.selected_alpn_protocol() != "h2":
            raise OSError("no HTTP/2")
        stream.sendall(h2.PREFACE + h2.settings(initial_window=0))
        stream.settimeout(1)
        with contextlib.suppress(TimeoutError):
            for number in range(1, 65_000, 2):
                if attack.ended.is_set():
                    break
                stream.sendall(h2.post(number) + h2.data(number, body))
                attack.sent += 1
        attack.hold(stream)
    return act


def http2_full_windows(size):
    """Bodies that fill the receive window of a new connection, in frames of `size` bytes, and never end."""
    body = b" " * h2.WINDOW

    def act(attack, stream):
        if stream.selected_alpn_protocol() != "h2":
            raise OSError("no HTTP/2")
        stream.sendall(h2.PREFACE + h2.settings() + h2.post(1) + h2.data(1, body, size, last=False))
        attack.sent += 1
        attack.hold(stream)
    return act


def cases():
    """Name, connections, protocol, what each connection does."""
    for name, body in hostile_inputs.BODIES.items():
        yield name, 8, "http/1.1", lambda body=body: send_and_read(body())
    small, long = hostile_inputs.review().encode(), hostile_inputs.long_response
    yield "responses that are never read: 250 connections, short requests", 250, "http/1.1", lambda: send_without_reading(small)
    yield "responses that are never read: 250 connections, long responses", 250, "http/1.1", lambda: send_without_reading(long())
    yield "250 connections that send long bodies slowly", 250, "http/1.1", lambda: send_slowly
    yield "300 connections, more than are served, whose short bodies do not arrive", 300, "http/1.1", lambda: send_head
    yield "HTTP/2, window 0: 250 connections, short requests", 250, "h2", lambda: http2_without_reading(small)
    yield "HTTP/2, window 0: 250 connections, long responses", 250, "h2", lambda: http2_without_reading(long())
    yield "HTTP/2: 250 connections that fill the receive windows", 250, "h2", lambda: http2_full_windows(h2.FRAME_LIMIT)
    yield "HTTP/2: the same in frames of one byte", 250, "h2", lambda: http2_full_windows(1)


# ---------------------------------------------------------------------------------------------------- measurement


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def knows(program, flag):
    return flag in subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def webhook(program, folder, http2):
    """A webhook on a free port; ended with the block."""
    port, admin = free_port(), free_port()
    command = [program, "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}", "--tls-cert", folder / "tls.crt",
               "--tls-key", folder / "tls.key", "--init-image", "registry.example.com/kees-init:0.1.0", "--env-label", "bench"]
    if http2 and knows(program, "--http2"):
        command.append("--http2")
    child = subprocess.Popen(command, env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if child.poll() is not None:
                raise RuntimeError(f"{program} ended with {child.returncode}")
            time.sleep(0.05)
        yield child, port
    finally:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def peak_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def answer(content):
    """What the webhook says about an input, in a few words."""
    if content is None:
        return "none read"
    response = json.loads(content)["response"]
    if response["allowed"]:
        return "allowed"
    return f"{response['status']['code']}: {response['status']['message']}"


def measure(program, folder, seconds, case, limit):
    name, connections, protocol, prepare = case
    act = prepare()
    with webhook(program, folder, protocol == "h2") as (child, port):
        honest = subprocess.Popen([sys.executable, __file__, "--honest", str(port), "--seconds", str(seconds)], stdout=subprocess.PIPE)
        os.setpriority(os.PRIO_PROCESS, honest.pid, -10) if os.geteuid() == 0 else None
        attack = Attack(port, min(connections, limit or connections), protocol)
        time.sleep(0.5)
        attack.run(seconds - 1, act)
        measured = json.loads(honest.communicate(timeout=seconds + 60)[0])
        peak = peak_mib(child.pid)
        ended = child.poll()
    waits = sorted(measured["waits"])
    row = {"name": name, "sent": attack.sent, "peak_mib": peak, "longest_ms": waits[-1] * 1000,
           "p99_ms": waits[int(len(waits) * 0.99)] * 1000, "errors": len(measured["errors"]), "answer": answer(attack.first)}
    print(f"hostile: {name}: {row['sent']} sent, {peak:.0f} MiB, longest wait {row['longest_ms']:.0f} ms, p99 {row['p99_ms']:.1f} ms, "
          f"{row['errors']} errors, {row['answer'][:160]}{' ENDED' if ended is not None else ''}", file=sys.stderr, flush=True)
    for error in measured["errors"][:2]:
        print(f"hostile:   {error}", file=sys.stderr)
    return row


def table(rows):
    """The rows as lines of Markdown."""
    head = ["| input | sent | peak memory | longest wait | p99 |", "| --- | ---: | ---: | ---: | ---: |"]
    return head + [f"| {r['name']} | {r['sent']:,} | {r['peak_mib']:.0f} MiB | {r['longest_ms']:.0f} ms | {r['p99_ms']:.1f} ms |" for r in rows]


def section(rows):
    """The part of docs/benchmarks.md about hostile clients."""
    memory, wait = max(r["peak_mib"] for r in rows), max(r["longest_ms"] for r in rows)
    return ["## Hostile clients", "",
            "Each input is sent by 8 connections at once (or by as many as its name says), as fast as the webhook takes it, for",
            "some seconds, to a new process. An honest client sends a review of 0.7 KB every 10 ms at the same time. The longest",
            "wait of that client and the largest resident memory of the process count. The bodies have 3 MiB, the most that is",
            "accepted, unless the name of the input says otherwise. Clients and webhook share the machine.", "",
            *table(rows), "",
            f"Targets: less than {MEMORY_TARGET_MIB} MiB ({memory:.0f} MiB at most: {'reached' if memory < MEMORY_TARGET_MIB else '**missed**'}) "
            f"and less than {WAIT_TARGET_MS} ms ({wait:.0f} ms at most: {'reached' if wait < WAIT_TARGET_MS else '**missed**'}).", ""]


def measure_all(program, seconds=6.0, only="", limit=None):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-out", folder / "tls.crt", "-keyout", folder / "tls.key"], check=True, capture_output=True)
        return [measure(program, folder, seconds, case, limit) for case in cases() if only in case[0]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--connections", type=int, help="at most so many connections")
    parser.add_argument("--only", default="", help="the inputs whose names contain this text")
    parser.add_argument("--json", type=pathlib.Path, help="writes the figures into this file too")
    parser.add_argument("--honest", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.honest:
        asyncio.run(Honest(args.honest).run(args.seconds))
        return
    rows = measure_all(args.program, args.seconds, args.only, args.connections)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    print("\n".join(section(rows)))


if __name__ == "__main__":
    main()
