"""Benches of what is written into the kernel: iptables and ipvs mode, and what connections pay for it."""
from . import plot
from .bench import Bench, Run, program
from .markdown import MISSING, comparison, missing, number, quantity, ratio, table

CPU = (".user_ms", ".kernel_ms")
STANDARD = 10000  # the number of services that the README speaks of


def seconds(milliseconds):
    return None if milliseconds is None else milliseconds / 1000


def cpu(run, what):
    return run.sum(*(what + part for part in CPU))


def by_services(result, peer, key):
    """Rows for each number of services: first sync and one change, both sides."""
    rows = []
    for run in result.runs:
        row = [number(run.input["services"], 6)]
        for what in ("first_sync", "change"):
            ours, theirs = run.get(f"viaduct.{what}.wall_ms"), run.get(f"{key}.{what}.wall_ms")
            row += [quantity(ours, "ms"), quantity(theirs, "ms"), ratio(ours, theirs)]
        rows.append(row)
    return table(["services", "first sync, viaduct", peer, "ratio", "one change, viaduct", peer, "ratio"], rows)


def without(result, peer, key):
    """Says at which sizes the peer has no figures, and why."""
    lines = []
    for run in result.runs:
        if run.get(f"{key}.change.wall_ms") is None:
            failed = run.get(f"{key}.failed.wall_ms")
            why = "" if failed is None else f" (it failed after {number(seconds(failed))} s)"
            lines.append(f"{peer} at {number(run.input['services'], 6)} services{why}")
    return missing(lines)


def sides(run, peer, key):
    return comparison(peer, [
        ("first sync, wall", seconds(run.get("viaduct.first_sync.wall_ms")), seconds(run.get(f"{key}.first_sync.wall_ms")), "s"),
        ("first sync, CPU", seconds(cpu(run, "viaduct.first_sync")), seconds(cpu(run, f"{key}.first_sync")), "s"),
        ("one endpoint changed, wall", run.get("viaduct.change.wall_ms"), run.get(f"{key}.change.wall_ms"), "ms"),
        ("one endpoint changed, CPU", cpu(run, "viaduct.change"), cpu(run, f"{key}.change"), "ms"),
        ("peak memory", run.get("viaduct.peak_mb"), run.get(f"{key}.peak_mb"), "MB"),
    ])


# ── iptables ────────────────────────────────────────────────────────────────────────────────────

LEGACY = ("iptables-legacy-restore", "iptables_legacy_restore")


def iptables_runs(quick):
    sizes = ((100, 1), (1000, 1)) if quick else ((100, 3), (1000, 3), (5000, 3), (10000, 3), (30000, 1))
    return [Run(program("iptables_sync_bench", size), {"services": size}, repeats) for size, repeats in sizes]


def iptables_section(result):
    run = result.largest(STANDARD)
    bare = run.get("viaduct.bare_commit.wall_ms"), run.get("kube_proxy_layout.bare_commit.wall_ms")
    return [
        f"{number(run.input['services'], 6)} services with 10 endpoints each:", "",
        *sides(run, *LEGACY),
        "By number of services, wall:", "",
        *by_services(result, *LEGACY), *without(result, *LEGACY),
        f"The kernel's own part of one change, its bare commit, takes {quantity(bare[0], 'ms')} with viaduct's layout of the "
        f"rules and {quantity(bare[1], 'ms')} with kube-proxy's, encoded the same way: {ratio(*bare)}. A restart on a kernel that "
        f"is as it should be writes {number(run.get('viaduct.restart.transactions'))} transactions and takes "
        f"{quantity(seconds(cpu(run, 'viaduct.restart')), 's')} of CPU.", ""]


def scaling(result, what, factor):
    """Points for each side that has any; wall times in ms, times `factor`."""
    series = {}
    for name, key in (("viaduct", "viaduct"), LEGACY):
        points = [(run.input["services"], run.get(f"{key}.{what}.wall_ms")) for run in result.runs]
        series[name] = [(x, y * factor) for x, y in points if y]
    return {name: points for name, points in series.items() if points}


def iptables_plots(result):
    plots = {}
    for name, title, unit, what, factor in (("first_sync", "First sync of the iptables mode", "seconds, wall", "first_sync", 1e-3),
                                            ("one_change", "One endpoint changed, iptables mode", "milliseconds, wall", "change", 1)):
        if series := scaling(result, what, factor):
            plots[f"{name}.svg"] = title, plot.lines(title, "services, 10 endpoints each", unit, series)
    return plots


IPTABLES = Bench(
    "iptables_sync", "Writing rules, iptables mode",
    "What do a first sync, one changed endpoint and a restart cost, beside the fastest existing writer of kube-proxy's rules?",
    iptables_runs, iptables_section, iptables_plots, ("iptables",), root=True)


