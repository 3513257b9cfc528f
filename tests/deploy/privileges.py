#!/usr/bin/python3
"""The daemon forwards as an ordinary user with CAP_NET_ADMIN alone (the userspace mode with CAP_NET_RAW
too) that can never get more: no_new_privs, and nothing else in the bounding set."""
import argparse
import os
import shutil
import tempfile

import lab

NOBODY = 65534
CAPABILITIES = {"net_admin": 12, "net_raw": 13}  # linux/capability.h
NEEDED = {"iptables": ["net_admin"], "userspace": ["net_admin", "net_raw"]}


def launcher(capabilities):
    some = ",".join("+" + name for name in capabilities)
    return ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups", "--no-new-privs",
            "--inh-caps=-all," + some, "--ambient-caps=-all," + some, "--bounding-set=-all," + some]


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f)


def check_mode(checks, viaduct, home, mode):
    capabilities = NEEDED[mode]
    daemon = lab.Daemon(viaduct, "--proxy-mode=" + mode, "--admin-socket=%s/admin.sock" % home, "--state-file=",
                        launcher=launcher(capabilities))
    with daemon:
        status = status_of(daemon.process.pid)
        mask = sum(1 << CAPABILITIES[name] for name in capabilities)
        checks.expect(status["Uid"].split() == [str(NOBODY)] * 4, "%s: uid %s" % (mode, status["Uid"]))
        for field in ("CapEff", "CapPrm", "CapBnd"):
            checks.expect(int(status[field], 16) == mask, "%s: %s is %s" % (mode, field, status[field]))
        checks.expect(status["NoNewPrivs"] == "1", mode + ": no_new_privs")
        if mode == "iptables":
            rules = lab.output(["iptables-save", "-t", "nat"])
            checks.expect("shop/web:http cluster IP" in rules, "its rules are not there:\n" + rules)
        checks.expect(lab.output([viaduct, "status", "--admin-socket=%s/admin.sock" % home]).count("true") >= 2,
                      mode + ": healthy and synced")
    checks.expect(daemon.process.returncode == 0, "%s: ended with %s" % (mode, daemon.process.returncode))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    args = ap.parse_args()
    lab.in_own_namespaces()
    checks = lab.Checks()
    with tempfile.TemporaryDirectory(prefix="viaduct-nobody-") as home:
        # Where an ordinary user may read it, wherever the build is.
        viaduct = shutil.copy(args.viaduct, home)
        os.chmod(home, 0o755)
        for mode in NEEDED:
            own = os.path.join(home, mode)
            os.mkdir(own, 0o700)
            os.chown(own, NOBODY, NOBODY)
            check_mode(checks, viaduct, own, mode)
    checks.exit()


if __name__ == "__main__":
    main()
