"""The mesh's own rules in a real Envoy, before real caudals: each pod owns its titles, and the rest of the fleet does not
notice when one goes. Istio makes Envoy's configuration of these resources; the few lines that do it here follow it."""

import collections
import contextlib
import secrets
import signal
import time

import programs

TITLES, SEGMENTS, PODS = 200, 2, 3


def checks(told, overlay, binary, folder):
    titles = media(folder)
    with contextlib.ExitStack() as stack:
        storage = f'[storage.media]\nkind = "directory"\npath = "{folder / "media"}"\n'
        pods = [stack.enter_context(programs.caudal(binary, folder, f"pod-{n}", storage)) for n in range(PODS)]
        address = f"127.0.0.1:{programs.free_port()}"
        config = bootstrap(overlay, address, [pod.viewers for pod in pods])
        process, log = stack.enter_context(programs.envoy(folder, config))
        fleet = Fleet(address, pods)
        up = told.check("Envoy takes what the mesh says", fleet.answers, process, log, titles[0])
        if not up:
            return
        told.check("each pod owns a share of the titles, and storage is read once for the fleet", owned, fleet, titles)
        told.check("a token before the path and a header of the viewer's own change no owner", steady, fleet, titles)
        told.check("a pod that dies is left out; the titles of the others stay where they are", survives, fleet, titles)


def media(folder):
    titles = [f"/titles/film-{n}" for n in range(TITLES)]
    for title in titles:
        place = folder / "media" / title[1:]
        place.mkdir(parents=True)
        for n in range(SEGMENTS):
            (place / f"seg-{n}.m4s").write_bytes(secrets.token_bytes(4096))
    return titles


class Fleet:
    """The gateway, and the pods behind it."""

    def __init__(self, address, pods):
        self.address, self.pods = address, pods

    def answers(self, process, log, title):
        def asked():
            assert process.poll() is None, log.read_text()[-800:]
            return programs.get(self.address, f"{title}/seg-0.m4s")[0] == 200

        return programs.until("Envoy answers", asked)

    def ask(self, path, headers=None):
        status, answered, _ = programs.get(self.address, path, headers)
        return status, answered.get("x-pod")

    def owners(self, titles):
        """Which pod answers for each title, asked for every segment, several times."""
        owners = {}
        for title in titles:
            for _ in range(3):
                for n in range(SEGMENTS):
                    status, pod = self.ask(f"{title}/seg-{n}.m4s")
                    assert status == 200, f"{title}: status {status}"
                    owners.setdefault(title, set()).add(pod)
        return owners


def owned(fleet, titles):
    owners = fleet.owners(titles)
    shared = {title: pods for title, pods in owners.items() if len(pods) != 1}
    assert not shared, f"{len(shared)} titles have several owners, such as {next(iter(shared.items()))}"
    shares = collections.Counter(next(iter(pods)) for pods in owners.values())
    assert len(shares) == PODS, f"only {len(shares)} of {PODS} pods have titles"
    reads = sum(pod.total("caudal_storage_requests_total") for pod in fleet.pods)
    assert reads == TITLES * SEGMENTS, f"{reads:.0f} reads of storage for {TITLES * SEGMENTS} objects"
    return f"{'/'.join(str(count) for count in sorted(shares.values()))} of {TITLES} titles, {reads:.0f} reads"


def steady(fleet, titles):
    for title in titles[:10]:
        _, owner = fleet.ask(f"{title}/seg-0.m4s")
        for path, headers in [
            (f"/~{secrets.token_urlsafe(16)}{title}/seg-0.m4s", {}),
            (f"{title}/seg-0.m4s?token={secrets.token_urlsafe(16)}", {}),
            (f"{title}/v720/other.m3u8", {}),
            (f"{title}/seg-0.m4s", {"x-caudal-title": secrets.token_urlsafe(8)}),
        ]:
            _, pod = fleet.ask(path, headers)
            assert pod == owner, f"{path} goes to {pod}, {title} to {owner}"


