#!/usr/bin/python3
"""The .deb: made from this build, installed into an empty folder, upgraded, removed and purged by dpkg.

dpkg's own records are in the folder too (--root), so that nothing of this machine changes. Dependencies
are compared with what is installed here rather than satisfied in the folder, and maintainer scripts run
with DPKG_ROOT, without systemd: what they do on a running system is not shown here."""
import argparse
import glob
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

import lab

FILES = {
    "usr/sbin/viaduct": 0o755,
    "usr/lib/systemd/system/viaduct.service": 0o644,
    "usr/share/man/man8/viaduct.8.gz": 0o644,
    "usr/share/bash-completion/completions/viaduct": 0o644,
    "usr/share/zsh/vendor-completions/_viaduct": 0o644,
    "usr/share/doc/viaduct/kubernetes.yaml": 0o644,
    "etc/viaduct/viaduct.env": 0o644,
}


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if done.returncode != 0:
        raise SystemExit("%s: status %d\n%s" % (" ".join(command), done.returncode, done.stdout))
    return done.stdout


def make_package(build, into):
    run("cpack", "-G", "DEB", "-B", into, cwd=build)
    (package,) = glob.glob(os.path.join(into, "*.deb"))
    return package


def next_version(package, into):
    """The same package as a later version would be."""
    unpacked = os.path.join(into, "next")
    run("dpkg-deb", "-R", package, unpacked)
    control = os.path.join(unpacked, "DEBIAN", "control")
    with open(control) as f:
        text = f.read()
    with open(control, "w") as f:
        f.write(re.sub(r"^Version: .*$", "Version: 99.0", text, flags=re.MULTILINE))
    out = os.path.join(into, "next.deb")
    run("dpkg-deb", "--root-owner-group", "-b", unpacked, out)
    return out


class Folder:
    """A file system of nothing but dpkg's records."""

    def __init__(self, path):
        self.path = path
        for folder in ("info", "updates", "triggers"):
            os.makedirs(os.path.join(path, "var/lib/dpkg", folder))
        for file in ("status", "available"):
            with open(os.path.join(path, "var/lib/dpkg", file), "w"):
                pass

    def dpkg(self, *arguments):
        return run("dpkg", "--root=" + self.path, "--force-depends", "--force-script-chrootless",
                   "--force-confdef", "--force-confold", "--log=/dev/null", *arguments)

    def file(self, name):
        return os.path.join(self.path, name)

    def state(self):
        done = subprocess.run(["dpkg-query", "--root=" + self.path, "-W", "-f", "${Status} ${Version}", "viaduct"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        return done.stdout


def check_files(checks, folder):
    for name, mode in FILES.items():
        if not os.path.exists(folder.file(name)):
            checks.expect(False, name + " is missing")
            continue
        info = os.stat(folder.file(name))
        checks.expect(stat.S_IMODE(info.st_mode) == mode, "%s has mode %o" % (name, info.st_mode))
        checks.expect((info.st_uid, info.st_gid) == (0, 0), name + " is not root's")


def check_program(checks, folder, package):
    program = folder.file("usr/sbin/viaduct")
    checks.expect(run(program, "version").startswith("viaduct "), "the installed program does not run")
    depends = run("dpkg-deb", "-f", package, "Depends")
    for library in ("libc6", "libstdc++6", "libnl-3-200", "libyaml-cpp"):
        checks.expect(library in depends, "does not depend on %s: %s" % (library, depends))
    for needed in re.findall(r"([a-z0-9.+-]+)(?: \([^)]*\))?", depends):
        checks.expect(run("dpkg-query", "-W", "-f", "${Status}", needed).endswith("installed"), needed)
    unit = folder.file("usr/lib/systemd/system/viaduct.service")
    for binary in re.findall(r"^Exec\w+=\+?(/\S+)", open(unit).read(), re.MULTILINE):
        checks.expect(os.access(folder.file(binary[1:]), os.X_OK), "the unit starts %s" % binary)


def check_references(checks, folder):
    page = run("man", "--warnings", "-l", folder.file("usr/share/man/man8/viaduct.8.gz"),
               env=dict(os.environ, MANWIDTH="100", LC_ALL="C.UTF-8")) if shutil.which("man") else ""
    flags = set(re.findall(r"^  --([a-z0-9-]+)", run(folder.file("usr/sbin/viaduct"), "help"), re.MULTILINE))
    checks.expect(len(flags) > 50, "help names %d flags" % len(flags))
    if page:
        checks.expect("warning" not in page, page[:300])
        missing = [flag for flag in flags if "--" + flag not in page]
        checks.expect(not missing, "the man page lacks %s" % missing)
    completion = folder.file("usr/share/bash-completion/completions/viaduct")

    def complete(*words):
        script = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _viaduct; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        return run("bash", "-c", script, completion, *words).split()

    checks.expect({"run", "status", "env"} <= set(complete("viaduct", "")), "bash completes no command")
    offered = {word.strip("-=") for word in complete("viaduct", "run", "--")}
    checks.expect(offered <= flags, "bash offers what is no flag: %s" % (offered - flags))
    checks.expect({"proxy-mode", "config"} <= offered, "bash offers %s" % offered)
    checks.expect(complete("viaduct", "status", "--lim") == ["--limit="], "bash: status --lim")
    checks.expect("userspace" in complete("viaduct", "--proxy-mode", "=", "u"), "bash: --proxy-mode=u")
    if shutil.which("zsh"):
        run("zsh", "-n", folder.file("usr/share/zsh/vendor-completions/_viaduct"))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    ap.add_argument("--build", required=True)
    args = ap.parse_args()
    if os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(lab.SKIPPED)
    checks = lab.Checks()
    with tempfile.TemporaryDirectory(prefix="viaduct-package-") as home:
        package = make_package(args.build, home)
        folder = Folder(os.path.join(home, "root"))
        folder.dpkg("-i", package)
        checks.expect(folder.state().startswith("install ok installed"), folder.state())
        check_files(checks, folder)
        check_program(checks, folder, package)
        check_references(checks, folder)

        with open(folder.file("etc/viaduct/viaduct.env"), "a") as f:
            f.write("# an operator's own line\n")
        folder.dpkg("-i", next_version(package, home))
        checks.expect(folder.state() == "install ok installed 99.0", "after the upgrade: " + folder.state())
        with open(folder.file("etc/viaduct/viaduct.env")) as f:
            checks.expect("operator's own" in f.read(), "the upgrade lost the operator's configuration")

        os.makedirs(folder.file("var/lib/viaduct"))
        folder.dpkg("-r", "viaduct")
        checks.expect(not os.path.exists(folder.file("usr/sbin/viaduct")), "removed, the program is there")
        checks.expect(os.path.exists(folder.file("etc/viaduct/viaduct.env")), "removed, the configuration is gone")
        folder.dpkg("-P", "viaduct")
        left = [name for name in list(FILES) + ["etc/viaduct", "var/lib/viaduct"] if os.path.exists(folder.file(name))]
        checks.expect(not left, "purged, there are %s" % left)
    checks.exit()


if __name__ == "__main__":
    main()
