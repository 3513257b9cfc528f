#!/usr/bin/python3
"""DNS over TLS to an upstream (RFC 7858): answers come, and only from who has the right certificate."""
import argparse
import os
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

from daemon import Daemon, run

NAME = "www.fwd.test."


def certificate(home, address):
    """A certificate for the address and for dns.test, which its own key has signed."""
    key, cert = os.path.join(home, "key.pem"), os.path.join(home, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=dns.test",
                    "-addext", "subjectAltName=IP:%s,DNS:dns.test" % address], check=True, stderr=subprocess.DEVNULL)
    return key, cert


def serve(upstream, listener, context):
    """run.py's upstream, spoken to through TLS."""
    def one(raw):
        try:
            with context.wrap_socket(raw, server_side=True) as s:
                upstream.tcp_one(s)
        except OSError:
            raw.close()
    while True:
        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    args = ap.parse_args()
    address = "127.%d.%d.%d" % tuple(random.randrange(1, 255) for _ in range(3))
    failed = 0
    with tempfile.TemporaryDirectory() as home, socket.create_server((address, 0)) as listener:
        key, cert = certificate(home, address)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        upstream = run.Upstream("%s:0" % address, [{"upstream": {"records": [NAME + " 60 IN A 192.0.2.1"]}}])
        threading.Thread(target=serve, args=(upstream, listener, context), daemon=True).start()
        manifests = os.path.join(home, "none.yaml")
        with open(manifests, "w") as f:
            f.write("# no objects\n")
        at = "tls://%s:%d" % (address, listener.getsockname()[1])
        good = {"rcode": "NOERROR", "answer": [NAME + " 60 IN A 192.0.2.1"]}
        bad = {"rcode": "SERVFAIL", "answer": []}
        for trusted, name, wanted in ((cert, "", good), (cert, "#dns.test", good), (cert, "#other.test", bad),
                                      ("/dev/null", "", bad)):
            os.environ["SSL_CERT_FILE"] = trusted  # for OpenSSL in the daemon
            os.environ["SSL_CERT_DIR"] = home
            with Daemon(args.viaduct, home, manifests, "--dns-upstream=" + at + name) as daemon:
                client = run.Context(run.Server(*daemon.wait(), timeout=8))
                for _ in range(2):
                    why = run.attempt(client, dict(wanted, qname=NAME, qtype="A"))
                    if why:
                        failed += 1
                        print("FAIL name %r, trust in %s: %s" % (name, trusted, why))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
