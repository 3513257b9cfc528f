"""Runs benches and writes docs/benchmarks.md: what script/bench does, from the project's folder."""
import argparse
import subprocess
import sys

from . import document, results
from .catalogue import BENCHES, BY_NAME
from .runner import Failed, Runner


def arguments():
    ap = argparse.ArgumentParser(
        prog="script/bench", description="Runs the benches of bench/ beside their peers and writes docs/benchmarks.md.")
    ap.add_argument("names", nargs="*", metavar="NAME", help="only these; the sections of all others stay as they are")
    ap.add_argument("--list", action="store_true", help="what there is, and when it was measured")
    ap.add_argument("--quick", action="store_true", help="shorter runs of fewer sizes; the page says so")
    ap.add_argument("--page", action="store_true", help="measure nothing, write the page from the figures that are there")
    ap.add_argument("--docs", default="docs", metavar="DIR", help="where the page and the figures stand (docs)")
    ap.add_argument("--no-build", action="store_true", help="install and build nothing")
    args = ap.parse_args()
    unknown = [name for name in args.names if name not in BY_NAME]
    if unknown:
        ap.error(f"no bench is called {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    return args


def show_list(docs):
    for bench in BENCHES:
        result = results.load(docs, bench.name)
        print(f"{bench.name:16} {result.date if result else 'never':10}  {bench.question}")


def prepare():
    for command in (["script/setup", "bench"], ["script/build", "release", "viaduct", "benches"]):
        print(" ".join(command), flush=True)
        subprocess.run(command, check=True)


def measure(benches, args):
    """The names of those that did not work; each is said as it happens, and its section stays as it was."""
    failed = []
    for i, bench in enumerate(benches):
        place = f"{bench.name}, {i + 1} of {len(benches)}"
        try:
            results.save(args.docs, Runner(bench, args.quick, place).document())
            document.write(args.docs)
        except Failed as failure:
            print(f"\n[{place}] FAILED: {failure}", file=sys.stderr, flush=True)
            failed.append(bench.name)
    return failed


def main():
    args = arguments()
    if args.list:
        show_list(args.docs)
        return 0
    failed = []
    if not args.page:
        if not args.no_build:
            prepare()
        failed = measure([BY_NAME[name] for name in args.names] or BENCHES, args)
    document.write(args.docs)
    print(f"{args.docs}/benchmarks.md is written")
    if failed:
        print(f"script/bench: these did not work, and have no new figures: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
