"""What it costs to be watched: GETs on a server with the module beside the same server without it."""

from benchmarks import table
from benchmarks.processes import Server, output

KEYS = 20_000
# Commands sent together, requests of a run, and the share of the plain server's throughput that is reached for.
DEPTHS = [(1, 100_000, 0.99), (32, 1_000_000, 0.96)]
# Who is measured, and the prefix of the keys that are read: only `content:` is a loader's.
SIDES = {"plain": "content:", "other keys": "session:", "watched": "content:"}


def run(name, rounds):
    """All measurements on one server, printed as a table."""
    loaders = ["LOADER SET content MATCH content:{id} URL http://127.0.0.1:1/{id} RATE 1"]
    with Server(name, None) as plain, Server(name, loaders) as module:
        servers = {"plain": plain, "other keys": module, "watched": module}
        for server in (plain, module):
            for prefix in sorted(set(SIDES.values())):
                sets = [["SET", f"{prefix}{number:012}", b"x" * 100] for number in range(KEYS)]
                server.client.pipeline(sets)
        measured = table.Rounds()
        for number in range(rounds):
            print(f"bench: {name}: round {number + 1} of {rounds}", flush=True)
            measured.begin()
            for depth, requests, _ in DEPTHS:
                # Whoever goes first in one round goes last in the next.
                for side in list(SIDES) if number % 2 == 0 else reversed(SIDES):
                    measure(measured, servers[side], side, depth, requests)
        show(name, measured)


def measure(measured, server, side, depth, requests):
    fixed = ["redis-benchmark", "-p", server.port, "-c", 50, "-n", requests, "-r", KEYS, "-P", depth, "--csv"]
    before, watch = spent(server), watched(server, side)
    text = output(*fixed, "GET", f"{SIDES[side]}__rand_int__")
    figure = f"{side} {depth}"
    measured.add(figure, float(text.splitlines()[-1].split(",")[1].strip('"')))
    # Of the server's main thread alone: a neighbour on the machine does not count.
    measured.add(f"{figure} ns", (spent(server) - before) / requests * 1e9)
    if watch:
        after = watched(server, side)
        for name in ("seen", "dropped"):
            measured.add(f"{name} {depth}", (after[name] - watch[name]) / requests)
        measured.add(f"cost {depth}", after["cost_ns"])


def spent(server):
    cpu = server.client.info("cpu")
    return float(cpu["used_cpu_user_main_thread"]) + float(cpu["used_cpu_sys_main_thread"])


def watched(server, side):
    if side == "plain":
        return None
    prefix = "warm_threads_watch_"
    lines = server.client.info("warm").items()
    return {name.removeprefix(prefix): float(value) for name, value in lines if name.startswith(prefix)}


def show(name, measured):
    heading = ["GET, 50 clients", "requests/s", "of plain", "reach", "main thread, ns", "more than plain", "recorded", "dropped"]
    rows = [heading]
    for depth, _, reach in DEPTHS:
        for side in SIDES:
            figure = f"{side} {depth}"
            row = [f"{side}, -P {depth}", table.count(measured.median(figure))]
            if side == "plain":
                rows.append([*row, "", "", table.count(measured.median(f"{figure} ns")), "", "", ""])
                continue
            row += [table.times(measured.ratio(figure, f"plain {depth}")), f"{reach}"]
            more = measured.ratio(f"{figure} ns", f"plain {depth} ns")
            row += [table.count(measured.median(f"{figure} ns")), f"{(more - 1) * 100:+.0f} %"]
            shares = [measured.median(f"{kind} {depth}") for kind in ("seen", "dropped")] if side == "watched" else []
            rows.append(row + ([f"{share * 100:.0f} %" for share in shares] or ["", ""]))
    table.show(f"Being watched, {name}", rows)
