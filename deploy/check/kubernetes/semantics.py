"""What schemas cannot know: that the parts of an overlay fit each other and the configuration they carry."""

import os
import re
import subprocess
import tempfile
import tomllib

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
BYTES = {"Mi": 1 << 20, "Gi": 1 << 30}


def seconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(ms|s|m|h)", text).groups()
    return float(number) * UNITS[unit]


def effective(overlay, caudal):
    """The configuration as the container would have it: its file and its environment, by `caudal check`."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(overlay.config())
        file.flush()
        environment = {"PATH": os.environ["PATH"], **overlay.environment()}
        command = [caudal, "check", "--config", file.name]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr.strip().replace(file.name, "caudal.toml")
    return tomllib.loads(done.stdout)


def configuration(overlay, caudal):
    told = effective(overlay, caudal)
    for name, storage in told["storage"].items():
        assert storage["bucket"] != "set-in-the-environment", f"storage.{name}: nobody sets the bucket"
        assert storage.get("region"), f"storage.{name}: nobody sets the region"
    return told


def draining(overlay, caudal):
    config, pod = effective(overlay, caudal)["server"], overlay.pod()["spec"]
    before = overlay.container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = before + seconds(config["drain_grace"]) + seconds(config["drain_timeout"])
    grace = pod["terminationGracePeriodSeconds"]
    assert grace > drain, f"killed after {grace} s, while preStop, drain_grace and drain_timeout take {drain:g} s"
    return f"{before} + {config['drain_grace']} + {config['drain_timeout']} within {grace} s"


def probes(overlay, caudal):
    """Every probe, Service, policy and monitor means a port that caudal listens on."""
    config = effective(overlay, caudal)
    ports = {port["name"]: port["containerPort"] for port in overlay.container()["ports"]}
    for name, address in [("http", config["server"]["listen"][0]), ("admin", config["admin"]["listen"])]:
        host, port = address.rsplit(":", 1)
        assert host == "0.0.0.0", f"{name} listens on {host}, where no kubelet asks"
        assert int(port) == ports[name], f"{name} is {ports[name]}, but caudal listens on {port}"
    for kind, path in [("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")]:
        asked = overlay.container()[f"{kind}Probe"]["httpGet"]
        assert asked == {"path": path, "port": "admin"}, f"the {kind} probe asks {asked}"
    service = {port["name"]: port for port in overlay.of("Service", "caudal")["spec"]["ports"]}
    for name in ["http", "admin"]:
        assert service[name]["targetPort"] == name and service[name]["port"] == ports[name], f"Service: {service[name]}"
    monitored = overlay.of("ServiceMonitor", "caudal")["spec"]["endpoints"][0]["port"]
    assert monitored == "admin", f"the ServiceMonitor asks {monitored}"


def selectors(overlay, _):
    """Whoever selects pods selects those that there are."""
    for name in deployments(overlay):
        labels = overlay.pod(name)["metadata"]["labels"]
        selected = overlay.of("Deployment", name)["spec"]["selector"]["matchLabels"]
        assert selected.items() <= labels.items(), f"Deployment {name} does not select its own pods"
        for constraint in overlay.pod(name)["spec"]["topologySpreadConstraints"]:
            assert constraint["labelSelector"]["matchLabels"] == selected, f"{name} spreads by other labels"
        for kind in ["Service", "PodDisruptionBudget"]:
            selector = overlay.of(kind, name)["spec"]["selector"]
            assert selector.get("matchLabels", selector) == selected, f"{kind} {name} selects {selector}"
        target = overlay.of("HorizontalPodAutoscaler", name)["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == ("Deployment", name), f"HorizontalPodAutoscaler: {target}"
        assert "replicas" not in overlay.of("Deployment", name)["spec"], f"{name}: every apply would undo the autoscaler"
    monitor = overlay.of("ServiceMonitor", "caudal")["spec"]["selector"]["matchLabels"]
    labels = overlay.of("Service", "caudal")["metadata"]["labels"]
    assert monitor.items() <= labels.items(), f"the ServiceMonitor selects {monitor}, the Service has {labels}"
    for policy in (each for each in overlay.all if each["kind"] == "NetworkPolicy"):
        labels = policy["spec"]["podSelector"].get("matchLabels", {})
        pods = [overlay.pod(name)["metadata"]["labels"] for name in deployments(overlay)]
        assert any(labels.items() <= pod.items() for pod in pods), f"NetworkPolicy {policy['metadata']['name']} is for nobody"


def deployments(overlay):
    return [each["metadata"]["name"] for each in overlay.all if each["kind"] == "Deployment"]


def restricted(overlay, _):
    """What the namespace's profile `restricted` demands, and a root that is read-only besides."""
    for name in deployments(overlay):
        pod = overlay.pod(name)["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True, f"{name} may be root"
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, f"{name}: seccompProfile"
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, f"{name} may gain privileges"
            assert context["readOnlyRootFilesystem"] is True, f"{name} can write to its root"
            assert context["capabilities"] == {"drop": ["ALL"]}, f"{name} has {context['capabilities']}"
    labels = overlay.of("Namespace", "caudal")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted", "the namespace does not enforce it"


def memory(overlay, caudal):
    """A share of the container's limit takes a limit; requested as a whole, or the node promises it twice."""
    resources = overlay.container()["resources"]
    limit = resources["limits"]["memory"]
    assert resources["requests"]["memory"] == limit, f"requests {resources['requests']['memory']} of {limit}"
    assert "cpu" not in resources["limits"], "a limit of CPU throttles"
    connections = effective(overlay, caudal)["server"]["max_connections"]
    raw = tomllib.loads(overlay.config())["cache"]["memory"]
    assert raw.endswith("%"), f"cache.memory is {raw}, whatever the limit"
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", limit).groups()
    rest = int(number) * BYTES[unit] * (100 - int(raw.rstrip("%"))) / 100
    # Active ones in hyper cost 18.7 KiB (ARCHITECTURE.md); sockets' buffers come on top of that.
    need = min(connections, 4096) * 18.7 * 1024
    assert rest > need, f"{rest / (1 << 20):.0f} MiB beside the cache do not hold 4096 connections"
    return f"{raw} of {limit}"


def secrets(overlay, caudal):
    """Every file that a key of the configuration names is mounted, and every one that is mounted is made."""
    config = effective(overlay, caudal)
    files = [key["secret"].removeprefix("file:") for key in config.get("key", {}).values()]
    mounts = {mount["name"]: mount["mountPath"] for mount in overlay.container()["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in overlay.pod()["spec"]["volumes"]}
    made = set()
    for name, path in mounts.items():
        if "secret" in volumes[name]:
            secret = volumes[name]["secret"]["secretName"]
            keys = overlay.of("ExternalSecret", secret)["spec"]["data"]
            made |= {f"{path}/{key['secretKey']}" for key in keys}
    assert set(files) == made, f"the configuration reads {sorted(files)}, the pod has {sorted(made)}"
    return f"{len(files)} files"


ALL = {
    "caudal check takes the configuration": configuration,
    "a pod has the time to drain": draining,
    "probes, Service and ServiceMonitor mean ports that caudal listens on": probes,
    "selectors select, and the autoscaler alone counts": selectors,
    "every container is restricted": restricted,
    "the cache is a share of a limit that is requested": memory,
    "secrets: what the configuration reads is what the pod has": secrets,
}
