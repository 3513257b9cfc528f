"""The page and its plots, from what is kept of the runs. Equal data give equal files."""
import os

from . import results
from .catalogue import BENCHES
from .markdown import number

HEAD = """\
# Benchmarks

Each section answers one question, beside a named peer where there is one, measured in the same run. **Ratios count**:
viaduct's figure to the peer's, so that below 1 viaduct takes less; machines differ, and what else they do changes the
numbers. `script/bench` runs everything and writes this page, `script/bench NAME` one section of it; the figures are kept
in [benchmarks/](benchmarks/). Do not edit it: a test compares it with them.
"""


def machine_text(machine):
    virtual = ", a virtual machine" if machine["virtual"] else ""
    return f"{machine['cpu']}, {machine['cores']} cores{virtual}, {machine['memory_gb']:g} GB of memory, {machine['kernel']}"


def version_text(viaduct):
    return f"{viaduct['version']} ({viaduct['commit']}{', with changes' if viaduct['changed'] else ''})"


def peers_text(peers):
    words = [f"{name} {version}" if version else f"**{name} is not installed**" for name, version in sorted(peers.items())]
    return f"; peers: {', '.join(words)}" if words else ""


def loads(machine):
    return " to ".join(f"{machine[when][0]:.2f}" for when in ("load_at_start", "load_at_end"))


def disturbance(machine):
    """Says so if the machine had other work: no more than the odd daemon is none."""
    busy = machine.get("busy_before_percent")
    if busy is None or busy <= 10:
        return ""
    return f"**The machine was not quiet: its CPUs were {busy:.0f} % busy before the bench began.** "


def circumstances(result, usual_machine):
    quick = "**A quick run, with fewer rounds and sizes.** " if result.quick else ""
    other = machine_text(result.machine)
    elsewhere = "" if other == usual_machine else f" on another machine ({other})"
    return (f"{quick}{disturbance(result.machine)}{result.date}{elsewhere}, {number(result.seconds)} s, load average {loads(result.machine)}, "
            f"{result.machine['steal_percent']:.1f} % stolen; viaduct {version_text(result.viaduct)}{peers_text(result.peers)}.")


def section(bench, result, usual_machine):
    lines = [f"## {bench.title}", "", bench.question, ""]
    if result is None:
        return lines + [f"Not measured yet: `script/bench {bench.name}`.", ""]
    lines += bench.section(result)
    for name, (title, _) in bench.plots(result).items():
        lines += [f"![{title}](benchmarks/{name})", ""]
    repeated = [run.repeats for run in result.runs if run.repeats > 1]
    lines += ["```", *(run.command for run in result.runs), "```", ""]
    if repeated:
        lines += [f"Figures of commands that ran more than once ({max(repeated)} times) are medians.", ""]
    return lines + [circumstances(result, usual_machine), ""]


def overview(found, absent):
    """The machine of most sections, between which loads it was, and what was not measured."""
    if not found:
        return [], None
    texts = [machine_text(result.machine) for result in found]
    usual = max(sorted(set(texts)), key=texts.count)
    ours = [result for result, text in zip(found, texts) if text == usual]
    every = [result.machine[when][0] for result in ours for when in ("load_at_start", "load_at_end")]
    dates = sorted({result.date for result in ours})
    versions = sorted({version_text(result.viaduct) for result in found})
    rows = [
        ("machine", usual),
        ("date", dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"),
        ("viaduct", ", ".join(versions)),
        ("load average", f"{min(every):.2f} to {max(every):.2f} at starts and ends; the benches themselves are in it"),
        ("time stolen by other virtual machines", f"{max(result.machine['steal_percent'] for result in ours):.1f} % at most"),
    ]
    if absent:
        rows.append(("not measured", ", ".join(absent)))
    return ["| | |", "| --- | --- |", *(f"| {what} | {text} |" for what, text in rows), ""], usual


def files(docs):
    """The text of each file by its path below `docs`: the page, and each plot."""
    found = {bench.name: results.load(docs, bench.name) for bench in BENCHES}
    absent = [name for name, result in found.items() if result is None]
    top, usual = overview([result for result in found.values() if result], absent)
    lines = HEAD.splitlines() + ["", *top]
    made = {}
    for bench in BENCHES:
        result = found[bench.name]
        lines += section(bench, result, usual)
        if result:
            made.update({os.path.join("benchmarks", name): text for name, (_, text) in bench.plots(result).items()})
    return {"benchmarks.md": "\n".join(lines).rstrip("\n") + "\n", **made}


def write(docs):
    os.makedirs(os.path.join(docs, "benchmarks"), exist_ok=True)
    for name, text in files(docs).items():
        with open(os.path.join(docs, name), "w") as f:
            f.write(text)
