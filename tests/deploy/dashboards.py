#!/usr/bin/python3
"""Every metric that the dashboard and the alert rules name is one that a running daemon has, with the
labels by which they choose and group; promtool, where it is installed, accepts the rules."""
import argparse
import json
import os
import re
import shutil
import subprocess

import yaml

import exposition
import lab

# Daemons that together have every metric there is.
DAEMONS = [
    ["--proxy-mode=iptables", "--dns-bind-address=127.0.0.1:53", "--dns-upstream=127.0.0.1:5300"],
    ["--proxy-mode=userspace"],
]
# Nobody listens there: requests to the API server fail and are counted.
WITHOUT_API = ["--proxy-mode=none", "--master=http://127.0.0.1:1", "--manifests=", "--state-file="]

SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^}]*\})?")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
LANGUAGE = set("""sum max min count by rate increase histogram_quantile clamp_min label_values and or unless on
    ignoring le instance""".split())
# Labels that Prometheus adds to what it scrapes, and the bucket's.
GIVEN = {"instance", "job", "le"}


def exported(viaduct):
    """Labels by metric name, of all daemons together."""
    found = {}
    for flags in DAEMONS:
        with lab.Daemon(viaduct, *flags) as daemon:
            # What counts by label has no series before the first of its kind.
            subprocess.run(["dig", "@127.0.0.1", "+tries=1", "+timeout=2", "web.shop.svc.cluster.local"],
                           stdout=subprocess.DEVNULL, check=False)
            collect(found)
    daemon = lab.Daemon(viaduct, *WITHOUT_API)
    try:
        daemon.wait_until(lambda: "rest_client_requests_total{" in lab.fetch(lab.METRICS + "/metrics")[2],
                          "a request to the API server")
        collect(found)
    finally:
        daemon.__exit__()
    return found


def collect(found):
    for family, content in exposition.parse(lab.fetch(lab.METRICS + "/metrics")[2]).items():
        names = [family]
        names += [family + suffix for suffix in exposition.SUFFIXES.get(content.kind, ())]
        for name in names:
            labels = found.setdefault(name, set())
            for _, given, _ in content.samples:
                labels |= set(given)


def queries():
    """Where it stands and its text, of each query."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy")
    with open(os.path.join(folder, "grafana-dashboard.json")) as f:
        dashboard = json.load(f)
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield "panel " + panel["title"], target["expr"]
    rules = os.path.join(folder, "alerts.yaml")
    with open(rules) as f:
        for group in yaml.safe_load(f)["groups"]:
            for rule in group["rules"]:
                yield "alert " + rule["alert"], rule["expr"]


def check_query(checks, where, expr, metrics):
    expr = expr.replace("[$__rate_interval]", "")
    unquoted = re.sub(r'"[^"]*"', '""', expr)
    bare = re.sub(r"\[[^\]]*\]", "", unquoted)
    labels = set()
    names = set()
    for name, selector in SELECTOR.findall(GROUPING.sub("", bare)):
        if name in LANGUAGE:
            continue
        names.add(name)
        labels |= set(re.findall(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)", selector))
    checks.expect(bool(names), "%s: names no metric" % where)
    for grouping in GROUPING.findall(bare):
        labels |= {label.strip() for label in grouping.split(",")}
    known = set(GIVEN)
    for name in names:
        checks.expect(name in metrics, "%s: no daemon has %s" % (where, name))
        known |= metrics.get(name, set())
    checks.expect(labels <= known, "%s: no such labels: %s" % (where, ", ".join(labels - known)))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    args = ap.parse_args()
    lab.in_own_namespaces()
    checks = lab.Checks()
    metrics = exported(args.viaduct)
    for where, expr in queries():
        check_query(checks, where, expr, metrics)
    if promtool := shutil.which("promtool"):
        rules = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "alerts.yaml")
        done = subprocess.run([promtool, "check", "rules", rules], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        checks.expect(done.returncode == 0, done.stdout)
    checks.exit()


if __name__ == "__main__":
    main()
