"""Two kinds of plots, as SVG text: lines over logarithmic axes, and ranges of percentiles.

Small files without scripts, fonts or a background of their own: the colours have enough contrast on white and
on near-black, and no series is told by its colour alone. Equal figures give equal text."""
import math
from html import escape

from .markdown import number

WIDTH = 560
INK, GRID = "#767676", "#76767640"
# Colour, marker and dashes of each series; the first is ours.
STYLES = (("#2f7de1", "circle", ""), ("#c4621a", "square", "6 4"), ("#8a5fd0", "triangle", "2 3"))


class Log:
    """Places on a logarithmic axis between two pixels, from the values that it shall hold, with some room around them."""

    def __init__(self, values, begin, end, room=0.0):
        low, high = math.log10(min(values)), math.log10(max(values))
        around = room * (high - low) if high > low else 0.5
        self.low, self.high = low - around, high + around
        self.begin, self.end = begin, end

    def __call__(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self):
        """Powers of ten; with their twos and fives where those are few."""
        wide = self.high - self.low > 2.5
        steps = (1,) if wide else (1, 2, 5)
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        every = [step * 10.0 ** decade for decade in decades for step in steps]
        return [tick for tick in every if self.low <= math.log10(tick) <= self.high]


class Drawing:
    def __init__(self, title, height):
        self.lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            f'role="img" aria-labelledby="title" font-family="sans-serif" font-size="12" fill="{INK}">',
            f'<title id="title">{escape(title)}</title>']
        self.text(WIDTH / 2, 18, title, "middle", ' font-size="14" font-weight="bold"')

    def text(self, x, y, words, anchor, more=""):
        self.lines.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, colour, more=""):
        self.lines.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{more}/>')

    def path(self, points, colour, dashes):
        steps = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.lines.append(f'<path d="M{steps}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>')

    def marker(self, kind, x, y, colour, words):
        """`words` is what a pointer that rests on it, or a reader of the screen, is told."""
        shape = {
            "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"',
            "square": f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"',
            "triangle": f'<path d="M{x:.1f} {y - 5:.1f} l5 9 h-10 z"',
            "bar": f'<rect x="{x - 1.5:.1f}" y="{y - 6:.1f}" width="3" height="12"',
        }[kind]
        tag = shape[1:].partition(" ")[0]
        self.lines.append(f'{shape} fill="{colour}"><title>{escape(words)}</title></{tag}>')

    def finish(self):
        return "\n".join([*self.lines, "</svg>", ""])


def lines(title, x_label, y_label, series):
    """`series`: lists of (x, y) by name, ours first; all above 0."""
    height, left, right, top, bottom = 340, 70, WIDTH - 30, 52, 340 - 52
    drawing = Drawing(title, height)
    points = [point for each in series.values() for point in each]
    across = Log([x for x, _ in points], left + 20, right - 10)
    up = Log([y for _, y in points], bottom, top, room=0.12)
    for tick in up.ticks():
        drawing.line(left, up(tick), right, up(tick), GRID)
        drawing.text(left - 6, up(tick) + 4, number(tick), "end")
    for x in sorted({x for x, _ in points}):
        drawing.line(across(x), bottom, across(x), bottom + 4, INK)
        drawing.text(across(x), bottom + 17, number(x), "middle")
    drawing.line(left, bottom, right, bottom, INK)
    drawing.text((left + right) / 2, height - 12, x_label, "middle")
    drawing.text(0, 0, y_label, "middle", f' transform="translate(16 {(top + bottom) / 2:.1f}) rotate(-90)"')
    at = left
    for (name, each), (colour, marker, dashes) in zip(series.items(), STYLES):
        drawing.path([(at, 38), (at + 28, 38)], colour, dashes)
        drawing.marker(marker, at + 14, 38, colour, name)
        drawing.text(at + 34, 42, name, "start")
        at += 60 + 7 * len(name)
        each = sorted(each)
        drawing.path([(across(x), up(y)) for x, y in each], colour, dashes)
        for x, y in each:
            above = y >= max(other for points in series.values() for at_x, other in points if at_x == x)
            drawing.marker(marker, across(x), up(y), colour, f"{name}: {number(x)}, {number(y)}")
            drawing.text(across(x), up(y) + (-9 if above else 18), number(y), "middle", ' font-size="11"')
    return drawing.finish()


def labelled(places):
    """Of (percentile, x) those with room for a label, the ends and p99 first."""
    chosen = []
    for percentile, x in sorted(places, key=lambda place: (50, 99, 99.9, 90).index(place[0])):
        if all(abs(x - other) >= 34 for _, other in chosen):
            chosen.append((percentile, x))
    return {percentile for percentile, _ in chosen}


def ranges(title, x_label, rows, floors=()):
    """`rows`: (percentile, value) by name, ours first: a bar for each percentile, one line through them. Those in
    `floors` are no peers but the least that is possible."""
    left, right, top, step = 130, WIDTH - 40, 50, 44
    bottom = top + step * len(rows)
    drawing = Drawing(title, bottom + 52)
    across = Log([value for row in rows.values() for _, value in row], left + 16, right, room=0.04)
    for tick in across.ticks():
        drawing.line(across(tick), top - 8, across(tick), bottom, GRID)
        drawing.text(across(tick), bottom + 17, number(tick), "middle")
    drawing.line(left, bottom, right, bottom, INK)
    drawing.text((left + right) / 2, bottom + 40, x_label, "middle")
    for place, (name, row) in enumerate(rows.items()):
        colour = INK if name in floors else STYLES[0 if place == 0 else 1][0]
        y = top + step * (place + 0.5)
        drawing.text(left - 8, y + 4, name, "end", ' font-weight="bold"' if place == 0 else "")
        drawing.line(across(row[0][1]), y, across(row[-1][1]), y, colour, ' stroke-width="2"')
        told = labelled([(percentile, across(value)) for percentile, value in row])
        for percentile, value in row:
            x = across(value)
            drawing.marker("bar", x, y, colour, f"{name}: p{percentile:g} {number(value)}")
            if percentile in told:
                drawing.text(x, y - 10, f"p{percentile:g}", "middle", ' font-size="10"')
                drawing.text(x, y + 18, number(value), "middle", ' font-size="10"')
    return drawing.finish()
