#!/usr/bin/python3
"""The resolvers that pods bring along, against the real daemon: dig, kdig, glibc's and musl's.

Needs root: runs in network and mount namespaces of its own, which are gone when it ends, with a
pod's usual resolv.conf. Prints one line for each check that failed.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance", "dns")
sys.path.insert(0, SCENARIOS)
import run  # noqa: E402  the checker beside the scenarios; it plays the upstream

UPSTREAM = "127.0.0.1:5399"  # in a namespace of our own
SERVER = "10.96.0.10"
RESOLV_CONF = """\
nameserver %s
search shop.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
""" % SERVER
START_SECONDS = 20

SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: %s}
spec: {clusterIP: %s, clusterIPs: [%s], ports: [{name: http, port: 80, protocol: TCP}]}
"""
SLICE = """\
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s-1, namespace: shop, labels: {kubernetes.io/service-name: %s}}
addressType: IPv4
ports: [{name: http, port: 80, protocol: TCP}]
endpoints:
%s
"""


def headless(name, addresses):
    ends = "\n".join("- {addresses: [%s], conditions: {ready: true}}" % a for a in addresses)
    return SERVICE % (name, "shop", "None", "None") + SLICE % (name, name, ends)


FEW = ["10.1.0.%d" % i for i in range(1, 4)]
MANY = ["10.1.1.%d" % i for i in range(1, 201)]  # fits no UDP reply
MANIFESTS = (SERVICE % ("web", "shop", "10.96.0.1", "10.96.0.1")
             + SERVICE % ("both", "shop", "10.96.0.2", "10.96.0.2, 'fd00:96::2'")
             + SERVICE % ("vault", "bank", "10.96.0.3", "10.96.0.3")
             + headless("few", FEW) + headless("many", MANY))


class Checks:
    def __init__(self):
        self.failed = 0
        self.passed = 0

    def expect(self, what, got, wanted):
        if got == wanted:
            self.passed += 1
        else:
            self.failed += 1
            print("FAIL %s: %r, expected %r" % (what, got, wanted), flush=True)


def lines(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=30, text=True)
    return [line for line in done.stdout.split("\n") if line]


def c_library(checks, name, program):
    def resolve(host):
        return lines(program, host)
    checks.expect(name + ": own namespace", resolve("web"), ["10.96.0.1"])
    checks.expect(name + ": service.namespace", resolve("vault.bank"), ["10.96.0.3"])
    checks.expect(name + ": service.namespace.svc", resolve("vault.bank.svc"), ["10.96.0.3"])
    checks.expect(name + ": in full", resolve("web.shop.svc.cluster.local"), ["10.96.0.1"])
    checks.expect(name + ": final dot", resolve("web.shop.svc.cluster.local."), ["10.96.0.1"])
    checks.expect(name + ": both families", resolve("both"), ["10.96.0.2", "fd00:96::2"])
    checks.expect(name + ": headless", resolve("few"), FEW)
    checks.expect(name + ": outside the cluster", resolve("www.fwd.test"),
                  ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
    checks.expect(name + ": not there", resolve("none")[:1], ["no such name"])
    began = time.monotonic()
    resolve("vault.bank")
    checks.expect(name + ": without a time-out", time.monotonic() - began < 4, True)
    many = resolve("many")
    if name == "glibc":  # comes back by TCP
        checks.expect(name + ": big answers", sorted(many), sorted(MANY))
    else:  # musl before 1.2.4 takes what fits
        checks.expect(name + ": big answers", len(many) > 20 and set(many) <= set(MANY), True)


def tools(checks):
    for tool in ("dig", "kdig"):
        short = [tool, "@" + SERVER, "+short"]
        checks.expect(tool + ": A", lines(*short, "web.shop.svc.cluster.local", "A"), ["10.96.0.1"])
        checks.expect(tool + ": SRV",
                      lines(*short, "_http._tcp.web.shop.svc.cluster.local", "SRV"),
                      ["0 100 80 web.shop.svc.cluster.local."])
        checks.expect(tool + ": PTR", lines(*short, "-x", "10.96.0.1"),
                      ["web.shop.svc.cluster.local."])
        checks.expect(tool + ": TCP", lines(*short, "+tcp", "web.shop.svc.cluster.local"),
                      ["10.96.0.1"])
        checks.expect(tool + ": comes back by TCP",
                      sorted(lines(*short, "many.shop.svc.cluster.local")), sorted(MANY))
        checks.expect(tool + ": cookie", lines(*short, "+cookie", "web.shop.svc.cluster.local"),
                      ["10.96.0.1"])
        text = "\n".join(lines(tool, "@" + SERVER, "none.shop.svc.cluster.local"))
        checks.expect(tool + ": NXDOMAIN", "NXDOMAIN" in text, True)
        # (dig also warns that .local is meant for multicast DNS.)
        checks.expect(tool + ": no complaint",
                      [w for w in ("malformed", "recursion", "mismatch") if w in text.lower()], [])
    checks.expect("dig: search list", lines("dig", "@" + SERVER, "+short", "+search", "web"),
                  ["10.96.0.1"])


def inside(args):
    """In the namespaces."""
    home = os.environ["RESOLVERS_HOME"]
    with open(os.path.join(home, "resolv.conf"), "w") as f:
        f.write(RESOLV_CONF)
    folder = os.path.join(home, "objects")
    os.mkdir(folder)
    with open(os.path.join(folder, "all.yaml"), "w") as f:
        f.write(MANIFESTS)
    for command in (["mount", "--make-rprivate", "/"],
                    ["mount", "--bind", os.path.join(home, "resolv.conf"), "/etc/resolv.conf"],
                    ["ip", "link", "set", "lo", "up"],
                    ["ip", "address", "add", SERVER + "/32", "dev", "lo"]):
        subprocess.run(command, check=True)
    run.Upstream(UPSTREAM, run.load([SCENARIOS])).start()
    daemon = subprocess.Popen(
        [args.viaduct, "run", "--proxy-mode=none", "--manifests=" + folder, "--admin-socket=",
         "--healthz-port=0", "--metrics-port=0",
         "--hostname-override=node-1", "--dns-bind-address=" + SERVER, "--dns-upstream=" + UPSTREAM])
    checks = Checks()
    try:
        deadline = time.monotonic() + START_SECONDS
        while lines("dig", "@" + SERVER, "+short", "+tries=1", "+timeout=1",
                    "web.shop.svc.cluster.local") != ["10.96.0.1"]:
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the daemon does not answer")
        tools(checks)
        c_library(checks, "glibc", args.glibc)
        if args.musl:
            c_library(checks, "musl", args.musl)
    finally:
        daemon.terminate()
        ended = daemon.wait(START_SECONDS)
    print("%d passed, %d failed" % (checks.passed, checks.failed))
    return 1 if checks.failed or ended else 0


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    ap.add_argument("--glibc", required=True, help="resolve.c built for glibc")
    ap.add_argument("--musl", help="resolve.c built for musl")
    args = ap.parse_args()
    if "RESOLVERS_HOME" in os.environ:
        return inside(args)
    if os.geteuid() != 0:
        print("SKIPPED: needs root, for namespaces of its own")
        return 77
    with tempfile.TemporaryDirectory() as home:
        command = ["unshare", "--net", "--mount", sys.executable] + sys.argv
        return subprocess.run(command, env=dict(os.environ, RESOLVERS_HOME=home)).returncode


if __name__ == "__main__":
    sys.exit(main())
