#!/usr/bin/env python3
"""docs/benchmarks.md and its plots are what script/bench makes of the figures beside them; the README's pictures are there."""
import os
import re
import unittest

import sample
from page import document

DOCS = os.path.join(sample.PROJECT, "docs")


def read(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


class Committed(unittest.TestCase):
    maxDiff = 4000

    def test_files_are_what_the_figures_make(self):
        for name, text in document.files(DOCS).items():
            self.assertEqual(text, read(DOCS, name), f"docs/{name}: script/bench --page writes it anew")

    def test_plots_that_nothing_makes_are_not_there(self):
        made = document.files(DOCS)
        for name in os.listdir(os.path.join(DOCS, "benchmarks")):
            if name.endswith(".svg"):
                self.assertIn(f"benchmarks/{name}", made)

    def test_pictures_of_the_readme_are_there(self):
        shown = re.findall(r'(?:!\[[^\]]*\]\(|<img[^>]*src=")([^")]+)', read(sample.PROJECT, "README.md"))
        self.assertTrue(any(picture.startswith("docs/benchmarks/") for picture in shown))
        for picture in shown:
            self.assertTrue(os.path.exists(os.path.join(sample.PROJECT, picture)), picture)

    def test_every_program_of_the_folder_is_in_the_catalogue(self):
        commands = " ".join(" ".join(run.command) for bench in document.BENCHES for run in bench.runs(False))
        folder = os.path.join(sample.PROJECT, "bench")
        programs = re.findall(r"add_executable\((\w+)", read(folder, "CMakeLists.txt"))
        programs += [name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name)) and os.access(os.path.join(folder, name), os.X_OK)]
        for name in programs:
            if name != "userspace_proxy_bench":  # bench/userspace_peers runs it
                self.assertIn(name, commands)


if __name__ == "__main__":
    unittest.main()
