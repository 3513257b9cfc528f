#!/usr/bin/env python3
"""The plots: well-formed, readable by programs for the blind, every point in its place."""
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import sample
from page import document, plot

SVG = "{http://www.w3.org/2000/svg}"


def markers(text):
    """What each marker says."""
    return [shape.find(SVG + "title").text for shape in ElementTree.fromstring(text) if shape.find(SVG + "title") is not None]


def words(text):
    return [each.text for each in ElementTree.fromstring(text).iter(SVG + "text")]


SERIES = {"ours": [(100, 0.5), (1000, 3.0), (30000, 90.0)], "<theirs> & co": [(100, 0.7), (1000, 20.0)]}
ROWS = {"ours": [(50, 0.1), (90, 0.2), (99, 1.0), (99.9, 1.05)], "theirs": [(50, 0.3), (90, 0.5), (99, 2.0), (99.9, 9.0)]}


class Plots(unittest.TestCase):
    def test_have_a_marker_for_every_point_that_says_it(self):
        self.assertEqual(markers(plot.lines("T", "x", "y", SERIES)), [
            "ours", "ours: 100, 0.5", "ours: 1,000, 3", "ours: 30,000, 90",
            "<theirs> & co", "<theirs> & co: 100, 0.7", "<theirs> & co: 1,000, 20"])
        self.assertEqual(len(markers(plot.ranges("T", "x", ROWS))), 8)
        self.assertIn("ours: p99.9 1.05", markers(plot.ranges("T", "x", ROWS)))

    def test_keep_within_their_frame(self):
        for text in (plot.lines("T", "x", "y", SERIES), plot.ranges("T", "x", ROWS)):
            root = ElementTree.fromstring(text)
            width, height = (float(root.get(side)) for side in ("width", "height"))
            for shape in root.iter():
                for side, limit in (("x", width), ("cx", width), ("x1", width), ("x2", width), ("y", height), ("cy", height),
                                    ("y1", height), ("y2", height)):
                    self.assertTrue(0 <= float(shape.get(side, 0)) <= limit, (shape.tag, side, shape.get(side)))

    def test_put_more_to_the_right_and_higher(self):
        circles = [each for each in ElementTree.fromstring(plot.lines("T", "x", "y", {"ours": SERIES["ours"]})) if each.tag == SVG + "circle"]
        across = [float(each.get("cx")) for each in circles[1:]]  # the first is the legend's
        down = [float(each.get("cy")) for each in circles[1:]]
        self.assertEqual(across, sorted(across))
        self.assertEqual(down, sorted(down, reverse=True))

    def test_are_pictures_with_a_title_axes_and_units_and_no_scripts(self):
        text = plot.lines("Title <1>", "services", "seconds", SERIES)
        root = ElementTree.fromstring(text)
        self.assertEqual(root.get("role"), "img")
        self.assertEqual(root.find(SVG + "title").text, "Title <1>")
        self.assertEqual(root.get("aria-labelledby"), root.find(SVG + "title").get("id"))
        for word in ("services", "seconds", "ours", "<theirs> & co", "100", "1,000", "30,000"):
            self.assertIn(word, words(text))
        self.assertFalse(list(root.iter(SVG + "script")))

    def test_leave_out_labels_that_have_no_room_but_not_p99(self):
        told = words(plot.ranges("T", "x", {"ours": [(50, 1), (90, 9.8), (99, 10), (99.9, 10.1)]}))
        self.assertIn("p99", told)
        self.assertNotIn("p90", told)

    def test_of_one_point_are_possible(self):
        self.assertIn("ours: 100, 1", markers(plot.lines("T", "x", "y", {"ours": [(100, 1)]})))

    def test_of_equal_figures_are_equal(self):
        self.assertEqual(plot.lines("T", "x", "y", SERIES), plot.lines("T", "x", "y", SERIES))

    def test_of_the_page_show_all_sizes_of_both_sides(self):
        with tempfile.TemporaryDirectory() as docs:
            sample.save(docs, sample.result("iptables_sync", sample.iptables_run(100, 60, 50), sample.iptables_run(10000, 2000, 9000),
                                            sample.iptables_run(30000, 7000, None)))
            made = document.files(docs)
        self.assertEqual(markers(made["benchmarks/first_sync.svg"]), [
            "viaduct", "viaduct: 100, 0.06", "viaduct: 10,000, 2", "viaduct: 30,000, 7",
            "iptables-legacy-restore", "iptables-legacy-restore: 100, 0.05", "iptables-legacy-restore: 10,000, 9"])
        for name in made:
            if name != "benchmarks.md":
                self.assertIn(f"]({name})", made["benchmarks.md"])


if __name__ == "__main__":
    unittest.main()
