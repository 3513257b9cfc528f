#!/usr/bin/python3
"""The DNS server beside Knot DNS, NSD and unbound: the same names, the same questions, one run.

Each server has one core, dnsperf the others; they are asked in turn, in several rounds, and the
best round of each counts, so that what else the machine does hits all alike. Printed for each kind
of question: queries a second, and the server's CPU time (user and kernel) for 100,000 queries,
which stays true where dnsperf is the limit. Then the time of a reply at 5,000 queries a second,
beside that of a process that only sends back what it gets, which is what the machine and dnsperf
take of it; resident memory, and answers from the cache of forwarded names.

Input: services with a cluster IP, one named port each, in 50 namespaces; names in random order.
Needs the packages knot, nsd, unbound and dnsperf (script/setup bench) and two CPUs. Everything is
on loopback, on addresses of its own.
"""
import argparse
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from figures import tell

HOST = "127.53.53.%d"
PORT = 5300
DOMAIN = "cluster.local"
QUESTIONS = 20000
OUTSIDE_NAMES = 1000
PERCENTILES = (50, 90, 99, 99.9)
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60


def address(i):
    return "10.%d.%d.%d" % (96 + (i >> 16), i >> 8 & 255, i & 255)


def owner(i):
    return "svc-%d.ns-%d.svc.%s." % (i, i % 50, DOMAIN)


def records(count):
    """The zone as text, without what a server adds itself."""
    for i in range(count):
        yield "%s 5 IN A %s" % (owner(i), address(i))
        yield "_http._tcp.%s 5 IN SRV 0 100 80 %s" % (owner(i), owner(i))


ZONE_HEAD = """\
%s. 5 IN SOA ns.dns.%s. hostmaster.%s. 1 7200 1800 86400 5
%s. 5 IN NS ns.dns.%s.
ns.dns.%s. 5 IN A 10.96.0.10
""" % ((DOMAIN,) * 6)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


class Peer:
    """One server, pinned to one core."""

    def __init__(self, name, number, command):
        self.name, self.host = name, HOST % number
        self.process = subprocess.Popen(["taskset", "-c", "0"] + command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)

    def pids(self):
        """The process and its children: NSD and others fork."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
                    todo += [int(p) for p in f.read().split()]
            except OSError:
                pass
        return found

    def cpu_seconds(self):
        total = 0
        for pid in self.pids():
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def resident_mb(self):
        total = 0
        for pid in self.pids():
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        return total / 1024

    def wait_until_it_answers(self, name):
        wire = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0)
        wire += b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + struct.pack("!HH", 1, 1)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(0.2)
                try:
                    s.connect((self.host, PORT))
                    s.send(wire)
                    reply = s.recv(4096)
                    if reply[3] & 15 == 0 and reply[7]:
                        return
                except OSError:
                    time.sleep(0.05)
            if self.process.poll() is not None:
                raise SystemExit("%s ended with status %d" % (self.name, self.process.returncode))
        raise SystemExit("%s does not answer" % self.name)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)  # the session that we made for it
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def viaduct(binary, number, home, count, upstream):
    manifests = write(os.path.join(home, "services-%d.yaml" % count), "".join(
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: svc-%d, namespace: ns-%d}\n"
        "spec: {clusterIP: %s, ports: [{name: http, port: 80, protocol: TCP}]}\n"
        % (i, i % 50, address(i)) for i in range(count)))
    return Peer("viaduct", number, [
        binary, "run", "--proxy-mode=none", "--manifests=" + manifests, "--admin-socket=",
        "--healthz-port=0", "--metrics-port=0", "--dns-workers=1",
        "--dns-bind-address=%s:%d" % (HOST % number, PORT), "--dns-upstream=" + upstream])


def knot(number, home, zone):
    config = write(os.path.join(home, "knot.conf"), """\
server:
    rundir: {home}
    listen: {host}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {home}/knot
zone:
  - domain: {domain}
    file: {zone}
    zonefile-sync: -1
    journal-content: none
""".format(home=home, host=HOST % number, port=PORT, domain=DOMAIN, zone=zone))
    return Peer("knot", number, ["/usr/sbin/knotd", "-c", config])


def nsd(number, home, zones, name="nsd"):
    config = write(os.path.join(home, name + ".conf"), """\
