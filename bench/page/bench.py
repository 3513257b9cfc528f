"""What a bench is to the page: the commands that run it, and how its figures are shown."""
from dataclasses import dataclass, field
from typing import Callable


@dataclass(frozen=True)
class Run:
    """One command, from the project's folder. It tells its figures as bench/figures.py says."""
    command: tuple
    input: dict = field(default_factory=dict)  # what tells the runs of a bench apart
    repeats: int = 1                           # the median of each figure counts
    google: bool = False                       # a program of Google Benchmark, which has its own output
    needs_ipvs: bool = False                   # by the kernel; where it has none, in script/vm's machine
    limit_seconds: int = 1800


@dataclass(frozen=True)
class Bench:
    name: str
    title: str
    question: str                              # a sentence
    runs: Callable                             # (quick: bool) -> list of Run
    section: Callable                          # (Result) -> lines of Markdown below the question
    plots: Callable = lambda result: {}        # (Result) -> (what it shows, SVG text) by file name
    peers: tuple = ()                          # Debian's packages of what is measured beside
    root: bool = False


def program(name, *arguments):
    return (f"build/release/bench/{name}", *map(str, arguments))
