#!/usr/bin/python3
"""A daemon started with --take-over takes the place of the one that runs, and no query is lost.

Clients ask by UDP and TCP all the time, each time from another port, while daemons follow each
other on one address. Every query has to be answered, and rightly.
"""
import argparse
import os
import sys
import tempfile
import threading
import time

from daemon import PATIENCE_SECONDS, Daemon, run

NAME = "web.shop.svc.cluster.local."
MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}
"""


class Client(threading.Thread):
    def __init__(self, server, transport):
        super().__init__()
        self.context, self.transport = run.Context(run.Server(*server, timeout=5)), transport
        self.answered, self.wrong, self.ending = 0, [], False

    def run(self):
        query = {"qname": NAME, "transport": self.transport, "answer": [NAME + " 5 IN A 10.96.0.1"]}
        while not self.ending:
            why = run.attempt(self.context, query)
            if why:
                self.wrong.append(why)
            else:
                self.answered += 1


def wait_for_progress(clients, count):
    goals = [c.answered + count for c in clients]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(c.answered < goal for c, goal in zip(clients, goals)):
        if time.monotonic() > deadline:
            raise SystemExit("clients are stuck: %s" % [c.wrong for c in clients])
        time.sleep(0.01)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    args = ap.parse_args()
    with tempfile.TemporaryDirectory() as home:
        manifests = os.path.join(home, "web.yaml")
        with open(manifests, "w") as f:
            f.write(MANIFEST)
        with Daemon(args.viaduct, home, manifests, "--dns-upstream=none") as first:
            server = first.wait()
            bind = "%s:%d" % server
            clients = [Client(server, t) for t in ("udp", "udp", "tcp")]
            for c in clients:
                c.start()
            try:
                previous = first
                for _ in range(3):
                    wait_for_progress(clients, 50)
                    previous_process = previous.process
                    previous = Daemon(args.viaduct, home, manifests, "--dns-upstream=none", "--take-over", bind=bind)
                    if previous_process.wait(PATIENCE_SECONDS) != 0:
                        raise SystemExit("the old daemon ended with status %d" % previous_process.returncode)
                wait_for_progress(clients, 50)
            finally:
                for c in clients:
                    c.ending = True
                for c in clients:
                    c.join()
                with previous:
                    pass
    for c in clients:
        print("%s: %d answered, %d not: %s" % (c.transport, c.answered, len(c.wrong), c.wrong[:3]))
    return 1 if any(c.wrong for c in clients) else 0


if __name__ == "__main__":
    sys.exit(main())
