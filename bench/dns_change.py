#!/usr/bin/python3
"""How long after a record changes its name has the new answer, while dnsperf keeps the server busy.

Input: services with a cluster IP in one file each of a folder; the address of one service changes
again and again, by a file that is renamed into place. Time is from the rename to the first reply
with the new address, asked for all the time from a socket of its own. Also counted: replies that
are neither the old nor the new answer, and old answers that come after new ones. Printed: the
median, the 99th percentile and the longest of the changes, in milliseconds, idle and under load,
and how long the replies themselves took, which is what the machine and a full queue add.
"""
import argparse
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time

from dns_compare import DOMAIN, HOST, PORT, QUESTIONS, Peer, address, owner, write
from figures import tell

SERVICE = ("---\napiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\n"
           "spec: {clusterIP: %s, ports: [{name: http, port: 80, protocol: TCP}]}\n")
WATCHED = "watched.ns-0.svc.%s" % DOMAIN


def query():
    wire = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0)
    return wire + b"".join(bytes([len(x)]) + x.encode() for x in WATCHED.split(".")) + b"\0\0\1\0\1"


def changes(peer, folder, count, first):
    times, replies, wrong, late = [], [], 0, 0
    path = os.path.join(folder, "watched.yaml")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((peer.host, PORT))
        s.settimeout(2)
        before = None
        for i in range(first, first + count):
            now = "10.200.%d.%d" % (i >> 8, i & 255)
            draft = write(path + ".tmp", SERVICE % ("watched", "ns-0", now))
            began = time.perf_counter()
            os.rename(draft, path)
            wanted, seen = socket.inet_aton(now), False
            for _ in range(100000):
                asked = time.perf_counter()
                s.send(query())
                answer = s.recv(512)[-4:]
                replies.append((time.perf_counter() - asked) * 1000)
                if answer == wanted:
                    if not seen:
                        times.append((time.perf_counter() - began) * 1000)
                        seen = True
                        checks = 20  # and it stays
                    checks -= 1
                    if checks == 0:
                        break
                elif seen:
                    late += 1
                elif before is not None and answer != before:
                    wrong += 1
            before = wanted
            time.sleep(0.02)
    return sorted(times), sorted(replies), wrong, late


def tell_times(key, times):
    for percentile in (50, 99):
        tell(f"{key}.p{percentile}_ms", times[int(len(times) * percentile / 100)])
    tell(f"{key}.longest_ms", times[-1])


def text(times):
    return "median %.2f ms, 99th %.2f ms, longest %.2f ms" % (
        times[len(times) // 2], times[int(len(times) * 0.99)], times[-1])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    ap.add_argument("--viaduct", default=os.path.join(here, "..", "build", "release", "viaduct"))
    ap.add_argument("--services", type=int, default=10000)
    ap.add_argument("--changes", type=int, default=100)
    args = ap.parse_args()
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as home:
        folder = os.path.join(home, "objects")
        os.mkdir(folder)
        write(os.path.join(folder, "all.yaml"), "".join(
            SERVICE % ("svc-%d" % i, "ns-%d" % (i % 50), address(i)) for i in range(args.services)))
        questions = write(os.path.join(home, "q"), "".join(
            "%s A\n" % owner(rng.randrange(args.services)) for _ in range(QUESTIONS)))
        peer = Peer("viaduct", 11, [
            args.viaduct, "run", "--proxy-mode=none", "--manifests=" + folder, "--admin-socket=",
            "--healthz-port=0", "--metrics-port=0", "--dns-workers=1", "--dns-upstream=none",
            "--dns-bind-address=%s:%d" % (HOST % 11, PORT)])
        load = None
        try:
            peer.wait_until_it_answers(owner(args.services - 1))
            first = 0
            for name in ("idle", "under load"):
                if name == "under load":
                    load = subprocess.Popen(["taskset", "-c", "1-%d" % (os.cpu_count() - 1), "dnsperf", "-s", peer.host,
                                             "-p", str(PORT), "-d", questions, "-l", "600", "-c", "8", "-q", "100"],
                                            stdout=subprocess.DEVNULL)
                    time.sleep(1)
                times, replies, wrong, late = changes(peer, folder, args.changes, first)
                first += args.changes
                print("%-10s %d changes: %s; wrong answers %d, late %d" % (name, len(times), text(times), wrong, late))
                key = name.replace(" ", "_")
                tell_times(key + ".change", times)
                tell_times(key + ".reply", replies)
                tell(key + ".wrong", wrong + late)
                print("%-10s %d replies: %s" % ("", len(replies), text(replies)), flush=True)
        finally:
            if load:
                load.terminate()
                load.wait()
            peer.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
