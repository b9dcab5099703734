#!/usr/bin/env python3
"""As much of kubectl as deploy/rollout/rollout.py asks, over a Deployment that is written in the file CLUSTER: what it was
told is written there too. A revision that is complete has two pods of two at once, one that rolls has one, one that is stuck
none."""

import json
import os
import sys

REVISION = "deployment.kubernetes.io/revision"


def main(arguments):
    with open(os.environ["CLUSTER"]) as file:
        cluster = json.load(file)
    assert arguments[:2] == ["--namespace", "caudal"], arguments
    verb, rest = arguments[2], arguments[3:]
    if verb == "apply":
        if cluster["undone"] and "--force-conflicts" not in rest:
            sys.exit('Apply failed with 1 conflict: conflict with "kubectl-rollout": .spec.template.spec.containers')
        cluster["calls"].append("apply")
        cluster["revision"] += 1
        print("deployment.apps/caudal serverside-applied")
    elif verb == "rollout":
        cluster["calls"].append(rest[0])
        if rest[0] == "undo":
            assert rest[1:] == ["deployment/caudal", "--to-revision=4"], rest
            cluster["undone"] = True
        print(f"rollout {rest[0]}")
    elif rest[0] == "deployment":
        print(json.dumps(deployment(cluster)))
    elif rest[0] == "replicasets":
        print(json.dumps({"items": [replicas(cluster, "caudal-6f7d", 4), replicas(cluster, cluster["next"], 5)]}))
    else:
        sys.exit(f"nobody told what this is: {arguments}")
    with open(os.environ["CLUSTER"], "w") as file:
        json.dump(cluster, file)


def deployment(cluster):
    stuck = cluster["state"] == "stuck"
    condition = {"type": "Progressing", "status": "False" if stuck else "True", "message": "deadline exceeded"}
    new = {"complete": 2, "rolling": 1, "stuck": 0}[cluster["state"]]
    status = {"updatedReplicas": new, "availableReplicas": 2, "replicas": 2, "observedGeneration": 7}
    return {
        "metadata": {"generation": 7, "annotations": {REVISION: str(cluster["revision"])}},
        "spec": {"replicas": 2},
        "status": {**status, "conditions": [condition]},
    }


def replicas(cluster, name, revision):
    owner = [{"kind": "Deployment", "name": "caudal"}]
    return {"metadata": {"name": name, "annotations": {REVISION: str(revision)}, "ownerReferences": owner}}


if __name__ == "__main__":
    main(sys.argv[1:])
