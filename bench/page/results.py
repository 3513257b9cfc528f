"""What was measured, as it is kept: a JSON file for each bench, in docs/benchmarks/."""
import json
import os
import statistics


class RunResult:
    def __init__(self, document):
        self.command = document["command"]
        self.input = document["input"]
        self.repeats = document["repeats"]
        self.figures = document["figures"]

    def get(self, key):
        """None if the bench did not tell it: a peer that is missing, or failed."""
        return self.figures.get(key)

    def sum(self, *keys):
        values = [self.get(key) for key in keys]
        return None if None in values else sum(values)


class Result:
    def __init__(self, document):
        self.document = document
        self.runs = [RunResult(run) for run in document["runs"]]

    def __getattr__(self, name):
        """name, date, quick, seconds, viaduct, machine, peers; vm: None or {kernel, accelerator}."""
        try:
            return self.__dict__["document"][name]
        except KeyError:
            raise AttributeError(name) from None

    def largest(self, at_most):
        """The run with most services, of those with no more than that; the smallest if all have more."""
        fitting = [run for run in self.runs if run.input["services"] <= at_most]
        return max(fitting, key=lambda run: run.input["services"]) if fitting else self.runs[0]


def median_figures(told):
    """Of several runs of one command; a figure that one of them did not tell is left out."""
    keys = set.intersection(*(set(figures) for figures in told))
    return {key: statistics.median(figures[key] for figures in told) for key in sorted(keys)}


def of_google(document):
    """Figures of what Google Benchmark wrote: NAME.ARG.cpu_UNIT, and counters as NAME.ARG.COUNTER."""
    known = {"name", "run_name", "run_type", "repetitions", "repetition_index", "threads", "iterations",
             "real_time", "cpu_time", "time_unit", "family_index", "per_family_instance_index"}
    figures = {}
    for case in document["benchmarks"]:
        key = case["name"].replace("/", ".")
        figures[f"{key}.cpu_{case['time_unit']}"] = case["cpu_time"]
        for counter in set(case) - known:
            if isinstance(case[counter], (int, float)):
                figures[f"{key}.{counter.replace('/', '_per_')}"] = case[counter]
    return figures


def path(docs, name):
    return os.path.join(docs, "benchmarks", name + ".json")


def load(docs, name):
    """None if it was never measured."""
    try:
        with open(path(docs, name)) as f:
            return Result(json.load(f))
    except FileNotFoundError:
        return None


def save(docs, document):
    os.makedirs(os.path.join(docs, "benchmarks"), exist_ok=True)
    draft = path(docs, document["name"]) + ".new"
    with open(draft, "w") as f:
        json.dump(document, f, indent=1, sort_keys=True)
        f.write("\n")
    os.replace(draft, path(docs, document["name"]))
