#!/usr/bin/env python3
"""Asks Prometheus whether pods of caudal keep what was promised: how many answers fail, and how long hits take to begin.

    slo.py --prometheus http://prometheus:9090 --pods 'caudal-6d5f.*'
    slo.py --prometheus service:monitoring/prometheus-operated:9090    # through the Kubernetes API, by kubectl

Exit 0: kept. 1: broken, and by what. 2: cannot be judged, as nobody answers or too little was asked.
"""

import argparse
import json
import math
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

KEPT, BROKEN, UNJUDGED = 0, 1, 2


class Unjudged(Exception):
    """Prometheus does not say."""


def arguments(parser):
    parser.add_argument("--prometheus", required=True, help="its URL, or service:NAMESPACE/NAME:PORT to go by kubectl")
    parser.add_argument("--namespace", default="caudal")
    parser.add_argument("--window", default="2m", help="how far back to look; four scrapes at least")
    parser.add_argument("--errors", type=float, default=0.001, help="the part of answers that may be 5xx")
    parser.add_argument("--p99", type=float, default=0.25, help="seconds until a hit's first byte, for 99 of 100")
    parser.add_argument("--least", type=float, default=100, help="requests in the window below which nothing is proven")


def judge(options, pods):
    """The verdict on the pods whose names match, and the figures it rests on."""
    of = f'namespace="{options.namespace}",pod=~"{pods}"'
    window, now = options.window, time.time()
    try:
        asked = value(options, now, f"sum(increase(caudal_requests_total{{{of}}}[{window}]))")
        failed = value(options, now, f'sum(increase(caudal_requests_total{{{of},status="5xx"}}[{window}]))')
        hits = f'sum by (le) (rate(caudal_first_byte_seconds_bucket{{{of},cache="hit"}}[{window}]))'
        p99 = value(options, now, f"histogram_quantile(0.99, {hits})")
    except Unjudged as why:
        return UNJUDGED, str(why)
    if asked < options.least:
        return UNJUDGED, f"{asked:.0f} requests within {window}; {options.least:.0f} are needed to judge"
    errors = failed / asked if asked else 0.0
    # Without a single hit there is no such figure; errors are judged all the same.
    first_byte = "no hit yet" if math.isnan(p99) else f"p99 of a hit's first byte {p99 * 1000:.0f} ms of {options.p99 * 1000:.0f}"
    told = f"{asked:.0f} requests, {errors:.3%} failed of {options.errors:.3%}, {first_byte}"
    broken = errors > options.errors or p99 > options.p99
    return BROKEN if broken else KEPT, told


def value(options, now, query):
    """One number. No series at all is a sum of nothing: 0 for counters, NaN for a quantile."""
    # One moment for all of them, or a ratio is one of two windows.
    answer = ask(options.prometheus, query, now)
    if answer.get("status") != "success":
        raise Unjudged(f"Prometheus refuses {query}: {answer.get('error', answer)}")
    result = answer["data"]["result"]
    if not result:
        return math.nan if query.startswith("histogram_quantile") else 0.0
    return float(result[0]["value"][1])


def ask(prometheus, query, now):
    path = f"/api/v1/query?query={urllib.parse.quote(query)}&time={now:.3f}"
    try:
        if prometheus.startswith("service:"):
            namespace, service = prometheus.removeprefix("service:").split("/", 1)
            raw = f"/api/v1/namespaces/{namespace}/services/{service}/proxy{path}"
            done = subprocess.run(["kubectl", "get", "--raw", raw], capture_output=True, text=True, timeout=30)
            if done.returncode != 0:
                raise Unjudged(f"kubectl get --raw {raw.split('?')[0]}: {done.stderr.strip()}")
            return json.loads(done.stdout)
        with urllib.request.urlopen(prometheus.rstrip("/") + path, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        # It says in its body what is wrong with a query.
        raise Unjudged(f"{prometheus}: {error.code} {error.read(500).decode(errors='replace')}") from None
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise Unjudged(f"{prometheus}: {error}") from None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    parser.add_argument("--pods", default="caudal-.*", help="a pattern of pods' names")
    options = parser.parse_args()
    verdict, told = judge(options, options.pods)
    print(f"{['kept', 'broken', 'not judged'][verdict]}: {told}")
    return verdict


if __name__ == "__main__":
    sys.exit(main())
