#!/usr/bin/env python3
"""script/bench, without measuring: what it refuses, what it lists, and that a part leaves the rest alone."""
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import sample
from page import __main__ as command
from page import results, runner
from page.bench import Bench, Run


def script(*words):
    return subprocess.run([os.path.join(sample.PROJECT, "script", "bench"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)


def bench(name, *words, repeats=1):
    """One that runs a line of Python."""
    return Bench(name, "T", "Q?", lambda quick: [Run((sys.executable, "-c", *words), {"services": 100}, repeats)], lambda result: [])


class Script(unittest.TestCase):
    def test_refuses_a_name_that_no_bench_has_and_says_which_there_are(self):
        done = script("iptables_sinc")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no bench is called iptables_sinc; there are iptables_sync, ipvs_sync,", done.stderr)

    def test_lists_every_bench_with_its_question_and_date(self):
        with tempfile.TemporaryDirectory() as docs:
            sample.save(docs, sample.result("api_list", sample.run({"text_mb": 5}, services=100)))
            lines = script("--list", "--docs", docs).stdout.splitlines()
        self.assertEqual(len(lines), len(command.BENCHES))
        self.assertIn("api_list         2026-01-02  What does it cost", "\n".join(lines))
        self.assertIn("ipvs_sync        never       What do", "\n".join(lines))

    def test_writes_the_page_from_what_is_there(self):
        with tempfile.TemporaryDirectory() as docs:
            sample.save(docs, sample.result("iptables_sync", sample.iptables_run(100, 1, 2)))
            self.assertEqual(script("--page", "--docs", docs).returncode, 0)
            self.assertEqual(sorted(os.listdir(docs)), ["benchmarks", "benchmarks.md"])
            self.assertEqual(sorted(os.listdir(os.path.join(docs, "benchmarks"))), ["first_sync.svg", "iptables_sync.json", "one_change.svg"])


class Measuring(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.docs = folder.name
        for place in (mock.patch.object(runner, "LOGS", os.path.join(folder.name, "logs")), mock.patch("sys.stdout"), mock.patch("sys.stderr")):
            place.start()
            self.addCleanup(place.stop)

    def measure(self, *benches):
        return command.measure(benches, mock.Mock(docs=self.docs, quick=False))

    def test_keeps_the_median_of_repeated_runs_with_command_and_machine(self):
        count = os.path.join(self.docs, "count")
        told = f"open({count!r}, 'a').write('x'); print('text'); print('figure some.wall_ms', [5, 1, 3][len(open({count!r}).read()) - 1])"
        self.assertEqual(self.measure(bench("api_list", told, repeats=3)), [])
        kept = results.load(self.docs, "api_list")
        self.assertEqual((kept.runs[0].get("some.wall_ms"), kept.runs[0].repeats), (3, 3))
        self.assertIn("print('text')", kept.runs[0].command)
        self.assertEqual(len(kept.machine["load_at_end"]), 3)

    def test_leaves_all_other_sections_as_they_were(self):
        before = sample.result("iptables_sync", sample.iptables_run(100, 1, 2))
        sample.save(self.docs, before)
        self.measure(bench("api_list", "print('figure text_mb 7')"))
        self.assertEqual(results.load(self.docs, "iptables_sync").document, before)
        with open(os.path.join(self.docs, "benchmarks.md")) as f:
            page = f.read()
        self.assertIn("| 100 | 1 ms | 2 ms | 0.50 |", page)
        self.assertIn("| bytes of the list | 7 MB |", page)

    def test_a_bench_that_fails_keeps_its_old_figures_and_is_named_and_the_next_one_runs(self):
        before = sample.result("api_list", sample.run({"text_mb": 5}, services=100))
        sample.save(self.docs, before)
        failed = self.measure(bench("api_list", "import sys; print('figure text_mb 7'); sys.exit('no such thing')"),
                              bench("state", "print('figure a 1')"))
        self.assertEqual(failed, ["api_list"])
        self.assertEqual(results.load(self.docs, "api_list").document, before)
        self.assertIsNotNone(results.load(self.docs, "state"))

    def test_a_bench_that_tells_nothing_has_failed(self):
        self.assertEqual(self.measure(bench("api_list", "print('all went well')")), ["api_list"])

    def test_last_words_are_part_of_the_failure(self):
        with self.assertRaisesRegex(runner.Failed, "status 3: the kernel refused"):
            runner.output_of([sys.executable, "-c", "import sys; sys.stderr.write('the kernel refused\\n'); sys.exit(3)"], {}, 60, lambda: None)
        with self.assertRaisesRegex(runner.Failed, "no/such/program: No such file"):
            runner.output_of(["no/such/program"], {}, 60, lambda: None)

    def test_what_takes_too_long_is_ended(self):
        with self.assertRaisesRegex(runner.Failed, "not done within 0 s"):
            runner.output_of([sys.executable, "-c", "import signal; signal.pause()"], {}, 0, lambda: None)


if __name__ == "__main__":
    unittest.main()
