"""The real daemon, for the tests beside this file: started, asked for its state, and always ended."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance", "dns")
sys.path.insert(0, SCENARIOS)
import run  # noqa: E402,F401  the checker beside the scenarios

PATIENCE_SECONDS = 20


def ask_admin(path, request=b'{"command":"dns"}'):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(path)
        s.sendall(request)
        data = b""
        while part := s.recv(65536):
            data += part
    return json.loads(data)


def query(viaduct, daemon, *words):
    """What `viaduct dns query` prints, or its complaint, and its status."""
    done = subprocess.run([viaduct, "dns", "query", "--admin-socket=" + daemon.admin, *words],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_SECONDS)
    return done.stdout, done.returncode


class Daemon:
    """`viaduct run --proxy-mode=none` with DNS; `with` ends it."""

    def __init__(self, viaduct, home, manifests, *flags, bind="127.0.0.1:0", mode="none"):
        self.admin = os.path.join(home, "admin.sock")
        self.process = subprocess.Popen(
            [viaduct, "run", "--proxy-mode=" + mode, "--manifests=" + manifests, "--admin-socket=" + self.admin,
             "--healthz-port=0", "--metrics-port=0", "--hostname-override=node-1", "--dns-bind-address=" + bind,
             "--dns-resolv-conf=/dev/null", *flags])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.status = self.process.wait(PATIENCE_SECONDS)

    def wait(self, ready=True):
        """Waits until it listens and has, or has not, its first full list; returns host, port."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                state = ask_admin(self.admin)
                if state["ready"] == ready:
                    host, _, port = state["listening"][0].rpartition(":")
                    return host.strip("[]"), int(port)
            except (OSError, ValueError, KeyError):
                pass
            if self.process.poll() is not None:
                raise SystemExit("the daemon ended with status %d" % self.process.returncode)
            if time.monotonic() > deadline:
                raise SystemExit("the daemon did not become ready")
            time.sleep(0.02)
