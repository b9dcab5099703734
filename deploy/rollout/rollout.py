#!/usr/bin/env python3
"""Takes an overlay into use, watches the new pods while they come, and goes back where they do not keep what was promised.

    rollout.py deploy/kubernetes/overlays/production --prometheus service:monitoring/prometheus-operated:9090

The new pods alone are judged, by slo.py, from the first on: one that fails is caught while most of the fleet is old. Two
verdicts in a row count, as one scrape may be missing. Exit 0: in use. 1: went back, or did not begin.
"""

import argparse
import json
import subprocess
import sys
import time

import slo

REVISION = "deployment.kubernetes.io/revision"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overlay", help="the folder of a kustomization")
    parser.add_argument("--deployment", default="caudal")
    parser.add_argument("--every", type=float, default=30, help="seconds between verdicts")
    parser.add_argument("--soak", type=float, default=600, help="seconds to watch the whole fleet once it is new")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for all of it")
    slo.arguments(parser)
    options = parser.parse_args()
    cluster = Cluster(options.namespace, options.deployment)
    before = cluster.revision()
    # An undo, by us or by hand, owns what it put back, and the next apply would be refused for it.
    say(cluster.run("apply", "--server-side", "--force-conflicts", "--kustomize", options.overlay))
    why = watch(cluster, options)
    if why is None:
        say(f"in use: revision {cluster.revision()}")
        return 0
    return go_back(cluster, before, why)


def watch(cluster, options):
    """Why to go back; None once the new revision has proven itself."""
    began, complete, broken, verdict = time.monotonic(), None, 0, None
    while True:
        time.sleep(options.every)
        state, told = cluster.progress()
        say(f"{state}: {told}")
        if state == "stuck":
            return told
        verdict, told = slo.judge(options, cluster.new_pods())
        if verdict == slo.UNJUDGED:
            say(f"not judged yet: {told}")
        elif verdict == slo.KEPT:
            broken = 0
            say(f"kept: {told}")
        else:
            broken += 1
            say(f"broken, {broken} in a row: {told}")
            if broken == 2:
                return told
        now = time.monotonic()
        if state == "complete":
            complete = complete or now
            if now - complete >= options.soak and verdict != slo.BROKEN:
                # A promise that nobody tested is not kept.
                return None if verdict == slo.KEPT else f"nothing is proven: {told}"
        else:
            complete = None
        if now - began > options.timeout:
            return f"not done within {options.timeout:.0f} s"


def go_back(cluster, before, why):
    say(f"going back: {why}")
    if before is None:
        say("there was nothing before: the new pods stay, for whoever looks into it")
        return 1
    if cluster.revision() == before:
        say(f"revision {before} was in use before as well: there is nothing to go back to")
        return 1
    say(cluster.run("rollout", "undo", f"deployment/{cluster.deployment}", f"--to-revision={before}"))
    say(cluster.run("rollout", "status", f"deployment/{cluster.deployment}", "--timeout=30m"))
    say(f"revision {before} is in use again: {why}")
    return 1


class Cluster:
    """One Deployment, by kubectl."""

    def __init__(self, namespace, deployment):
        self.namespace, self.deployment = namespace, deployment

    def run(self, *arguments):
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def get(self, *arguments):
        text = self.run("get", *arguments, "--ignore-not-found", "--output=json")
        return json.loads(text) if text else None

    def revision(self):
        told = self.get("deployment", self.deployment)
        return told and told["metadata"]["annotations"][REVISION]

    def progress(self):
        told = self.get("deployment", self.deployment)
        status, wanted = told.get("status", {}), told["spec"].get("replicas", 1)
        for condition in status.get("conditions", []):
            if condition["type"] == "Progressing" and condition["status"] == "False":
                return "stuck", condition["message"]
        seen = status.get("observedGeneration", 0) >= told["metadata"]["generation"]
        counts = [status.get(name, 0) for name in ["updatedReplicas", "availableReplicas", "replicas"]]
        say_so = f"{counts[0]} of {wanted} pods are new, {counts[1]} available"
        return ("complete" if seen and counts == [wanted] * 3 else "rolling"), say_so

    def new_pods(self):
        """A pattern of the names of the newest revision's pods."""
        revision = self.revision()
        for owned in self.get("replicasets")["items"]:
            owners = [owner["name"] for owner in owned["metadata"].get("ownerReferences", [])]
            if self.deployment in owners and owned["metadata"]["annotations"].get(REVISION) == revision:
                return f"{owned['metadata']['name']}-.*"
        return f"{self.deployment}-none-yet"


def say(text):
    if text:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
