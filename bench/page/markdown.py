"""Numbers, ratios and tables as the page has them. None stands for what was not measured."""

MISSING = "–"


def number(value, digits=3):
    """With that many significant digits: 1.93, 45, 9,210, 0.0041."""
    if value is None:
        return MISSING
    text = f"{value:.{digits}g}"
    rounded = float(text)
    if abs(rounded) >= 1000:
        return f"{rounded:,.0f}"
    return f"{rounded:.12f}".rstrip("0") if "e" in text else text


def quantity(value, unit):
    return number(value) + (f" {unit}" if value is not None else "")


def ratio(ours, theirs):
    """Ours to theirs, with two decimals or two significant digits."""
    if ours is None or not theirs:
        return MISSING
    value = ours / theirs
    return f"{value:.2f}" if value >= 0.1 else number(value, 2)


def table(head, rows):
    """The first column is text, all others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def comparison(peer, rows):
    """Rows of (what, ours, theirs, unit), with the ratio."""
    return table(["", "viaduct", peer, "ratio"],
                 [[what, quantity(ours, unit), quantity(theirs, unit), ratio(ours, theirs)]
                  for what, ours, theirs, unit in rows])


def missing(names):
    """A line that says what is not there, or none."""
    return [f"Not measured: {', '.join(names)}.", ""] if names else []
