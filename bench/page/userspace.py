"""Benches of the userspace mode."""
from . import plot
from .bench import Bench, Run
from .markdown import missing, number, ratio, table

PEERS = (("viaduct", "viaduct"), ("HAProxy", "haproxy"), ("HAProxy, splicing", "haproxy-splice"), ("nginx stream", "nginx"))
BESIDE = (("direct", "direct"), ("a bare loop of splice()", "bare"))


def there(run, some):
    return [(name, key) for name, key in some if run.get(f"{key}.bulk.gbit_s") is not None]


def peers_runs(quick):
    seconds, rounds = (1, 1) if quick else (3, 3)
    return [Run(("bench/userspace_peers", str(seconds), str(rounds)))]


COLUMNS = (("Gbit/s", "bulk.gbit_s"), ("CPU s/GB", "bulk.cpu_s_per_gb"), ("conn/s, 1 client", "connect1.per_s"),
           ("conn/s, 32 clients", "connect32.per_s"), ("CPU µs/conn", "connect32.cpu_us"), ("round trip p50, µs", "rtt.p50_us"),
           ("idle connection, kB", "idle.kb"))


def peers_section(result):
    run = result.runs[0]
    shown = there(run, PEERS)
    rows = [[name, *(number(run.get(f"{key}.{column}")) for _, column in COLUMNS)] for name, key in shown + there(run, BESIDE)]
    ratios = [[f"viaduct to {name}", *(ratio(run.get(f"viaduct.{column}"), run.get(f"{key}.{column}")) for _, column in COLUMNS)]
              for name, key in shown + there(run, BESIDE) if key != "viaduct"]
    times = [[name, *(number(run.get(f"{key}.connect{clients}.p{p}_us")) for clients in (1, 32) for p in (50, 99))]
             for name, key in shown + there(run, BESIDE)]
    absent = [name for name, key in PEERS + BESIDE if run.get(f"{key}.bulk.gbit_s") is None]
    return ["A ratio above 1 is good for what is counted by the second, one below 1 for all else.", "",
            *table(["", *(head for head, _ in COLUMNS)], rows + ratios), *missing(absent),
            "A connection opened, 64 bytes there and back, µs:", "",
            *table(["", "p50, 1 client", "p99, 1 client", "p50, 32 clients", "p99, 32 clients"], times)]


def peers_plots(result):
    run = result.runs[0]
    rows = {name: [(p, run.get(f"{key}.connect32.p{p}_us")) for p in (50, 99)] for name, key in there(run, PEERS + BESIDE)}
    title = "Connection and first reply, 32 clients"
    return {"userspace_connections.svg": (
        title, plot.ranges(title, "microseconds, 50th and 99th percentile", rows, floors={name for name, _ in BESIDE}))} if rows else {}


PROXIES = Bench(
    "userspace_peers", "The userspace proxy beside others",
    "What does a connection cost through the userspace mode, beside HAProxy, nginx, the direct path and the least that a "
    "splicing proxy can do?",
    peers_runs, peers_section, peers_plots, ("haproxy", "nginx-core", "libnginx-mod-stream"))


def soak_runs(quick):
    seconds = 30 if quick else 60
    return [Run(("bench/userspace_soak", str(seconds), "--succeed"), {"seconds": seconds})]


def soak_section(result):
    run = result.runs[0]
    return [f"In {run.input['seconds']} s of {number(run.get('changes'))} changed endpoint lists and "
            f"{number(run.get('successions'))} successions of the daemon: {number(run.get('exchanges'), 6)} exchanges, "
            f"{number(run.get('stream_MB'), 6)} MB of checked streams and {number(run.get('resets_passed_on'), 6)} resets were passed "
            f"on; **{number(run.get('lost'))} were lost**. At the end the daemon had {number(run.get('last.memory_mb'))} MiB and "
            f"{number(run.get('last.descriptors'))} descriptors.", ""]


SOAK = Bench(
    "userspace_soak", "Nothing is lost under churn",
    "Does the userspace mode lose a connection while endpoints come and go and the daemon gives way to its successor?",
    soak_runs, soak_section)

BENCHES = (PROXIES, SOAK)
