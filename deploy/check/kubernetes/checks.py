"""Builds every overlay and proves it: by schemas, by caudal's own check, by a real Envoy and a real Prometheus."""

import pathlib
import shutil
import sys
import tempfile

import manifests
import mesh
import metrics
import semantics
from report import Report, caudal


def main():
    told, binary = Report("kubernetes"), caudal()
    with tempfile.TemporaryDirectory(prefix="caudal-kubernetes-") as folder:
        folder = pathlib.Path(folder)
        places = {name: manifests.KUBERNETES / "overlays" / name for name in manifests.OVERLAYS}
        places["production without mesh"] = without_mesh(folder)
        overlays = {}
        for name, place in places.items():
            overlay = told.check(f"{name}: kustomize builds it", manifests.Overlay, place)
            if overlay is None:
                continue
            overlays[name] = overlay
            told.check(f"{name}: every resource fits its schema, strictly", manifests.strict, overlay)
            told.check(f"{name}: those of others too", manifests.custom, overlay)
            told.check(f"{name}: nothing is left to be filled in", filled, overlay)
            for what, proof in semantics.ALL.items():
                told.check(f"{name}: {what}", proof, overlay, binary)
        if len(overlays) == len(places):
            metrics.checks(told, overlays, binary, folder)
            mesh.checks(told, overlays["production"], binary, folder)
    return told.end()


def without_mesh(folder):
    """What README.md says to change for a cluster without Istio."""
    copy = folder / "kubernetes"
    shutil.copytree(manifests.KUBERNETES, copy)
    place = copy / "overlays/production/kustomization.yaml"
    text = place.read_text()
    assert "components/mesh" in text
    place.write_text(text.replace("components/mesh", "components/load-balancer"))
    return place.parent


def filled(overlay):
    def walk(value, at):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{at}.{key}")
        elif isinstance(value, list):
            for n, inner in enumerate(value):
                walk(inner, f"{at}.{n}")
        else:
            assert "set by" not in str(value), f"{at} is {value!r}"

    for each in overlay.all:
        walk(each, f"{each['kind']} {each['metadata']['name']}")
    names = [each["metadata"]["name"] for each in overlay.all if each["kind"] == "ConfigMap"]
    assert "account" not in names, "the account's values would be applied"


if __name__ == "__main__":
    sys.exit(main())
