"""A headless Chromium, by the WebDriver protocol of chromedriver (W3C WebDriver)."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

PATIENCE_SECONDS = 60
PORT = 9515  # of a network namespace of our own


def is_installed():
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


class Browser:
    def __init__(self):
        self.home = tempfile.TemporaryDirectory(prefix="viaduct-browser-")
        environment = dict(os.environ, HOME=self.home.name)
        self.driver = subprocess.Popen(["chromedriver", "--port=%d" % PORT], env=environment,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       start_new_session=True)

    def __enter__(self):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if self.call("GET", "/status")["ready"]:
                    break
            except OSError:
                if time.monotonic() > deadline or self.driver.poll() is not None:
                    raise
            time.sleep(0.05)
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--window-size=1400,1000", "--user-data-dir=" + self.home.name]}}}})
        self.session = "/session/" + session["sessionId"]
        return self

    def __exit__(self, *_):
        try:
            if hasattr(self, "session"):
                self.call("DELETE", self.session)
        except OSError:
            pass
        os.killpg(self.driver.pid, signal.SIGKILL)  # the driver and what it left; a group of its own
        self.driver.wait()
        self.home.cleanup()

    @staticmethod
    def call(method, path, body=None):
        data = None if body is None and method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (PORT, path), data, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
            return json.load(reply)["value"]

    def open(self, url):
        self.call("POST", self.session + "/url", {"url": url})

    def ask(self, script):
        """What a script says that ends with `return`."""
        return self.call("POST", self.session + "/execute/sync", {"script": script, "args": []})

    def wait_until(self, condition):
        """Until the JavaScript expression is true; False when that takes too long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.ask("return Boolean(%s)" % condition):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def element(self, selector):
        found = self.call("POST", self.session + "/element", {"using": "css selector", "value": selector})
        return self.session + "/element/" + next(iter(found.values()))

    def type(self, selector, text):
        self.call("POST", self.element(selector) + "/value", {"text": text})

    def clear(self, selector):
        self.call("POST", self.element(selector) + "/clear")

    def click(self, selector):
        self.call("POST", self.element(selector) + "/click")

    def complaints(self, about):
        """What was written to the console about pages of the address `about`: errors, and violations of
        their policy. Pages of the browser's own write there too."""
        log = self.call("POST", self.session + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["message"].startswith(about)]
