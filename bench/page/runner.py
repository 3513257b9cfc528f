"""Runs the commands of a bench, says how far it is, and gives back what they told."""
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import figures

from . import machine, results

LOGS = os.path.join("build", "bench")


class Failed(Exception):
    """Says in a line what did not work."""


class Progress:
    """A line on standard output: rewritten in place on a terminal, elsewhere one at the start and one at the end."""

    def __init__(self, place):
        self.place = place
        self.began = time.monotonic()
        self.live = sys.stdout.isatty()

    def seconds(self):
        return time.monotonic() - self.began

    def show(self, text, end=False):
        line = f"[{self.place}] {text}, {self.seconds():.0f} s"
        if self.live:
            print(f"\r\033[K{line}", end="\n" if end else "", flush=True)
        else:
            print(line, flush=True)


def finish(process):
    """Ends what a command started: it is a session of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.communicate(timeout=15)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def output_of(command, environment, limit_seconds, tick):
    """What it wrote to standard output; `tick` is called once a second. Raises Failed with its last words."""
    try:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from None
    until = time.monotonic() + limit_seconds
    try:
        while True:
            try:
                said, complaints = process.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                tick()
                if time.monotonic() > until:
                    raise Failed(f"not done within {limit_seconds} s") from None
    except BaseException:
        finish(process)
        raise
    if process.returncode != 0:
        last = (complaints.strip() or said.strip() or "it said nothing").splitlines()[-1]
        raise Failed(f"status {process.returncode}: {last}")
    return said + complaints


def kernel_has_ipvs():
    return subprocess.run(["script/vm", "native"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Runner:
    def __init__(self, bench, quick, place):
        self.bench = bench
        self.quick = quick
        self.progress = Progress(place)
        self.vm = None

    def command(self, run):
        """What is run, and with which additions to the environment."""
        if not run.needs_ipvs or kernel_has_ipvs():
            return run.command, {}
        if self.vm is None:
            self.vm = {"accelerator": machine.output_of("script/vm", "accelerator") or "unknown"}
        return ("script/vm", "run", *run.command), {"VIADUCT_VM_SECONDS": str(run.limit_seconds)}

    def once(self, run, how_far):
        command, environment = self.command(run)
        shown = " ".join([*(f"{key}={value}" for key, value in environment.items()), *command])
        self.progress.show(f"{shown}{how_far}")
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            given = (*command, f"--benchmark_out={out.name}", "--benchmark_out_format=json") if run.google else command
            said = output_of(given, {**environment, figures.VARIABLE: "1"}, run.limit_seconds + 600,
                             lambda: self.progress.live and self.progress.show(f"{shown}{how_far}"))
            with open(os.path.join(LOGS, self.bench.name + ".log"), "a") as log:
                log.write(f"$ {shown}\n{said}\n")
            told = results.of_google(json.load(out)) if run.google else figures.parse(said)
        if not told:
            raise Failed(f"{shown} told no figures")
        return shown, told

    def measure(self, run):
        told = []
        for repeat in range(run.repeats):
            shown, each = self.once(run, f" ({repeat + 1} of {run.repeats})" if run.repeats > 1 else "")
            told.append(each)
        return {"command": shown, "input": run.input, "repeats": run.repeats, "figures": results.median_figures(told)}

    def document(self):
        """What is kept of the bench (results.py). Raises Failed."""
        if self.bench.root and os.geteuid() != 0:
            raise Failed("needs root")
        os.makedirs(LOGS, exist_ok=True)
        open(os.path.join(LOGS, self.bench.name + ".log"), "w").close()
        others = machine.busy_percent()
        begin, time_of = machine.load_average(), machine.CpuTime()
        runs = [self.measure(run) for run in self.bench.runs(self.quick)]
        if self.vm is not None:
            self.vm["kernel"] = machine.read("build/vm/complete").strip()
        self.progress.show(f"{self.bench.name} is done", end=True)
        return {
            "name": self.bench.name, "date": datetime.date.today().isoformat(), "quick": self.quick,
            "seconds": round(self.progress.seconds(), 1), "viaduct": machine.viaduct(), "vm": self.vm, "runs": runs,
            "machine": {**machine.description(), "load_at_start": begin, "load_at_end": machine.load_average(),
                        "steal_percent": time_of.stolen(), "busy_before_percent": others},
            "peers": machine.package_versions(self.bench.peers),
        }
