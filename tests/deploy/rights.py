#!/usr/bin/python3
"""The roles of deploy/kubernetes.yaml allow exactly what the daemon asks of an API server, which is
found by listening: a server that writes down each request and has no objects."""
import argparse
import http.server
import json
import os
import threading
import urllib.parse

import yaml

import lab

MANIFEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "kubernetes.yaml")
PORT = 8080  # of a network namespace of our own
DNS = ["--dns-bind-address=127.0.0.1:53", "--dns-upstream=none", "--dns-pod-records=verified"]


class Api(http.server.BaseHTTPRequestHandler):
    """Empty lists; watches that never bring anything. Streaming lists are refused, as by servers
    that are older than they."""
    protocol_version = "HTTP/1.1"
    asked = set()  # (group, resource, verb)
    ended = threading.Event()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        parts = url.path.strip("/").split("/")
        group, resource = ("", parts[2]) if parts[0] == "api" else (parts[1], parts[3])
        if "watch" not in query:
            self.asked.add((group, resource, "list"))
            version = "v1" if not group else group + "/v1"
            self.reply(200, {"kind": "List", "apiVersion": version, "metadata": {"resourceVersion": "1"},
                             "items": []})
        elif "sendInitialEvents" in query:
            self.reply(422, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422,
                             "reason": "Invalid", "message": "sendInitialEvents is forbidden"})
        else:
            self.asked.add((group, resource, "watch"))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.ended.wait()

    def reply(self, code, document):
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def allowed(objects, role):
    return {(group, resource, verb) for rule in objects["ClusterRole", role]["rules"]
            for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]}


def asked_with(viaduct, flags, expected):
    """What the daemon asks for until all that is expected was asked for, and a while after."""
    Api.asked.clear()
    daemon = lab.Daemon(viaduct, "--proxy-mode=none", "--master=http://127.0.0.1:%d" % PORT, "--manifests=",
                        "--state-file=", *flags)
    try:
        daemon.wait_until(lambda: expected <= Api.asked, "requests for %s" % (expected - Api.asked))
        daemon.wait_until(lambda: lab.fetch(lab.HEALTH + "/readyz")[0] == 200, "ready")
    finally:
        daemon.__exit__()
    return set(Api.asked)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    args = ap.parse_args()
    lab.in_own_namespaces()
    with open(MANIFEST) as f:
        objects = {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(f)}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Api)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    checks = lab.Checks()
    to_forward = allowed(objects, "viaduct")
    asked = asked_with(args.viaduct, [], to_forward)
    checks.expect(asked == to_forward, "asked for %s, allowed are %s" % (asked, to_forward))
    for_dns = to_forward | allowed(objects, "viaduct-dns")
    asked = asked_with(args.viaduct, DNS, for_dns)
    checks.expect(asked == for_dns, "with DNS asked for %s, allowed are %s" % (asked, for_dns))
    Api.ended.set()
    checks.exit()


if __name__ == "__main__":
    main()
