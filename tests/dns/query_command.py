#!/usr/bin/python3
"""`viaduct dns query` against the real daemon, which answers it also where no other client may ask.

Usage: query_command.py VIADUCT. Prints one line for each check that failed.
"""
import os
import sys
import tempfile

from daemon import Daemon, query

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{name: http, port: 80, protocol: TCP}]}
"""
CHECKS = [  # words, status, what is printed
    (["web.shop.svc.cluster.local"], 0, ["status: NOERROR", "flags: qr aa", "\nweb.shop.svc.cluster.local. 5 IN A 10.96.0.1\n"]),
    (["_http._tcp.web.shop", "srv"], 0, [" IN SRV 0 100 80 web.shop.svc.cluster.local.\n"]),
    (["none.shop.svc.cluster.local", "AAAA"], 0, ["status: NXDOMAIN", "IN SOA"]),
    (["www.example.org"], 0, ["status: REFUSED"]),
    (["web.shop", "LETTER"], 1, ['"LETTER" is no record type']),
    (["a..b"], 1, ["query: "]),
    ([], 2, ["dns: takes query NAME [TYPE]"]),
]


def main():
    viaduct = sys.argv[1]
    failed = 0
    with tempfile.TemporaryDirectory() as home:
        manifests = os.path.join(home, "web.yaml")
        with open(manifests, "w") as f:
            f.write(SERVICE)
        with Daemon(viaduct, home, manifests, "--dns-allow=192.0.2.0/24", "--dns-upstream=none") as daemon:
            daemon.wait()
            for words, status, wanted in CHECKS:
                text, got = query(viaduct, daemon, *words)
                for part in wanted:
                    if part not in text or got != status:
                        failed += 1
                        print("FAIL %s: status %d, %r" % (words, got, text))
        text, got = query(viaduct, daemon, "web.shop")
        if got != 1 or "admin.sock" not in text:
            failed += 1
            print("FAIL without a daemon: status %d, %r" % (got, text))
    print("%d checks, %d failed" % (len(CHECKS) + 1, failed))
    return failed > 0 or daemon.status != 0


if __name__ == "__main__":
    sys.exit(main())
