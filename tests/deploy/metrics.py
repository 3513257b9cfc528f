#!/usr/bin/python3
"""What a running daemon exports has kube-proxy's names, types, labels and buckets
("metrics" and "http" in tests/conformance/naming.yaml), and our own metrics are there."""
import argparse
import json
import os
import re

import yaml

import exposition
import lab

NAMING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "conformance", "naming.yaml")
OURS = {
    "iptables": """viaduct_build_info viaduct_service_ports viaduct_endpoints viaduct_record_problems
        viaduct_set_aside_service_ports viaduct_syncs_total viaduct_outside_changes_total viaduct_repairs_total
        viaduct_transactions_total viaduct_operations_total viaduct_netlink_retries_total""",
    "userspace": """viaduct_build_info viaduct_userspace_connections viaduct_userspace_connections_total
        viaduct_userspace_connections_retried_total viaduct_userspace_udp_flows viaduct_transactions_total""",
    "none": """viaduct_build_info coredns_dns_requests_total coredns_dns_responses_total
        coredns_dns_request_duration_seconds viaduct_dns_zone_services""",
}
PROCESS = """process_cpu_seconds_total process_resident_memory_bytes process_virtual_memory_bytes
    process_start_time_seconds process_open_fds process_max_fds"""
FLAGS = {"none": ["--dns-bind-address=127.0.0.1:53", "--dns-upstream=none"]}


def bounds(text):
    """The buckets that "0.001 doubling, 15 buckets" or "0.25, 1 to 59 by 1" mean."""
    if "doubling" in text:
        first, count = text.split(" doubling, ")
        return [float(first) * 2**i for i in range(int(count.split()[0]))]
    out = []
    for part in text.split(", "):
        words = part.split()
        if len(words) == 1:
            out.append(float(part))
        else:
            first, last, step = int(words[0]), int(words[2]), int(words[4])
            out += [float(i) for i in range(first, last + 1, step)]
    return out


def check_metric(checks, wanted, families):
    name = wanted["name"]
    family = families.get(name)
    if family is None:
        checks.expect("absent without nfacct" in wanted.get("note", ""), name + " is missing")
        return
    checks.expect(family.kind == wanted["type"], "%s is a %s" % (name, family.kind))
    labels = {frozenset(wanted["labels"])}
    checks.expect(family.label_names() <= labels, "%s has labels %s" % (name, family.label_names()))
    if "ip_family" in wanted["labels"]:
        seen = {labels["ip_family"] for _, labels, _ in family.samples}
        checks.expect(seen == {"IPv4", "IPv6"}, "%s is of families %s" % (name, seen))
    if "buckets" in wanted:
        right = bounds(wanted["buckets"])
        checks.expect(family.buckets() and all(b == right for b in family.buckets()),
                      "%s has buckets %s" % (name, family.buckets()))


def check_mode(checks, viaduct, naming, mode):
    with lab.Daemon(viaduct, "--proxy-mode=" + mode, *FLAGS.get(mode, [])):
        status, headers, text = lab.fetch(lab.METRICS + "/metrics")
        checks.expect(status == 200, "/metrics answers %d" % status)
        checks.expect(headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", "type of /metrics")
        families = exposition.parse(text)
        for wanted in naming["metrics"]["list"]:
            if mode != "none" and (wanted["modes"] == "all" or mode in wanted["modes"]):
                check_metric(checks, wanted, families)
        for name in (OURS[mode] + " " + PROCESS).split():
            checks.expect(name in families, "%s: %s is missing" % (mode, name))
        for path, body in (("/proxyMode", mode), ("/healthz", "ok")):
            checks.expect(lab.fetch(lab.METRICS + path)[::2] == (200, body), path)
        status, headers, text = lab.fetch(lab.METRICS + "/configz")
        configuration = json.loads(text)
        checks.expect(configuration["kubeproxy.config.k8s.io"]["clusterCIDR"] == "10.244.0.0/16,fd00:244::/48",
                      "clusterCIDR of /configz")
        checks.expect(configuration["viaduct"]["manifests"].endswith("all.yaml"), "our flags in /configz")
        for path in ("/healthz", "/livez"):
            checks.expect(lab.fetch(lab.HEALTH + path)[0] == 200, path)
        if mode == "iptables":
            check_counts(checks)


def check_counts(checks):
    """Figures of the rules are those of the kernel. As in kube-proxy the total is of the chains that
    it has for itself, without jumps from built-in chains; the first sync has written them all."""
    families = exposition.parse(lab.fetch(lab.METRICS + "/metrics")[2])
    for metric, chains in (("total", r"^-A KUBE-(?!MARK-MASQ|FIREWALL)"), ("last", "^-A ")):
        for _, labels, value in families["kubeproxy_sync_proxy_rules_iptables_" + metric].samples:
            save = ("iptables" if labels["ip_family"] == "IPv4" else "ip6tables") + "-save"
            rules = len(re.findall(chains, lab.output([save, "-t", labels["table"]]), re.MULTILINE))
            checks.expect(int(float(value)) == rules,
                          "%s rules %s: %s, %s has %d" % (metric, labels, value, save, rules))
    transactions = float(families["viaduct_transactions_total"].samples[0][2])
    checks.expect(transactions > 0, "no transactions are counted")


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    args = ap.parse_args()
    lab.in_own_namespaces()
    with open(NAMING) as f:
        naming = yaml.safe_load(f)
    checks = lab.Checks()
    for mode in ("iptables", "userspace", "none"):
        check_mode(checks, args.viaduct, naming, mode)
    checks.exit()


if __name__ == "__main__":
    main()
