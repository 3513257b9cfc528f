"""Figures made up for the tests, as a bench would have told them."""
import os
import sys

PROJECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(PROJECT, "bench"))

from page import results  # noqa: E402: the path is set above

MACHINE = {"cpu": "Abacus", "cores": 4, "virtual": False, "kernel": "Linux 6.1", "memory_gb": 8.0,
           "load_at_start": [0.1, 0.1, 0.1], "load_at_end": [1.2, 0.4, 0.1], "steal_percent": 0.5, "busy_before_percent": 3.0}


def run(figures, **given):
    return {"command": "build/release/bench/some_bench " + " ".join(map(str, given.values())), "input": given, "repeats": 1,
            "figures": figures}


def result(name, *runs, **more):
    return {"name": name, "date": "2026-01-02", "quick": False, "seconds": 12.0, "vm": None, "machine": MACHINE,
            "viaduct": {"version": "1.2.3", "commit": "abc1234", "changed": False}, "peers": {}, "runs": list(runs), **more}


def cost(key, wall, user=1.0, kernel=2.0):
    return {f"{key}.wall_ms": wall, f"{key}.user_ms": user, f"{key}.kernel_ms": kernel}


def iptables_run(services, ours, theirs):
    """First syncs of these many ms, changes of a tenth; without the peer if `theirs` is None."""
    figures = {**cost("viaduct.first_sync", ours), **cost("viaduct.change", ours / 10), "viaduct.peak_mb": 40}
    if theirs is not None:
        figures.update({**cost("iptables_legacy_restore.first_sync", theirs),
                        **cost("iptables_legacy_restore.change", theirs / 10), "iptables_legacy_restore.peak_mb": 160})
    return run(figures, services=services)


def save(docs, *documents):
    for document in documents:
        results.save(docs, document)