# ── ipvs ────────────────────────────────────────────────────────────────────────────────────────

def ipvs_runs(quick):
    # Where the kernel has to be emulated, 10,000 services take a quarter of an hour, most of it ipvsadm's.
    return [Run(program("ipvs_sync_bench", size), {"services": size}, needs_ipvs=True, limit_seconds=3600)
            for size in ((100,) if quick else (100, 1000, 10000))]


def ipvs_section(result):
    run = result.largest(STANDARD)
    where = []
    if result.vm:
        slow = "emulated by QEMU, instruction by instruction" if result.vm["accelerator"].startswith("tcg") else "under KVM"
        where = [f"This machine's kernel has no IPVS: measured in a virtual machine with Linux {result.vm['kernel']}, "
                 f"**{slow}**. Times are those of that machine; ratios count.", ""]
    bare = [(run.get(f"bare.{what}.wall_ms"), run.get(f"viaduct.{what}.wall_ms")) for what in ("first_sync", "change")]
    return [
        *where, f"{number(run.input['services'], 6)} services with 10 endpoints each:", "",
        *sides(run, "ipvsadm --restore", "ipvsadm"),
        "By number of services, wall:", "",
        *by_services(result, "ipvsadm", "ipvsadm"), *without(result, "ipvsadm", "ipvsadm"),
        "viaduct also writes addresses on kube-ipvs0 and its table of nf_tables, which ipvsadm does not. The messages to "
        f"IPVS alone take {quantity(bare[0][0], 'ms')} of the first sync and {quantity(bare[1][0], 'ms')} of one change. A reconcile "
        f"with nothing to do takes {quantity(run.get('viaduct.reconcile.wall_ms'), 'ms')}, a restart on a kernel that is as it "
        f"should be {quantity(run.get('viaduct.restart.wall_ms'), 'ms')}.", ""]


IPVS = Bench(
    "ipvs_sync", "Writing virtual servers, ipvs mode",
    "What do a first sync, one changed endpoint, a reconcile and a restart cost, beside ipvsadm writing the same servers?",
    ipvs_runs, ipvs_section, peers=("ipvsadm",), root=True)


# ── connections ─────────────────────────────────────────────────────────────────────────────────

FORWARDERS = (("viaduct, iptables mode", "viaduct"), ("kube-proxy's nftables verdict maps", "verdict_maps"),
              ("kube-proxy's iptables rules", "kube_proxy_iptables"), ("no rules", "no_rules"))
TARGETS = (("first VIP", "first"), ("last VIP", "last"), ("straight to a pod", "pod"))


def rate_runs(quick):
    size, rounds = (1000, 5) if quick else (STANDARD, 15)
    return [Run(program("connection_rate_bench", size, rounds), {"services": size})]


def rate_section(result):
    run = result.runs[0]
    rows = []
    for name, key in FORWARDERS:
        row = [name]
        for _, target in TARGETS:
            row += [number(run.get(f"{key}.{target}.per_s")), ratio(run.get(f"{key}.{target}.to_verdict_maps"), 1)]
        rows.append(row)
    head = ["forwarded by"]
    for name, _ in TARGETS:
        head += [name, "ratio"]
    absent = [name for name, key in FORWARDERS if run.get(f"{key}.pod.per_s") is None]
    return [f"New connections a second (more is better), {number(run.input['services'], 6)} services; ratios are to the verdict "
            "maps, medians of each round's:", "", *table(head, rows), *missing(absent)]


RATE = Bench(
    "connection_rate", "New connections through the node",
    "How many connections a second does a node forward to the first and the last VIP, and past all services?",
    rate_runs, rate_section, peers=("nftables", "iptables"), root=True)


def latency_runs(quick):
    sizes, changes = ((100, 1000), 11) if quick else ((100, 1000, 5000, 10000), 31)
    return [Run(program("change_latency_bench", size, changes), {"services": size}) for size in sizes]


def latency_section(result):
    rows = [[number(run.input["services"], 6), *(quantity(run.get(f"viaduct.{key}_ms"), "ms") for key in ("median", "least", "most"))]
            for run in result.runs]
    return ["No peer: kube-proxy reads no manifests.", "", *table(["services", "median", "least", "most"], rows)]


LATENCY = Bench(
    "change_latency", "From a manifest to a rule",
    "How long after a manifest is written is its rule in the kernel, through the daemon in the iptables mode?",
    latency_runs, latency_section, root=True)

BENCHES = (IPTABLES, IPVS, RATE, LATENCY)