def survives(fleet, titles):
    before = {title: next(iter(pods)) for title, pods in fleet.owners(titles).items()}
    victim = fleet.pods[0]
    victim.process.send_signal(signal.SIGKILL)
    victim.process.wait()
    lost = [title for title, pod in before.items() if pod == victim.viewers]
    statuses = [fleet.ask(f"{title}/seg-0.m4s")[0] for title in lost]
    refused = statuses.count(503)
    # Five failures eject it, and some more are asked until Envoy's threads know. None is asked again elsewhere: that is
    # what "retries off" means.
    assert refused >= 5, f"only {refused} requests failed: they are tried again"
    time.sleep(1)
    failed = [title for title in lost if fleet.ask(f"{title}/seg-0.m4s")[0] != 200]
    assert not failed, f"{len(failed)} of its titles are not taken over"
    after = {title: next(iter(pods)) for title, pods in fleet.owners(titles).items()}
    moved = [title for title in titles if title not in lost and after[title] != before[title]]
    assert not moved, f"{len(moved)} titles of living pods moved"
    return f"{len(lost)} titles moved after {refused} requests failed"


def bootstrap(overlay, address, pods):
    """What istiod makes of the Gateway, VirtualService, DestinationRule and EnvoyFilter, as a static configuration."""
    rule = overlay.of("DestinationRule", "caudal")["spec"]["trafficPolicy"]
    balancer, outliers = rule["loadBalancer"]["consistentHash"], rule["outlierDetection"]
    # Istio's default, as soon as there is outlier detection: endpoints of the gateway's own zone come first. The hash below
    # is over all pods only without it.
    locality = rule["loadBalancer"].get("localityLbSetting", {})
    assert locality.get("enabled") is False, "each zone's gateway hashes over the pods of its own zone"
    http = overlay.of("VirtualService", "caudal")["spec"]["http"][0]
    assert http["retries"]["attempts"] == 0, "retries are on"
    title = overlay.of("EnvoyFilter", "caudal-title")["spec"]["configPatches"][0]["patch"]["value"]
    route = {
        "match": {"prefix": "/"},
        "route": {
            "cluster": "caudal",
            "timeout": http["timeout"],
            "hash_policy": [{"header": {"header_name": balancer["httpHeaderName"]}}],
        },
        "response_headers_to_add": [{"header": {"key": "x-pod", "value": "%UPSTREAM_REMOTE_ADDRESS%"}}],
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        # INSERT_BEFORE the router, as the EnvoyFilter says.
        "http_filters": [title, router],
    }
    listener = {
        "name": "http",
        "address": socket(address),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    endpoints = [{"endpoint": {"address": socket(pod)}} for pod in pods]
    cluster = {
        "name": "caudal",
        "type": "STATIC",
        "lb_policy": "MAGLEV",
        "maglev_lb_config": {"table_size": balancer["maglev"]["tableSize"]},
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "outlier_detection": detection(outliers),
        "load_assignment": {"cluster_name": "caudal", "endpoints": [{"lb_endpoints": endpoints}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def socket(address):
    host, port = address.split(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def detection(said):
    """A count of 0 switches a kind of error off."""
    kinds = {
        "consecutive5xxErrors": "consecutive_5xx",
        "consecutiveGatewayErrors": "consecutive_gateway_failure",
        "consecutiveLocalOriginFailures": "consecutive_local_origin_failure",
    }
    told = {
        "split_external_local_origin_errors": said["splitExternalLocalOriginErrors"],
        "interval": said["interval"],
        "base_ejection_time": said["baseEjectionTime"],
        "max_ejection_percent": said["maxEjectionPercent"],
        "enforcing_success_rate": 0,
    }
    for name, theirs in kinds.items():
        told |= {theirs: said[name] or 1, f"enforcing_{theirs}": 100 if said[name] else 0}
    return told
