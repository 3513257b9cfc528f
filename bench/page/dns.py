"""Benches of the DNS server."""
from . import plot
from .bench import Bench, Run, program
from .markdown import missing, number, quantity, ratio, table

SERVERS = (("viaduct", "viaduct"), ("Knot DNS", "knot"), ("NSD", "nsd"), ("unbound", "unbound"))
ECHO = ("an echo, no server", "echo")
MIXES = (("A", "A"), ("SRV", "SRV"), ("NXDOMAIN", "NXDOMAIN"), ("forwarded, from the cache", "forwarded"))
PERCENTILES = ("50", "90", "99", "99.9")


def compare_runs(quick):
    size, seconds, rounds = (1000, 1, 1) if quick else (10000, 4, 5)
    return [Run(("bench/dns_compare.py", "--services", str(size), "--seconds", str(seconds), "--rounds", str(rounds)),
                {"services": size})]


def of_servers(run, what, key, best):
    """A row: each server's figure, and ours to the best of the others."""
    values = [run.get(f"{server}.{key}") for _, server in SERVERS]
    others = [value for value in values[1:] if value is not None]
    return [what, *(number(value) for value in values), ratio(values[0], best(others) if others else None)]


def compare_section(result):
    run = result.runs[0]
    cpu = [of_servers(run, what, f"{key}.cpu_s", min) for what, key in MIXES]
    rate = [of_servers(run, what, f"{key}.per_s", max) for what, key in MIXES]
    memory = of_servers(run, "memory, MB", "memory_mb", min)
    times = [[name, *(number(run.get(f"{key}.reply.p{p}_ms")) for p in PERCENTILES)] for name, key in (*SERVERS, ECHO)]
    absent = [name for name, key in SERVERS if run.get(f"{key}.memory_mb") is None]
    head = ["", *(name for name, _ in SERVERS), "to the best of the others"]
    return [f"{number(run.input['services'], 6)} services, one core for each server. CPU seconds, user and kernel, for 100,000 "
            "queries (less is better), and resident memory:", "", *table(head, cpu + [memory]),
            "Queries a second (more is better; where dnsperf is the limit it is the same for all):", "", *table(head, rate),
            *missing(absent),
            "Time of a reply at 5,000 queries a second, ms; the echo only sends back what it gets:", "",
            *table(["", *(f"p{p}" for p in PERCENTILES)], times)]


def compare_plots(result):
    run = result.runs[0]
    rows = {}
    for name, key in (*SERVERS, ECHO):
        values = [(float(p), run.get(f"{key}.reply.p{p}_ms")) for p in PERCENTILES]
        if None not in (value for _, value in values):
            rows[name] = values
    title = "Time of a DNS reply, 5,000 queries a second"
    return {"dns_replies.svg": (title, plot.ranges(title, "milliseconds", rows, floors={ECHO[0]}))} if rows else {}


COMPARE = Bench(
    "dns_compare", "DNS beside other servers",
    "What does a query cost, and how long does a reply take, beside Knot DNS, NSD and unbound with the same names?",
    compare_runs, compare_section, compare_plots, ("knot", "nsd", "unbound", "dnsperf"))


def change_runs(quick):
    size, changes = (1000, 20) if quick else (10000, 100)
    return [Run(("bench/dns_change.py", "--services", str(size), "--changes", str(changes)), {"services": size})]


def change_section(result):
    run = result.runs[0]
    rows = [[f"{name}, {load.replace('_', ' ')}", *(quantity(run.get(f"{load}.{key}.{p}_ms"), "ms") for p in ("p50", "p99", "longest"))]
            for load in ("idle", "under_load") for name, key in (("new answer", "change"), ("a reply at all", "reply"))]
    wrong = run.sum("idle.wrong", "under_load.wrong")
    return [f"{number(run.input['services'], 6)} services. No peer: the others read no manifests. Answers that were neither the old "
            f"nor the new one, or old ones after new ones: {number(wrong)}.", "", *table(["", "p50", "p99", "longest"], rows)]


CHANGE = Bench(
    "dns_change", "From a manifest to an answer",
    "How long after a manifest is written has its name the new answer, idle and under dnsperf's full load?",
    change_runs, change_section, peers=("dnsperf",))


def responder_runs(quick):
    return [Run(program("dns_responder_bench", f"--benchmark_min_time={0.1 if quick else 1}"), google=True)]


CASES = (("an address", "an_address.cpu_ns", "ns"), ("a service record", "a_service_record.cpu_ns", "ns"),
         ("a name that is not there", "a_denial.cpu_ns", "ns"),
         ("an endpoint of 100 changes, a new version of the zone", "an_endpoint_change.cpu_ns", "ns"),
         ("a zone from a full list", "a_full_list.cpu_ms", "ms"))


def responder_section(result):
    run = result.runs[0]
    return ["10,000 services. No peer: no system calls are part of it.", "",
            *table(["", "CPU time"], [[what, quantity(run.get(key), unit)] for what, key, unit in CASES])]


RESPONDER = Bench(
    "dns_responder", "A DNS answer without sockets",
    "What does one query cost in user space, bytes in to bytes out?",
    responder_runs, responder_section)

BENCHES = (COMPARE, CHANGE, RESPONDER)
