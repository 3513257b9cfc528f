#!/usr/bin/python3
"""Runs the scenarios of tests/conformance/dns, and those in scenarios/ here, against the real daemon.

Starts `viaduct run --proxy-mode none` with the configuration that a profile names, on a port that
the kernel chooses, waits until it is ready, and lets run.py ask: by UDP (and TCP where an answer is
truncated), then everything that does not say how it is to be asked once more by TCP. run.py plays
the upstream, and changes the manifests for the live steps.
"""
import argparse
import os
import random
import sys
import tempfile

from daemon import SCENARIOS, Daemon, run

FOLDERS = [SCENARIOS, os.path.join(os.path.dirname(os.path.abspath(__file__)), "scenarios")]

# What each profile's `config:` means in flags; {upstream} is where run.py plays the outside world.
PROFILES = {
    "default": ["--dns-upstream={upstream}"],
    "pods-verified": ["--dns-pod-records=verified", "--dns-upstream=none"],
    "autopath": ["--dns-pod-records=verified", "--dns-autopath", "--dns-upstream={upstream}"],
    "custom-domain": ["--cluster-domain=k8s.corp.example", "--dns-upstream=none"],
    "ignore-empty": ["--dns-ignore-empty-service", "--dns-upstream=none"],
    "no-upstream": ["--dns-upstream=none"],
    "unsynced": ["--dns-upstream=none"],
    "allow": ["--dns-allow=127.0.0.2/32", "--dns-upstream=none"],
    "namespaces": ["--dns-namespaces=one", "--dns-upstream=none"],
    "pods-disabled": ["--dns-pod-records=disabled", "--dns-upstream=none"],
    "stub-alone": ["--dns-upstream=none", "--dns-stub-domain=corp.test={upstream}",
                   "--dns-stub-domain=ext.cluster.local={upstream}"],
    "ttl-long": ["--dns-ttl=3600", "--dns-upstream=none"],
    "ttl-zero": ["--dns-ttl=0", "--dns-upstream=none"],
}


def by_tcp(exchange):
    """Context.exchange, but TCP for every query that leaves the choice."""
    def ask(self, q, wire, qid):
        if q.get("transport", "auto") == "auto":
            q = dict(q, transport="tcp")
        return exchange(self, q, wire, qid)
    return ask


def check(profile, server, upstream, folder):
    sys.argv = ["run.py", *FOLDERS, "--server", server[0], "--port", str(server[1]), "--profile", profile,
                "--level", "may", "--live", folder]
    if upstream:
        sys.argv += ["--upstream", upstream]
    return run.main()


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    ap.add_argument("--profile", required=True, choices=sorted(PROFILES))
    ap.add_argument("--transport", default="udp", choices=["udp", "tcp"])
    args = ap.parse_args()
    # An address of our own on loopback: its ports are free.
    upstream = "127.%d.%d.%d:5399" % tuple(random.randrange(1, 255) for _ in range(3))
    flags = [f.format(upstream=upstream) for f in PROFILES[args.profile]]
    plays_upstream = any(upstream in f for f in flags)
    synced = args.profile != "unsynced"
    with tempfile.TemporaryDirectory() as home:
        folder = os.path.join(home, "objects")
        if synced:
            docs = [d for d in run.load(FOLDERS) if d["profile"] == args.profile]
            run.emit(docs, folder)
        with Daemon(args.viaduct, home, folder, *flags) as daemon:
            server = daemon.wait(ready=synced)
            if args.transport == "tcp":
                run.Context.exchange = by_tcp(run.Context.exchange)
            status = check(args.profile, server, upstream if plays_upstream else None, folder)
    return status or daemon.status


if __name__ == "__main__":
    sys.exit(main())
