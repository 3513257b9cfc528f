"""A daemon in a network namespace and a /run of its own, for the tests beside this file."""
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SKIPPED = 77
PATIENCE_SECONDS = 30
METRICS, HEALTH = "http://127.0.0.1:10249", "http://127.0.0.1:10256"

MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: NodePort
  clusterIP: 10.96.0.7
  clusterIPs: [10.96.0.7, "fd00:96::7"]
  ipFamilies: [IPv4, IPv6]
  ports: [{name: http, port: 80, nodePort: 30080}, {name: dns, port: 53, protocol: UDP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-4, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: dns, port: 5353, protocol: UDP}]
endpoints:
- {addresses: [10.244.0.2], nodeName: node-1}
- {addresses: [10.244.1.2], nodeName: node-2}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-6, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv6
ports: [{name: http, port: 8080}]
endpoints: [{addresses: ["fd00:244::2"], nodeName: node-1}]
"""


def in_own_namespaces():
    """Starts this script again in namespaces of its own; returns in there."""
    if os.environ.get("VIADUCT_DEPLOY_LAB"):
        for command in ("mount --make-rprivate /", "mount -t tmpfs tmpfs /run", "ip link set lo up"):
            subprocess.run(command.split(), check=True)
        return
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(SKIPPED)
    os.environ["VIADUCT_DEPLOY_LAB"] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])


def fetch(url):
    """Status, headers and text of a GET; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, refusal.read().decode()
    except OSError:
        return 0, {}, ""


class Daemon:
    """`viaduct run` until the end of the `with`; `launcher` is a command that becomes it."""

    def __init__(self, viaduct, *flags, manifests=MANIFESTS, launcher=()):
        self.home = tempfile.TemporaryDirectory(prefix="viaduct-deploy-")
        os.chmod(self.home.name, 0o755)
        self.manifests = os.path.join(self.home.name, "all.yaml")
        self.write(manifests)
        self.process = subprocess.Popen(
            [*launcher, viaduct, "run", "--manifests=" + self.manifests, "--hostname-override=node-1",
             "--cluster-cidr=10.244.0.0/16,fd00:244::/48", *flags], start_new_session=True)

    def write(self, manifests):
        fresh = self.manifests + ".new"
        with open(fresh, "w") as f:
            f.write(manifests)
        os.rename(fresh, self.manifests)

    def __enter__(self):
        self.wait_until(lambda: fetch(HEALTH + "/healthz")[0] == 200, "healthy")
        return self

    def wait_until(self, condition, what):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if self.process.poll() is not None:
                raise SystemExit("the daemon ended with status %d" % self.process.returncode)
            if time.monotonic() > deadline:
                raise SystemExit("not in time: " + what)
            time.sleep(0.02)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_SECONDS)
        finally:
            self.home.cleanup()


class Checks:
    """Says what failed, and ends with the status of a test."""

    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, good, what):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print("FAIL " + what, flush=True)

    def exit(self):
        print("%d passed, %d failed" % (self.passed, self.failed))
        sys.exit(1 if self.failed or not self.passed else 0)


def output(command):
    """What the command writes to standard output; it has to succeed."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
