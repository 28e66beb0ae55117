"""Servers and origins that a benchmark starts, and how it talks to them."""

import atexit
import pathlib
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULE = ROOT / "target/release/libredis_warm.so"
WARMCTL = ROOT / "target/release/warmctl"
ORIGIN = ROOT / "target/release/examples/origin"
SERVERS = ["redis-7.0", "redis-8.2", "valkey-9.1"]


class Process:
    """A program that runs until `stop`, or until this script ends however it ends."""

    def __init__(self, *command, **options):
        self.folder = tempfile.TemporaryDirectory(prefix="redis-warm-bench-")
        self.process = subprocess.Popen([str(part) for part in command], cwd=self.folder.name, **options)
        atexit.register(self.stop)

    def stop(self):
        atexit.unregister(self.stop)
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Origin(Process):
    """The example origin with these flags."""

    def __init__(self, *flags):
        super().__init__(ORIGIN, *flags, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().removeprefix("listening on ").strip()
        self.url = f"http://{self.address}"


class Server(Process):
    """A server with the module; `loaders` are the lines of its warm file, or `None` for a server without it."""

    def __init__(self, name, loaders, *lines):
        self.port = free_port()
        files = tempfile.TemporaryDirectory(prefix="redis-warm-bench-")
        warm_file = pathlib.Path(files.name, "warm.conf")
        warm_file.write_text("\n".join(loaders or []) + "\n")
        configuration = pathlib.Path(files.name, "redis.conf")
        fixed = [f"port {self.port}", "bind 127.0.0.1", 'save ""']
        if loaders is not None:
            fixed += [f"loadmodule {MODULE}", f"warm.file {warm_file}"]
        configuration.write_text("\n".join([*fixed, *lines]) + "\n")
        self.files = files
        super().__init__(ROOT / "target/servers" / name, configuration, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                self.client = Client(self.port)
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"bench: {name} did not start with the module")
                time.sleep(0.05)


class Client:
    """A connection that speaks RESP2: replies are bytes, integers, lists, None, or a raised `ReplyError`."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.reader = self.socket.makefile("rb", buffering=1 << 16)

    def __call__(self, *words):
        self.socket.sendall(encoded(words))
        return self.reply()

    def pipeline(self, commands):
        self.socket.sendall(b"".join(encoded(words) for words in commands))
        return [self.reply() for _ in commands]

    def record(self, *words):
        """The reply as a dict."""
        flat = self(*words)
        return {name.decode(): value for name, value in zip(flat[::2], flat[1::2])}

    def info(self, section):
        lines = self("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def reply(self):
        line = self.reader.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.reader.read(size + 2)[:-2]
        if kind == b"*":
            return None if int(rest) < 0 else [self.reply() for _ in range(int(rest))]
        raise ReplyError(line.decode(errors="replace").strip() or "the server closed the connection")


class ReplyError(Exception):
    pass


def encoded(words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def output(*command, stdin=None):
    """What the command prints; its failure ends the benchmark."""
    done = subprocess.run([str(part) for part in command], stdin=stdin, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(str(part) for part in command)} failed")
    return done.stdout
