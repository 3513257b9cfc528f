"""On what, with which versions, and how undisturbed something was measured."""
import os
import platform
import re
import subprocess
import time


def read(path):
    with open(path) as f:
        return f.read()


def output_of(*command):
    """None if there is no such program, or it fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def description():
    cpuinfo = read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", read("/proc/meminfo"), re.M)
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "virtual": bool(re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.M)),
        "kernel": f"{platform.system()} {platform.release()}",
        "memory_gb": round(int(memory[1]) / 1e6, 1),
    }


def load_average():
    return [round(each, 2) for each in os.getloadavg()]


class CpuTime:
    """What became of the CPUs' time since this was made, in percent of it."""

    def __init__(self):
        self.before = self.ticks()

    @staticmethod
    def ticks():
        """user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); a guest's are in user's."""
        return [int(word) for word in read("/proc/stat").splitlines()[0].split()[1:9]]

    def percent(self, *fields):
        passed = [now - before for now, before in zip(self.ticks(), self.before)]
        return round(100 * sum(passed[field] for field in fields) / max(1, sum(passed)), 1)

    def stolen(self):
        """Given to other virtual machines by the hypervisor."""
        return self.percent(7)

    def busy(self):
        return self.percent(0, 1, 2, 5, 6, 7)


def busy_percent():
    """Of the next second, while nothing of ours runs: what others do here."""
    time_of = CpuTime()
    time.sleep(1)
    return time_of.busy()


def package_versions(names):
    """By Debian's package name; None for what is not installed."""
    found = {name: output_of("dpkg-query", "-W", "-f", "${db:Status-Abbrev}|${Version}", name) for name in names}
    return {name: text.partition("|")[2] if text and text.startswith("ii") else None for name, text in found.items()}


def viaduct():
    """Version, commit, and whether files differ from it; results of benches themselves do not count."""
    version = output_of("build/release/viaduct", "version", "--version=raw") or "unknown"
    changed = output_of("git", "status", "--porcelain", "--", ".", ":!docs", ":!README.md")
    return {
        "version": version,
        "commit": output_of("git", "describe", "--always", "--tags") or "unknown",
        "changed": bool(changed),
    }