server:
    ip-address: {host}@{port}
    server-count: 1
    username: ""
    zonesdir: {home}
    database: ""
    rrl-ratelimit: 0
    zonelistfile: {home}/{name}.list
    pidfile: ""
    xfrdfile: {home}/{name}.xfrd
    xfrdir: {home}
remote-control:
    control-enable: no
""".format(home=home, host=HOST % number, port=PORT, name=name)
                   + "".join("zone:\n    name: %s\n    zonefile: %s\n" % z for z in zones))
    return Peer(name, number, ["/usr/sbin/nsd", "-d", "-c", config])


def unbound(number, home, count, upstream):
    data = write(os.path.join(home, "local.conf"), "server:\n  local-zone: %s. static\n" % DOMAIN + "".join(
        "  local-data: '%s'\n" % r for r in ZONE_HEAD.splitlines() + list(records(count))))
    config = write(os.path.join(home, "unbound.conf"), """\
server:
  interface: {host}@{port}
  num-threads: 1
  username: ""
  chroot: ""
  directory: {home}
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  module-config: iterator
  access-control: 127.0.0.0/8 allow
  msg-cache-size: 16m
  rrset-cache-size: 16m
remote-control:
  control-enable: no
forward-zone:
  name: outside.test
  forward-addr: {upstream}
