"""Asks a real Prometheus, which scrapes real caudals, what a cluster would: the autoscaler's figures by the adapter's rules,
and whether a rollout keeps what was promised."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.parse

import yaml

import programs

RULES = pathlib.Path("deploy/kubernetes/prometheus-adapter/values.yaml")
ROLLOUT = pathlib.Path("deploy/rollout")
HERE = pathlib.Path(__file__).resolve().parent
# A pod's name, and what serves it: the old revision, a good new one, and one whose storage is not there.
OLD, GOOD, BAD = "caudal-6f7d-x2x1p", "caudal-7c9b-h4k2d", "caudal-8d5e-q9q9q"

# What a busy machine of two cores keeps as well; the defaults are for a cluster.
LENIENT = ["--window", "6s", "--least", "20", "--p99", "5"]
# What is new, how far it gets, and what becomes of it: the exit code, and the reason in the last line.
ROLLOUTS = [
    ("a rollout that keeps the promise stays", GOOD, "complete", (0, "in use: revision 5")),
    ("a rollout that breaks it goes back by itself", BAD, "complete", (1, "failed of")),
    ("a rollout that breaks it while it is under way does too", BAD, "rolling", (1, "failed of")),
    ("a rollout that Kubernetes gives up goes back", GOOD, "stuck", (1, "deadline exceeded")),
    ("a rollout that nobody asked anything goes back", "caudal-none-x", "complete", (1, "nothing is proven")),
]


def checks(told, overlays, binary, folder):
    media = folder / "films"
    (media / "a").mkdir(parents=True)
    (media / "a/seg-0.m4s").write_bytes(b"\0" * (256 << 10))
    works = f'[storage.media]\nkind = "directory"\npath = "{media}"\n'
    # Nobody listens there.
    fails = (
        '[storage.media]\nkind = "s3"\nbucket = "none"\nregion = "eu-central-1"\npath_style = true\nattempts = 1\n'
        f'endpoint = "http://127.0.0.1:{programs.free_port()}"\n'
    )
    os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    with contextlib.ExitStack() as stack:
        pods = {
            name: stack.enter_context(programs.caudal(binary, folder, name, storage))
            for name, storage in [(OLD, works), (GOOD, works), (BAD, fails)]
        }
        url = stack.enter_context(programs.prometheus(folder, pods))
        stack.enter_context(viewers(pods.values()))
        time.sleep(8)
        for name, overlay in overlays.items():
            told.check(f"{name}: the adapter's rules have what the autoscaler asks for", adapter, overlay, url)
        judge = [sys.executable, "-B", str(ROLLOUT / "slo.py"), *LENIENT]
        told.check("slo.py: pods that serve are within the promise", slo, judge, url, GOOD, 0, "kept")
        told.check("slo.py: pods that fail are not", slo, judge, url, BAD, 1, "broken")
        slow = [*judge, "--p99", "0.0000001"]
        told.check("slo.py: nor are pods that are slow", slo, slow, url, GOOD, 1, "broken")
        told.check("slo.py: pods that nobody asked prove nothing", slo, judge, url, "caudal-none", 2, "not judged")
        nobody = f"http://127.0.0.1:{programs.free_port()}"
        told.check("slo.py: nor does a Prometheus that does not answer", slo, judge, nobody, GOOD, 2, "not judged")
        for what, pod, state, expected in ROLLOUTS:
            told.check(what, rolls, folder, url, pod, state, expected)


@contextlib.contextmanager
def viewers(pods):
    """Some ten requests a second and more to each pod, until the end."""
    over = threading.Event()

    def ask(pod):
        while not over.is_set():
            with contextlib.suppress(OSError):
                programs.get(pod.viewers, "/a/seg-0.m4s")
            over.wait(0.01)

    threads = [threading.Thread(target=ask, args=(pod,), daemon=True) for pod in pods]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def query(url, text):
    _, _, body = programs.get(url.removeprefix("http://"), f"/api/v1/query?query={urllib.parse.quote(text)}")
    answer = json.loads(body)
    assert answer["status"] == "success", f"{text}: {answer.get('error')}"
    return answer["data"]["result"]


def adapter(overlay, url):
    """Does what the adapter does: finds series by seriesQuery, names the metric, fills in its query for the pods."""
    rules = yaml.safe_load(RULES.read_text())["rules"]["custom"]
    served = {}
    for rule in rules:
        series = query(url, rule["seriesQuery"])
        assert series, f"{rule['seriesQuery']}: no such series on a live /metrics"
        name = series[0]["metric"]["__name__"]
        assert re.search(rule["name"]["matches"], name), f"{name} does not match {rule['name']['matches']}"
        labels = {item["resource"]: label for label, item in rule["resources"]["overrides"].items()}
        fill = {
            "Series": name,
            "LabelMatchers": f'{labels["namespace"]}="caudal",{labels["pod"]}=~"{OLD}|{GOOD}"',
            "GroupBy": labels["pod"],
        }
        text = re.sub(r"<<\.(\w+)>>", lambda found: fill[found[1]], rule["metricsQuery"])
        figures = {one["metric"]["pod"]: float(one["value"][1]) for one in query(url, text)}
        assert set(figures) == {OLD, GOOD} and min(figures.values()) > 0, f"{text}: {figures}"
        served[rule["name"]["as"]] = figures[GOOD]
    asked = overlay.of("HorizontalPodAutoscaler", "caudal")["spec"]["metrics"]
    asked = {metric["pods"]["metric"]["name"] for metric in asked if metric["type"] == "Pods"}
    assert asked == set(served), f"the autoscaler asks for {asked}, the adapter has {set(served)}"
    return ", ".join(f"{name} {figure:,.0f}" for name, figure in served.items())


def slo(judge, url, pods, code, word):
    done = subprocess.run([*judge, "--prometheus", url, "--pods", f"{pods}.*"], capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()
    assert done.returncode == code and word in done.stdout, f"exit {done.returncode}: {said}"
    return said


def rolls(folder, url, pod, state, expected):
    """rollout.py before a cluster that is written down: no Kubernetes can run here. Prometheus and pods are real."""
    place = pathlib.Path(folder, f"cluster-{pod}-{state}")
    place.mkdir()
    # Somebody has gone back before: kubectl owns what it put back then.
    told = {"revision": 4, "next": pod.rsplit("-", 1)[0], "state": state, "calls": [], "undone": True}
    (place / "cluster.json").write_text(json.dumps(told))
    (place / "kubectl").symlink_to(HERE / "cluster.py")
    environment = {**os.environ, "PATH": f"{place}:{os.environ['PATH']}", "CLUSTER": str(place / "cluster.json")}
    options = ["--prometheus", url, *LENIENT, "--every", "1", "--soak", "3", "--timeout", "40"]
    command = [sys.executable, "-B", ROLLOUT / "rollout.py", "deploy/kubernetes/overlays/production", *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=90)
    said = (done.stdout + done.stderr).strip()
    code, reason = expected
    last = said.splitlines()[-1]
    assert done.returncode == code and reason in last, f"exit {done.returncode}: {said}"
    calls = json.loads((place / "cluster.json").read_text())["calls"]
    assert calls == ["apply"] if code == 0 else calls == ["apply", "undo", "status"], f"it calls {calls}"
    return last
