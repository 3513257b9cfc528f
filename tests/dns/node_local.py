#!/usr/bin/python3
"""--dns-node-local: the cluster's DNS address is served on the node, without tracking, and given
back at the end.

Needs root: a node and a pod as network namespaces, the node's /run its own; all gone when it ends.
The daemon forwards as well (iptables mode): the DNS service's rules lead to a pod that answers, so
clients fall back to it, and that would show in connection tracking.
"""
import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

from daemon import PATIENCE_SECONDS, Daemon

ADDRESS, ADDRESS6 = "10.96.0.10", "fd00:96::a"
POD = "10.244.1.2"
NAME = "web.shop.svc.cluster.local."
MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: 10.96.0.10, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-1, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: [%s], conditions: {ready: true}}]
""" % POD


def sh(command):
    return subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class Checks:
    failed = passed = 0

    def expect(self, what, good, seen=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print("FAIL %s %s" % (what, seen), flush=True)

    def soon(self, what, question):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not question() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.expect(what, question())


def ask(pod_pid, address, transport):
    """The A records that somebody in the pod gets; [] for none."""
    flags = "+tcp" if transport == "tcp" else "+notcp"
    where = "nsenter --net=/proc/%d/ns/net " % pod_pid if pod_pid else ""
    done = sh("%sdig @%s %s +short +tries=1 +timeout=2 %s A" % (where, address, flags, NAME))
    return [line for line in done.stdout.split() if line[0].isdigit()]


def tracked():
    """Connection tracking entries of DNS."""
    return [line for line in sh("conntrack -L; conntrack -L -f ipv6").stdout.splitlines() if "port=53 " in line]


def has_address(address):
    return (" %s/" % address) in sh("ip address show dev lo").stdout


def table():
    return sh("nft list table inet viaduct-dns").stdout


def inside(args):
    checks = Checks()
    home = os.environ["NODE_LOCAL_HOME"]
    manifests = os.path.join(home, "all.yaml")
    with open(manifests, "w") as f:
        f.write(MANIFESTS)
    pod = subprocess.Popen(["unshare", "--net", "sleep", "300"])
    time_limit = time.monotonic() + PATIENCE_SECONDS
    while os.readlink("/proc/%d/ns/net" % pod.pid) == os.readlink("/proc/self/ns/net"):
        if time.monotonic() > time_limit:
            raise SystemExit("no namespace for the pod")
        time.sleep(0.01)
    enter = "nsenter --net=/proc/%d/ns/net" % pod.pid
    for command in ("mount --make-rprivate /", "mount -t tmpfs tmpfs /run", "ip link set lo up",
                    "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
                    "ip link add pod0 type veth peer name eth0 netns /proc/%d/ns/net" % pod.pid,
                    "ip address add 10.244.1.1/24 dev pod0", "ip address add fd00:244::1/64 dev pod0 nodad",
                    "ip link set pod0 up",
                    enter + " ip link set lo up", enter + " ip address add %s/24 dev eth0" % POD,
                    enter + " ip address add fd00:244::2/64 dev eth0 nodad",
                    enter + " ip link set eth0 up", enter + " ip route add default via 10.244.1.1",
                    enter + " ip -6 route add default via fd00:244::1"):
        done = sh(command)
        if done.returncode:
            raise SystemExit("%s: %s" % (command, done.stdout))
    os.mkdir(os.path.join(home, "pod"))
    # The DNS server that the service leads to, in the pod itself.
    backend = subprocess.Popen(enter.split() + [
        args.viaduct, "run", "--proxy-mode=none", "--manifests=" + manifests, "--admin-socket=",
        "--healthz-port=0", "--metrics-port=0", "--dns-bind-address=" + POD, "--dns-upstream=none"])
    flags = ["--dns-node-local=%s,%s" % (ADDRESS, ADDRESS6), "--dns-upstream=none",
             "--cluster-cidr=10.244.0.0/16"]
    daemon = None
    try:
        checks.soon("the pod's server answers", lambda: ask(0, POD, "udp") == ["10.96.0.1"])
        daemon = Daemon(args.viaduct, home, manifests, *flags, bind="", mode="iptables")
        daemon.wait()
        for address in (ADDRESS, ADDRESS6):
            checks.expect("the node has the address", has_address(address), sh("ip address").stdout)
        checks.soon("the service has rules", lambda: ADDRESS in sh("iptables-save -t nat").stdout)
        sh("conntrack -F")
        for address in (ADDRESS, ADDRESS6):
            for transport in ("udp", "tcp"):
                for who in (pod.pid, 0):
                    checks.expect("%s %s is answered" % (address, transport),
                                  ask(who, address, transport) == ["10.96.0.1"])
        checks.expect("nothing is tracked", not tracked(), tracked())

        previous = daemon.process
        daemon = Daemon(args.viaduct, home, manifests, "--take-over", *flags, bind="", mode="iptables")
        checks.expect("the old one ends well", previous.wait(PATIENCE_SECONDS) == 0)
        checks.expect("its successor keeps the address", has_address(ADDRESS) and "notrack" in table(), table())
        checks.expect("and answers", ask(pod.pid, ADDRESS, "udp") == ["10.96.0.1"])

        with daemon:
            pass
        checks.expect("ended well", daemon.status == 0)
        checks.expect("the address is gone", not has_address(ADDRESS) and not has_address(ADDRESS6))
        checks.expect("the rules are gone", "notrack" not in table(), table())
        checks.expect("clients fall back to the service", ask(pod.pid, ADDRESS, "tcp") == ["10.96.0.1"])
        checks.expect("which is tracked", tracked())

        daemon = Daemon(args.viaduct, home, manifests, *flags, bind="", mode="iptables")
        daemon.wait()
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
        checks.expect("a crash leaves the address", has_address(ADDRESS))
        sh(args.viaduct + " cleanup")
        checks.expect("cleanup removes it", not has_address(ADDRESS) and "notrack" not in table(), table())
        checks.expect("and leaves the other addresses", has_address("127.0.0.1"))
    finally:
        for process in [backend, pod] + ([daemon.process] if daemon else []):
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE_SECONDS)
    print("%d passed, %d failed" % (checks.passed, checks.failed))
    return 1 if checks.failed else 0


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    args = ap.parse_args()
    if "NODE_LOCAL_HOME" in os.environ:
        return inside(args)
    if os.geteuid() != 0:
        print("SKIPPED: needs root, for namespaces of its own")
        return 77
    with tempfile.TemporaryDirectory() as home:
        command = ["unshare", "--net", "--mount", sys.executable] + sys.argv
        return subprocess.run(command, env=dict(os.environ, NODE_LOCAL_HOME=home)).returncode


if __name__ == "__main__":
    sys.exit(main())
