"""Prometheus' text format (version 0.0.4), read strictly enough to judge an exposition."""
import re

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


class Family:
    def __init__(self, kind):
        self.kind = kind
        self.samples = []  # (name, labels, value)

    def label_names(self):
        return {frozenset(labels) - {"le"} for _, labels, _ in self.samples}

    def buckets(self):
        """The finite upper bounds of each series."""
        series = {}
        for name, labels, _ in self.samples:
            if name.endswith("_bucket") and labels["le"] != "+Inf":
                key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
                series.setdefault(key, []).append(float(labels["le"]))
        return list(series.values())


def parse(text):
    """Families by name. Raises ValueError for what a scraper would not take."""
    families = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in families:
                raise ValueError("a second TYPE of " + name)
            families[name] = Family(kind)
        elif line and not line.startswith("#"):
            sample = SAMPLE.match(line)
            if not sample:
                raise ValueError("no sample: " + line)
            name, labels, value = sample.groups()
            pairs = LABEL.findall(labels or "")
            if ",".join('%s="%s"' % pair for pair in pairs) != (labels or "").rstrip(","):
                raise ValueError("labels: " + line)
            float(value)
            families[family_of(name, families)].samples.append((name, dict(pairs), value))
    return families


def family_of(sample, families):
    """The family that a sample's or a query's name belongs to."""
    if sample in families:
        return sample
    for kind, suffixes in SUFFIXES.items():
        for suffix in suffixes:
            base = sample.removesuffix(suffix)
            if base != sample and base in families and families[base].kind == kind:
                return base
    raise ValueError("no TYPE of " + sample)
