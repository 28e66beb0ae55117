"""Warming, measured beside what people use today, on one server."""

import contextlib
import json
import tempfile
import threading
import time
import urllib.request

from benchmarks import table
from benchmarks.processes import ROOT, WARMCTL, Client, Origin, ReplyError, Server, encoded, output

KEYS = 100_000
SINGLES = 20_000
FOREGROUND = 20_000
CHUNK = 1_000
PEERS = ROOT / "target/peers/bin/python"
# Names of loaders, the rate of each in batches of 100 a second (0: unlimited), and what is reached for.
SPEEDS = [("flat", 0, 2.0), ("20k", 200, 1.1), ("35k", 350, 1.4)]


def run(name, rounds, seconds):
    """All measurements on one server, printed as tables."""
    with Origin("--documents", KEYS) as origin, Server(name, loaders(origin)) as server:
        measured = table.Rounds()
        with tempfile.NamedTemporaryFile(prefix="redis-warm-bench-") as file:
            write_commands(origin, file)
            for number in range(rounds):
                print(f"bench: {name}: round {number + 1} of {rounds}", flush=True)
                measured.begin()
                loading(measured, origin, server, file.name)
                reading(measured, origin, server)
                foreground(measured, server, seconds)
        print_loading(name, measured)
        print_reading(name, measured)
        print_foreground(name, measured)
    memory(name)


def loaders(origin):
    batch = f"URL {origin.url}/content/{{id}} BATCH 100 BATCHURL {origin.url}/batch?ids={{ids}}"
    lines = [f"LOADER SET one MATCH one:{{id}} URL {origin.url}/raw/{{id}} CONCURRENCY 64"]
    lines += [f"LOADER SET {name} MATCH {name}:{{id}} {batch} RATE {rate}" for name, rate, _ in SPEEDS]
    return lines


# --- loading


def loading(measured, origin, server, commands):
    """One item a request, then batches: the module, the peers, and what the origin gives at most."""
    empty(server)
    measured.add("one", warm(server.client, "one", SINGLES))
    empty(server)
    measured.add("sequential", peer("sequential", origin, server, 1_000))
    empty(server)
    measured.add("pipelined", peer("pipelined", origin, server, 6_000))
    measured.add("wrk", wrk(origin, 64))
    empty(server)
    measured.add("batch", warm(server.client, "flat", KEYS))
    empty(server)
    measured.add("pipe", pipe(server, commands))


def warm(client, loader, keys):
    """Keys per second from the first WARM.LOAD to the end of the last job."""
    begin = time.perf_counter()
    loads = [load(loader, start, min(CHUNK, keys - start)) for start in range(0, keys, CHUNK)]
    jobs = [job_of(reply) for reply in client.pipeline(loads)]
    completed = sum(ended(client, job)["completed"] for job in jobs)
    if completed != keys:
        raise SystemExit(f"bench: {completed} of {keys} keys were loaded: {client.record('WARM.LOADER', 'GET', loader)}")
    return keys / (time.perf_counter() - begin)


def load(loader, start, keys, *options):
    return ["WARM.LOAD", *options, "KEYS", *(f"{loader}:{number}" for number in range(start + 1, start + keys + 1))]


def job_of(reply):
    return dict(zip(reply[::2], reply[1::2]))[b"job"]


def ended(client, job):
    return client.record("WARM.JOB", "WAIT", job, "120s")


def peer(script, origin, server, items):
    return float(output(PEERS, ROOT / f"benches/peers/{script}.py", origin.url, server.port, items))


def pipe(server, commands):
    begin = time.perf_counter()
    with open(commands, "rb") as file:
        output("redis-cli", "-p", server.port, "--pipe", stdin=file)
    return KEYS / (time.perf_counter() - begin)


def wrk(origin, connections):
    script = (
        f"local n = 0\nrequest = function() n = n % {SINGLES} + 1 return wrk.format('GET', '/raw/' .. n) end\n"
        "done = function(s) io.write('rate ', s.requests / s.duration * 1e6, '\\n') end\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        text = output("wrk", "-t1", f"-c{connections}", "-d2s", "-s", file.name, origin.url)
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("rate "))


