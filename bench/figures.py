"""How benches tell programs their figures: lines "figure KEY VALUE" on standard output, between the text
for people, if the environment has VIADUCT_BENCH_FIGURES. A key is words joined by dots, its unit last."""
import os

VARIABLE = "VIADUCT_BENCH_FIGURES"


def tell(key, value):
    if VARIABLE in os.environ:
        print(f"figure {key} {value:.6g}", flush=True)


def parse(text):
    """Figures by key; of one that was told twice the last."""
    found = {}
    for line in text.splitlines():
        words = line.split(" ")
        if words[0] == "figure" and len(words) == 3:
            found[words[1]] = float(words[2])
    return found
