#!/usr/bin/env python3
"""What the programs of bench/ tell is what the page looks for: each runs with the least input, and its section has no gaps but
those that belong there."""
import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import unittest

import sample
from page import catalogue, markdown, results, runner
from page.bench import Run

BUILD = None  # the folder of the build


def program(name):
    return os.path.join(BUILD, "bench", name)


def section(name, *runs):
    """Of a bench whose programs were run with these arguments instead of its own."""
    with tempfile.TemporaryDirectory() as folder:
        runner.LOGS = folder
        bench = dataclasses.replace(catalogue.BY_NAME[name], runs=lambda quick: list(runs))
        document = runner.Runner(bench, True, name).document()
        return "\n".join(bench.section(results.Result(document)))


class Told(unittest.TestCase):
    def expect_gaps(self, text, count):
        self.assertEqual(text.count(markdown.MISSING), count, text)
        self.assertEqual("Not measured" in text, False, text)

    def test_iptables_sync(self):
        text = section("iptables_sync", Run((program("iptables_sync_bench"), "20"), {"services": 20}))
        self.expect_gaps(text, 0)
        self.assertIn("as it should be writes 0 transactions", text)

    def test_connection_rate(self):
        # Without rules there is no VIP.
        self.expect_gaps(section("connection_rate", Run((program("connection_rate_bench"), "20", "1"), {"services": 20})), 4)

    def test_change_latency(self):
        self.expect_gaps(section("change_latency", Run((program("change_latency_bench"), "20", "3"), {"services": 20})), 0)

    def test_api_list_and_api_event(self):
        self.expect_gaps(section("api_list", Run((program("api_list_bench"), "20"), {"services": 20})), 0)
        self.expect_gaps(section("api_event", Run((program("api_event_bench"), "latency", "20", "2"), {"what": "latency"}),
                                 Run((program("api_event_bench"), "soak", "2", "20"), {"what": "soak"})), 0)

    def test_cases_of_google_benchmark_have_the_names_that_the_page_knows(self):
        for name in ("state", "records_decode", "dns_responder"):
            listed = subprocess.run([program(name + "_bench"), "--benchmark_list_tests"], stdout=subprocess.PIPE, text=True, check=True)
            cases = {case.replace("/", ".") for case in listed.stdout.split()}
            asked = set()

            class Figures(dict):
                def get(self, key, default=None):
                    asked.add(key.rpartition(".")[0])
                    return default

            run = {"command": "", "input": {}, "repeats": 1, "figures": Figures()}
            catalogue.BY_NAME[name].section(results.Result({"runs": [run]}))
            self.assertLessEqual(asked, cases, name)


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", required=True)
    args, rest = ap.parse_known_args()
    BUILD = os.path.abspath(args.build)
    os.chdir(sample.PROJECT)
    if os.geteuid() != 0:
        print("needs root")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])