def write_commands(origin, file):
    """The documents of the batches as SETs with an expiry, for redis-cli --pipe."""
    for start in range(1, KEYS + 1, 1000):
        ids = ",".join(str(number) for number in range(start, start + 1000))
        with urllib.request.urlopen(f"{origin.url}/batch-ndjson?ids={ids}") as response:
            for number, body in enumerate(response.read().splitlines(), start):
                file.write(encoded(["SET", f"flat:{number}", body, "PX", 3_600_000]))
    file.flush()


def empty(server):
    server.client("FLUSHALL", "SYNC")


def print_loading(name, measured):
    rows = [["1 KiB values", "items/s", "module is", "reach"]]
    for label, figure, module, reach in [
        ("module, one request an item", "one", None, ""),
        ("requests + redis-py, sequential", "sequential", "one", "20"),
        ("aiohttp, 64 connections, pipelined SETEX", "pipelined", "one", "8"),
        ("wrk alone on the origin", "wrk", "one", "0.6"),
        ("module, batches of 100", "batch", None, ""),
        ("redis-cli --pipe from a file", "pipe", "batch", "1.0"),
    ]:
        ratio = f"{table.times(measured.ratio(module, figure))} x" if module else ""
        rows.append([label, table.count(measured.median(figure)), ratio, reach])
    table.show(f"Loading, {name}", rows)


# --- reading through


def reading(measured, origin, server):
    empty(server)
    body = b"x" * 1024
    for start in range(0, FOREGROUND, CHUNK):
        server.client.pipeline([["SET", f"one:{number:012}", body] for number in range(start, start + CHUNK)])
    measured.add("get", redis_benchmark(server, "GET"))
    measured.add("warm.get", redis_benchmark(server, "WARM.GET"))
    empty(server)
    read = ["read", "--through", "--in-order", "--keys-prefix", "one:", "--clients", 50, "--json"]
    read += ["--documents", SINGLES, "--requests", SINGLES]
    measured.add("miss", json.loads(warmctl(server, *read))["throughput"])
    measured.add("wrk50", wrk(origin, 50))


def redis_benchmark(server, command):
    fixed = ["redis-benchmark", "-p", server.port, "-c", 50, "-n", 100_000, "-r", FOREGROUND, "--csv"]
    text = output(*fixed, command, "one:__rand_int__")
    return float(text.splitlines()[-1].split(",")[1].strip('"'))


def warmctl(server, *arguments):
    return output(WARMCTL, "-u", f"redis://127.0.0.1:{server.port}", *arguments)


def print_reading(name, measured):
    rows = [["reading through, 50 clients", "requests/s", "ratio", "reach"]]
    rows.append(["GET", table.count(measured.median("get")), "", ""])
    hit = f"{table.times(measured.ratio('warm.get', 'get'))} of GET"
    rows.append(["WARM.GET, hits", table.count(measured.median("warm.get")), hit, "0.9"])
    miss = f"{table.times(measured.ratio('miss', 'wrk50'))} of wrk"
    rows.append(["WARM.GET, misses", table.count(measured.median("miss")), miss, "0.5"])
    rows.append(["wrk alone on the origin", table.count(measured.median("wrk50")), "", ""])
    table.show(f"Reading, {name}", rows)


# --- what foreground clients feel


def foreground(measured, server, seconds):
    """GETs at 10,000 a second: idle, and beside warming at several speeds."""
    empty(server)
    for start in range(0, FOREGROUND, CHUNK):
        numbers = range(start + 1, start + CHUNK + 1)
        server.client.pipeline([["SET", f"fg:{number}", b"x" * 100] for number in numbers])
    for speed, _, _ in SPEEDS:
        measured.add(f"idle {speed}", probe(measured, "idle", server, seconds))
        with Warming(server, speed) as warming:
            measured.add(speed, probe(measured, speed, server, seconds))
        measured.add(f"keys {speed}", warming.rate())


