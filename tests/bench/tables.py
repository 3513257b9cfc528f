#!/usr/bin/env python3
"""The page's tables, from figures that are known."""
import tempfile
import unittest

import sample
from page import catalogue, document, markdown, results


def page_of(*documents):
    with tempfile.TemporaryDirectory() as docs:
        sample.save(docs, *documents)
        return document.files(docs)["benchmarks.md"]


class Tables(unittest.TestCase):
    def test_a_ratio_is_our_figure_to_the_peers(self):
        page = page_of(sample.result("iptables_sync", sample.iptables_run(10000, 2000, 8000)))
        self.assertIn("| first sync, wall | 2 s | 8 s | 0.25 |", page)
        self.assertIn("| one endpoint changed, wall | 200 ms | 800 ms | 0.25 |", page)
        self.assertIn("| one endpoint changed, CPU | 3 ms | 3 ms | 1.00 |", page)
        self.assertIn("| peak memory | 40 MB | 160 MB | 0.25 |", page)

    def test_every_number_of_services_has_a_row(self):
        page = page_of(sample.result("iptables_sync", *(sample.iptables_run(n, n, 2 * n) for n in (100, 10000, 30000))))
        self.assertIn("| 100 | 100 ms | 200 ms | 0.50 | 10 ms | 20 ms | 0.50 |", page)
        self.assertIn("| 30,000 | 30,000 ms | 60,000 ms | 0.50 | 3,000 ms | 6,000 ms | 0.50 |", page)
        self.assertIn("10,000 services with 10 endpoints each:", page)  # what the README speaks of

    def test_a_peer_without_figures_is_named(self):
        failed = sample.iptables_run(30000, 7000, None)
        failed["figures"].update(sample.cost("iptables_legacy_restore.failed", 90000))
        page = page_of(sample.result("iptables_sync", sample.iptables_run(100, 10, None), failed))
        self.assertIn("| 30,000 | 7,000 ms | – | – | 700 ms | – | – |", page)
        self.assertIn("Not measured: iptables-legacy-restore at 100 services, iptables-legacy-restore at 30,000 services "
                      "(it failed after 90 s).", page)

    def test_a_peer_that_is_not_installed_is_named(self):
        figures = {"viaduct.bulk.gbit_s": 10, "nginx.bulk.gbit_s": 5, "direct.bulk.gbit_s": 20}
        for key in ("viaduct", "nginx", "direct"):
            figures.update({f"{key}.connect32.p50_us": 100, f"{key}.connect32.p99_us": 200})
        page = page_of(sample.result("userspace_peers", sample.run(figures), peers={"haproxy": None, "nginx-core": "1.22"}))
        self.assertIn("| viaduct to nginx stream | 2.00 |", page)
        self.assertIn("Not measured: HAProxy, HAProxy, splicing, a bare loop of splice().", page)
        self.assertIn("peers: **haproxy is not installed**, nginx-core 1.22.", page)

    def test_a_bench_that_was_never_run_is_named_twice(self):
        page = page_of(sample.result("iptables_sync", sample.iptables_run(100, 1, 2)))
        for bench in catalogue.BENCHES:
            self.assertIn(f"## {bench.title}\n\n{bench.question}\n", page)
            if bench.name != "iptables_sync":
                self.assertIn(f"Not measured yet: `script/bench {bench.name}`.", page)
        self.assertRegex(page, r"\| not measured \| ipvs_sync, connection_rate, .*records_decode \|")

    def test_dns_is_compared_with_the_best_of_the_others(self):
        figures = {f"{server}.A.cpu_s": cpu for server, cpu in (("viaduct", 0.3), ("knot", 0.6), ("nsd", 0.5))}
        figures.update({f"{server}.A.per_s": rate for server, rate in (("viaduct", 90000), ("knot", 60000), ("nsd", 45000))})
        page = page_of(sample.result("dns_compare", sample.run(figures, services=10000)))
        self.assertIn("| A | 0.3 | 0.6 | 0.5 | – | 0.60 |", page)
        self.assertIn("| A | 90,000 | 60,000 | 45,000 | – | 1.50 |", page)

    def test_machine_versions_command_and_date_are_there(self):
        page = page_of(sample.result("iptables_sync", sample.iptables_run(100, 1, 2), peers={"iptables": "1.8.9-2"}))
        self.assertIn("| machine | Abacus, 4 cores, 8 GB of memory, Linux 6.1 |", page)
        self.assertIn("| load average | 0.10 to 1.20 at starts and ends", page)
        self.assertIn("```\nbuild/release/bench/some_bench 100\n```", page)
        self.assertIn("2026-01-02, 12 s, load average 0.10 to 1.20, 0.5 % stolen; viaduct 1.2.3 (abc1234); peers: iptables "
                      "1.8.9-2.", page)
        self.assertNotIn("quick run", page)
        self.assertNotIn("not quiet", page)

    def test_a_section_says_where_it_differs_from_the_others(self):
        elsewhere = {**sample.MACHINE, "cpu": "Difference Engine"}
        page = page_of(
            sample.result("iptables_sync", sample.iptables_run(100, 1, 2)),
            sample.result("change_latency", sample.run({"viaduct.median_ms": 3}, services=100)),
            sample.result("api_list", sample.run({"text_mb": 5}, services=100), machine=elsewhere, quick=True))
        self.assertIn("| machine | Abacus,", page)
        self.assertIn("**A quick run, with fewer rounds and sizes.** 2026-01-02 on another machine (Difference Engine,", page)
        self.assertEqual(page.count("on another machine"), 1)

    def test_a_machine_with_other_work_is_said(self):
        busy = {**sample.MACHINE, "busy_before_percent": 87.3}
        page = page_of(sample.result("api_list", sample.run({"text_mb": 5}, services=100), machine=busy))
        self.assertIn("**The machine was not quiet: its CPUs were 87 % busy before the bench began.** 2026-01-02,", page)

    def test_an_emulated_machine_is_called_so(self):
        run = sample.run({**sample.cost("viaduct.first_sync", 10), **sample.cost("ipvsadm.first_sync", 40)}, services=100)
        page = page_of(sample.result("ipvs_sync", run, vm={"kernel": "6.1.0-amd64", "accelerator": "tcg,thread=multi"}))
        self.assertIn("a virtual machine with Linux 6.1.0-amd64, **emulated by QEMU", page)
        self.assertIn("| first sync, wall | 0.01 s | 0.04 s | 0.25 |", page)


