#!/usr/bin/python3
"""deploy/kubernetes.yaml is what the program takes: its flags, its configuration, its ports and paths."""
import argparse
import os
import subprocess
import tempfile

import yaml

import lab

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy")


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--viaduct", required=True)
    args = ap.parse_args()
    checks = lab.Checks()
    with open(os.path.join(FOLDER, "kubernetes.yaml")) as f:
        objects = {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(f)}
    pod = objects["DaemonSet", "viaduct"]["spec"]["template"]["spec"]
    configuration = objects["ConfigMap", "viaduct"]["data"]["config.conf"]

    checks.expect(("ServiceAccount", pod["serviceAccountName"]) in objects, "the pod's account is not there")
    for kind, name in objects:
        if kind == "ClusterRoleBinding":
            binding = objects[kind, name]
            checks.expect(("ClusterRole", binding["roleRef"]["name"]) in objects, "%s binds no role" % name)
            checks.expect([s["name"] for s in binding["subjects"]] == [pod["serviceAccountName"]],
                          "%s is for somebody else" % name)
    labels = objects["DaemonSet", "viaduct"]["spec"]["template"]["metadata"]["labels"]
    selector = objects["DaemonSet", "viaduct"]["spec"]["selector"]["matchLabels"]
    checks.expect(selector.items() <= labels.items(), "the selector does not choose the pods")

    with tempfile.TemporaryDirectory() as home:
        path = os.path.join(home, "config.conf")
        with open(path, "w") as f:
            f.write(configuration)
        for container in pod["initContainers"] + pod["containers"]:
            flags = [flag.replace("/etc/viaduct/config.conf", path).replace("$(NODE_NAME)", "node-1")
                     for flag in container["args"] if flag != "run"]
            done = subprocess.run([args.viaduct, "config", "--strict-config", *flags], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False)
            checks.expect(done.returncode == 0 and done.stderr == "",
                          "%s: %s" % (container["name"], done.stderr))
            effective = {line.split()[0]: line for line in done.stdout.splitlines()}
            for probe in ("readinessProbe", "livenessProbe"):
                if probe in container:
                    port = ":%d" % container[probe]["httpGet"]["port"]
                    checks.expect(port in effective["healthz-bind-address"], probe + " asks at another port")
            volumes = {volume["name"] for volume in pod["volumes"]}
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            checks.expect(set(mounts) <= volumes, "%s mounts what is not there" % container["name"])
            if "readinessProbe" in container:
                for flag in ("admin-socket", "state-file"):
                    place = os.path.dirname(effective[flag].split()[1])
                    checks.expect(place in mounts.values(), "--%s is in %s, which is read-only" % (flag, place))
    checks.exit()


if __name__ == "__main__":
    main()