def probe(measured, state, server, seconds):
    """The p99; p50 and p99.9 are booked by the way."""
    text = warmctl(server, "probe", "--keys-prefix", "fg:", "--documents", FOREGROUND, "--seconds", seconds, "--json")
    figures = json.loads(text)
    for quantile in ["p50", "p99_9"]:
        measured.add(f"{state} {quantile}", figures[quantile])
    return figures["p99"]


class Warming:
    """Warms the same keys over and over, on its own connection, while it is entered."""

    def __init__(self, server, loader):
        self.client, self.loader = Client(server.port), loader
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.feed)
        self.completed = 0

    def __enter__(self):
        self.begin = time.perf_counter()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()

    def rate(self):
        return self.completed / self.took

    def feed(self):
        jobs, start = [], 0
        while not self.stopped.is_set():
            if len(jobs) < 20:
                jobs.append(job_of(self.client(*load(self.loader, start, CHUNK, "FORCE"))))
                start = (start + CHUNK) % KEYS
            else:
                self.completed += ended(self.client, jobs.pop(0))["completed"]
        self.completed += sum(self.client.record("WARM.JOB", "STATUS", job)["completed"] for job in jobs)
        self.took = time.perf_counter() - self.begin
        for job in jobs:
            with contextlib.suppress(ReplyError):  # it has ended meanwhile
                self.client("WARM.JOB", "CANCEL", job)


def print_foreground(name, measured):
    def millis(figure):
        value = measured.median(figure)
        return "-" if value is None else f"{value:.2f}"

    rows = [["GET at 10,000/s, open loop", "keys/s", "p50 ms", "p99 ms", "p99.9 ms", "p99 / idle", "reach"]]
    rows.append(["idle", "", millis("idle p50"), millis("idle flat"), millis("idle p99_9"), "", ""])
    for speed, rate, reach in SPEEDS:
        label = f"while warming {rate * 100:,} keys/s" if rate else "while warming flat out"
        cells = [table.count(measured.median(f"keys {speed}")), millis(f"{speed} p50"), millis(speed)]
        ratio = table.times(measured.ratio(speed, f"idle {speed}"))
        rows.append([label, *cells, millis(f"{speed} p99_9"), ratio, f"{reach}"])
    table.show(f"Foreground, {name}", rows)


# --- memory


def memory(name):
    """Bytes of the server's memory for a queued key and for a load that is under way."""
    with Origin("--any-id", "--documents", 1, "--latency", "3s") as origin:
        slow = f"LOADER SET slow MATCH slow:{{id}} URL {origin.url}/raw/{{id}} CONCURRENCY 500"
        with Server(name, [slow]) as server:
            client = server.client
            client("WARM.PAUSE")
            queued = grown(client, lambda: client.pipeline([load("slow", n * CHUNK, CHUNK) for n in range(50)]))
            for job in client("WARM.JOB", "LIST"):
                client("WARM.JOB", "CANCEL", job if isinstance(job, int) else job_of(job))
            client("WARM.RESUME")
            in_flight = grown(client, lambda: start_loads(client))
            loads = client.record("WARM.LOADER", "GET", "slow")["in_flight"]
    rows = [["memory", "bytes"]]
    rows.append(["for a queued key of 10 bytes", table.count(queued / (50 * CHUNK))])
    rows.append([f"for a load under way ({loads} at once)", table.count(in_flight / max(loads, 1))])
    table.show(f"Memory, {name}", rows)


def grown(client, action):
    before = int(client.info("memory")["used_memory"])
    action()
    return int(client.info("memory")["used_memory"]) - before


def start_loads(client):
    """Returns when no more loads begin."""
    client(*load("slow", 0, 500))
    before, deadline = -1, time.monotonic() + 2
    while time.monotonic() < deadline:
        now = client.record("WARM.LOADER", "GET", "slow")["in_flight"]
        if now == before and now > 0:
            return
        before = now
        time.sleep(0.1)