class Numbers(unittest.TestCase):
    def test_have_three_significant_digits_and_commas(self):
        told = {0: "0", 0.00412: "0.00412", 0.0000123: "0.0000123", 1.9345: "1.93", 45.0: "45", 999.7: "1,000", 12345: "12,300", 2.5e6: "2,500,000"}
        self.assertEqual({value: markdown.number(value) for value in told}, told)

    def test_ratios_have_two_decimals_or_two_digits(self):
        for ours, theirs, text in ((1, 4, "0.25"), (1, 1, "1.00"), (9, 4, "2.25"), (1, 30, "0.033"), (1, 0, "–"), (None, 1, "–")):
            self.assertEqual(markdown.ratio(ours, theirs), text)


class Figures(unittest.TestCase):
    def test_of_several_runs_are_medians_of_what_all_told(self):
        told = [{"a": 1, "b": 5}, {"a": 9}, {"a": 2, "b": 7}]
        self.assertEqual(results.median_figures(told), {"a": 2})

    def test_of_google_benchmark_have_argument_unit_and_counters_in_their_names(self):
        case = {"name": "load/1000", "run_name": "load/1000", "run_type": "iteration", "iterations": 3, "real_time": 9, "cpu_time": 7.5,
                "time_unit": "ms", "bytes/endpoint": 150, "threads": 1}
        self.assertEqual(results.of_google({"benchmarks": [case]}), {"load.1000.cpu_ms": 7.5, "load.1000.bytes_per_endpoint": 150})


if __name__ == "__main__":
    unittest.main()
