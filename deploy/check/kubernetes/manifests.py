"""What kustomize makes of every overlay, read back."""

import json
import os
import pathlib
import re
import subprocess

import yaml

from report import tools

HERE = pathlib.Path(__file__).resolve().parent
KUBERNETES = pathlib.Path("deploy/kubernetes")
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
# The version that deploy/terraform makes clusters of, and the newest with a schema here.
VERSIONS = ["1.34", "1.37"]


class Overlay:
    """Everything that `kubectl apply -k` would apply."""

    def __init__(self, folder):
        done = subprocess.run([tools("venv/bin/kubectl"), "kustomize", folder], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr.strip(), done.stderr.strip()
        self.all = [each for each in yaml.safe_load_all(done.stdout) if each]

    def of(self, kind, name):
        found = [each for each in self.all if each["kind"] == kind and each["metadata"]["name"] == name]
        assert found, f"there is no {kind} {name}"
        return found[0]

    def has(self, kind, name):
        return any(each["kind"] == kind and each["metadata"]["name"] == name for each in self.all)

    def pod(self, name="caudal"):
        return self.of("Deployment", name)["spec"]["template"]

    def container(self, name="caudal"):
        return self.pod(name)["spec"]["containers"][0]

    def config(self):
        """The ConfigMap that the pods mount, by the name that kustomize gave it."""
        volumes = {volume["name"]: volume for volume in self.pod()["spec"]["volumes"]}
        return self.of("ConfigMap", volumes["config"]["configMap"]["name"])["data"]["caudal.toml"]

    def environment(self):
        """The variables of the container."""
        container = self.container()
        told = {variable["name"]: variable["value"] for variable in container.get("env", [])}
        for source in container.get("envFrom", []):
            told |= self.of("ConfigMap", source["configMapRef"]["name"])["data"]
        return told


def strict(overlay):
    """Kubernetes' own resources, by the schemas of its versions; a field that is not known is an error."""
    import kubernetes_validate

    for version in VERSIONS:
        for each in overlay.all:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.SchemaNotFoundError:
                assert each["apiVersion"] in CUSTOM, f"{version} has no {each['apiVersion']} {each['kind']}"
            except kubernetes_validate.ValidationError as error:
                at = ".".join(map(str, error.path))
                raise AssertionError(f"{each['kind']} {each['metadata']['name']}: {at}: {error.message}") from None


# Whose schemas are not Kubernetes' own: by the npm packages of crds.mjs, or below.
BINDING = "elbv2.k8s.aws/v1beta1"
CUSTOM = {
    BINDING,
    "external-secrets.io/v1",
    "monitoring.coreos.com/v1",
    "networking.istio.io/v1",
    "networking.istio.io/v1alpha3",
    "security.istio.io/v1",
}


def custom(overlay):
    """Resources of others, by the types that are made of their definitions."""
    these = [each for each in overlay.all if each["apiVersion"] in CUSTOM - {BINDING}]
    script = HERE / "crds.mjs"
    environment = {**os.environ, "CRDS": str(tools("npm/node_modules"))}
    done = subprocess.run(["node", script], input=json.dumps(these), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, (done.stdout + done.stderr).strip()
    for each in overlay.all:
        if each["apiVersion"] == BINDING:
            binding(each)
    return f"{len(these)} resources"


def binding(resource):
    """No package has the TargetGroupBinding's schema, so its fields stand here."""
    spec = resource["spec"]
    known = {"targetGroupARN", "targetGroupName", "serviceRef", "targetType", "networking", "nodeSelector", "ipAddressType"}
    assert set(spec) <= known, f"TargetGroupBinding: unknown {set(spec) - known}"
    assert spec["targetType"] in ("ip", "instance"), f"TargetGroupBinding: targetType {spec['targetType']}"
    assert set(spec["serviceRef"]) == {"name", "port"}, f"TargetGroupBinding: serviceRef {spec['serviceRef']}"
    arn = r"arn:aws:elasticloadbalancing:[a-z0-9-]+:\d{12}:targetgroup/[\w-]+/[0-9a-f]{16}"
    assert re.fullmatch(arn, spec["targetGroupARN"]), f"TargetGroupBinding: targetGroupARN {spec['targetGroupARN']}"