include: {data}
""".format(host=HOST % number, port=PORT, home=home, upstream=upstream.replace(":", "@"), data=data))
    return Peer("unbound", number, ["/usr/sbin/unbound", "-d", "-c", config])


def echo(number):
    """No server: questions come back as their own replies, with status NOERROR."""
    return Peer("echo", number, [sys.executable, os.path.abspath(__file__), "--echo", HOST % number])


def send_back(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((host, PORT))
        while True:
            query, client = s.recvfrom(512)
            s.sendto(query[:2] + b"\x80" + query[3:], client)


def dnsperf(peer, questions, seconds, *more):
    cores = "1-%d" % (os.cpu_count() - 1)
    command = ["taskset", "-c", cores, "dnsperf", "-s", peer.host, "-p", str(PORT), "-d", questions,
               "-l", str(seconds), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return done.stdout


def figure(text, what):
    return float(next(line for line in text.splitlines() if what in line).split(":")[1].split()[0])


def load(peer, questions, seconds):
    """Queries a second, CPU seconds for 100,000."""
    before = peer.cpu_seconds()
    text = dnsperf(peer, questions, seconds, "-c", "8", "-q", "200")
    completed = figure(text, "Queries completed")
    lost = figure(text, "Queries lost")
    if lost > completed / 1000:
        print("  (%s lost %d of %d)" % (peer.name, lost, completed))
    return figure(text, "Queries per second"), (peer.cpu_seconds() - before) / completed * 1e5


def latency_ms(peer, questions, seconds):
    """The PERCENTILES at 5,000 queries a second."""
    text = dnsperf(peer, questions, seconds, "-Q", "5000", "-c", "8", "-v")
    times = sorted(float(line.split()[-1]) for line in text.splitlines() if line.startswith("> NOERROR"))
    return [times[int(len(times) * p / 100)] * 1000 for p in PERCENTILES]


def compare(args, count, home):
    rng = random.Random(1)
    upstream_number = 9
    upstream_at = "%s:%d" % (HOST % upstream_number, PORT)
    zone = write(os.path.join(home, "zone"), ZONE_HEAD + "\n".join(records(count)) + "\n")
    outside = write(os.path.join(home, "outside.zone"), (
        "outside.test. 3600 IN SOA ns.outside.test. admin.outside.test. 1 3600 600 86400 60\n"
        "outside.test. 3600 IN NS ns.outside.test.\nns.outside.test. 3600 IN A 192.0.2.1\n" + "".join(
            "www%d.outside.test. 3600 IN A 192.0.2.%d\n" % (i, i % 250 + 1) for i in range(OUTSIDE_NAMES))))
    asked = [rng.randrange(count) for _ in range(QUESTIONS)]
    mixes = {
        "A": ["%s A" % owner(i) for i in asked],
        "SRV": ["_http._tcp.%s SRV" % owner(i) for i in asked],
        "NXDOMAIN": ["none-%s A" % owner(i) for i in asked],
    }
    forwarded = ["www%d.outside.test A" % (i % OUTSIDE_NAMES) for i in asked]
    files = {m: write(os.path.join(home, m + ".txt"), "\n".join(q) + "\n") for m, q in mixes.items()}
    files["forwarded"] = write(os.path.join(home, "forwarded.txt"), "\n".join(forwarded) + "\n")

    makers = {
        "viaduct": lambda: viaduct(args.viaduct, 1, home, count, upstream_at),
        "knot": lambda: knot(2, home, zone),
        "nsd": lambda: nsd(3, home, [(DOMAIN, zone)]),
        "unbound": lambda: unbound(4, home, count, upstream_at),
    }
    os.makedirs(os.path.join(home, "knot"), exist_ok=True)
    peers = []
    upstream = None
    try:
        upstream = nsd(upstream_number, home, [("outside.test", outside)], "upstream")
        upstream.wait_until_it_answers("www1.outside.test.")
        for name in args.servers:
            peers.append(makers[name]())
        for peer in peers:
            peer.wait_until_it_answers(owner(count - 1))
        best = {}
        for _ in range(args.rounds):
            for mix in list(mixes) + ["forwarded"]:
                for peer in peers:
                    if mix == "forwarded" and peer.name not in ("viaduct", "unbound"):
                        continue
                    qps, cpu = load(peer, files[mix], args.seconds)
                    known = best.get((peer.name, mix), (0, 1e9))
                    best[peer.name, mix] = (max(qps, known[0]), min(cpu, known[1]))
        print("\n%d services" % count)
        print("  %-10s" % "" + "".join("%26s" % m for m in list(mixes) + ["forwarded, from the cache"]))
        print("  %-10s" % "" + "%14s%12s" % ("queries/s", "s/100,000") * 4)
        for peer in peers:
            cells = [best.get((peer.name, m)) for m in list(mixes) + ["forwarded"]]
            print("  %-10s" % peer.name + "".join("%14.0f%12.3f" % c if c else "%14s%12s" % ("-", "-") for c in cells))
        for (name, mix), (qps, cpu) in best.items():
            tell(f"{name}.{mix}.per_s", qps)
            tell(f"{name}.{mix}.cpu_s", cpu)
        others = [p.name for p in peers if p.name != "viaduct"]
        if others and "viaduct" in args.servers:
            for mix in mixes:
                name = min(others, key=lambda n: best[n, mix][1])
                print("  CPU for %s: %.2f of %s's" % (mix, best["viaduct", mix][1] / best[name, mix][1], name))
        print("  %-10s" % "" + "".join("%14s" % ("p%g ms" % p) for p in PERCENTILES) + "%14s" % "memory MB")
        peers.append(echo(10))
        rounds = [[latency_ms(peer, files["A"], args.seconds) for peer in peers] for _ in range(args.rounds)]
        for peer, of_peer in zip(peers, zip(*rounds)):
            times = min(of_peer, key=lambda each: each[PERCENTILES.index(99)])
            print("  %-10s" % peer.name + "".join("%14.3f" % t for t in times) + "%14.1f" % peer.resident_mb(), flush=True)
            for percentile, time_ms in zip(PERCENTILES, times):
                tell(f"{peer.name}.reply.p{percentile:g}_ms", time_ms)
            tell(f"{peer.name}.memory_mb", peer.resident_mb())
    finally:
        for peer in peers + ([upstream] if upstream else []):
            peer.stop()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    ap.add_argument("--viaduct", default=os.path.join(here, "..", "build", "release", "viaduct"))
    ap.add_argument("--services", type=int, nargs="+", default=[1000, 10000])
    ap.add_argument("--servers", nargs="+", default=["viaduct", "knot", "nsd", "unbound"])
    ap.add_argument("--seconds", type=int, default=5)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--echo", metavar="HOST", help=argparse.SUPPRESS)
    args = ap.parse_args()
    if args.echo:
        return send_back(args.echo)
    for program in ("dnsperf", "taskset", "/usr/sbin/knotd", "/usr/sbin/nsd", "/usr/sbin/unbound"):
        if not shutil.which(program):
            raise SystemExit("%s is missing: script/setup bench" % program)
    if os.cpu_count() < 2:
        raise SystemExit("needs two CPUs: one for the server, one for dnsperf")
    for count in args.services:
        with tempfile.TemporaryDirectory() as home:
            compare(args, count, home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
