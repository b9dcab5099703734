#!/usr/bin/env python3
"""Calculates docs/capacity.md from capacity.toml and from what was measured.

capacity.py            says where the page is not what they come to; ends with 1 then
capacity.py --write    writes it
"""

from __future__ import annotations

import math
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INPUTS = HERE / "capacity.toml"
PAGE = ROOT / "docs/capacity.md"
REPORT = ROOT / "loadtest/compare/results/REPORT.md"
BEGIN, END = "<!-- calculated: begin -->", "<!-- calculated: end -->"
HOURS = 730
GIB = 1 << 30
MIB = 1 << 20
# What S3 answers a second and prefix.
S3_GETS = 5500


@dataclass(frozen=True)
class Measured:
    """CPU seconds a GiB, of caudal's rows in the report."""

    hit: float
    tls: float
    miss: float

    @classmethod
    def read(cls, report: str) -> Measured:
        """Reads the three rows. Ends where one is not there."""
        return cls(*(_row(report, row) for row in ("hit, 1 MiB", "hit over TLS, 1 MiB", "cold miss, 1 MiB")))

    def of(self, hit_ratio: float) -> float:
        """Of the mix, over TLS: a miss costs as much more over TLS as a hit does."""
        return hit_ratio * self.tls + (1 - hit_ratio) * (self.miss + self.tls - self.hit)


def _row(report: str, row: str) -> float:
    # row | server | requests/s | CPU µs/request | CPU s/GiB | …
    found = re.search(rf"^\| {re.escape(row)} \| caudal \| [^|]+ \| [^|]+ \| ([\d.]+) \|", report, re.MULTILINE)
    if not found:
        sys.exit(f"capacity.py: {REPORT} has no row of caudal for {row!r}")
    return float(found[1])


@dataclass(frozen=True)
class Size:
    """All that follows for so many viewers. Rates are those of the peak."""

    viewers: int
    offload: float
    edge_gbit: float
    origin_gbit: float
    cores: float
    by_cpu: int
    by_network: int
    nodes: int
    s3_gets: float
    month_tb: float
    cost_nodes: float
    cost_balancer: float
    cost_s3: float
    cost_cdn: float

    @property
    def cost(self) -> float:
        """A month."""
        return self.cost_nodes + self.cost_balancer + self.cost_s3 + self.cost_cdn

    @property
    def origin_cost(self) -> float:
        """A month, without the CDN."""
        return self.cost - self.cost_cdn


def size(viewers: int, offload: float, inputs: dict[str, Any], measured: Measured) -> Size:
    """The whole calculation, in the order in which the page tells it."""
    demand, origin, node, price = (inputs[name] for name in ("demand", "origin", "node", "price"))
    edge = viewers * demand["mbit"] / 1000
    asked = edge * (1 - offload)
    cores = asked * 1e9 / 8 / GIB * measured.of(origin["hit_ratio"]) * origin["safety"]
    by_cpu = math.ceil(cores / (node["vcpus"] * origin["utilisation"]))
    by_network = math.ceil(asked / (node["gbit"] * origin["utilisation"]))
    nodes = max(by_cpu, by_network, origin["least"])
    gets = asked * 1e9 / 8 * (1 - origin["hit_ratio"]) / MIB
    average = demand["average_of_peak"]
    month_gb = edge / 8 * 3600 * HOURS * average
    origin_gb = month_gb * (1 - offload)
    requests = viewers * 2 / demand["segment_seconds"] * 3600 * HOURS * average
    return Size(
        viewers=viewers,
        offload=offload,
        edge_gbit=edge,
        origin_gbit=asked,
        cores=cores,
        by_cpu=by_cpu,
        by_network=by_network,
        nodes=nodes,
        s3_gets=gets,
        month_tb=month_gb / 1000,
        cost_nodes=nodes * price["node_hour"] * HOURS,
        cost_balancer=price["balancer_hour"] * HOURS + origin_gb * price["balancer_gb"],
        cost_s3=gets * average * 3600 * HOURS / 1000 * price["s3_get_1000"],
        cost_cdn=tiered(month_gb, price["cloudfront_tb"]) + requests / 10_000 * price["cloudfront_request_10000"],
    )


def tiered(gb: float, tiers: list[list[float]]) -> float:
    """What so many GB cost, each tier at its own price."""
    cost = 0.0
    for tb, price in tiers:
        part = min(gb, tb * 1000) if tb else gb
        cost += part * price
        gb -= part
    return cost


def calculated(inputs: dict[str, Any], measured: Measured) -> str:
    """What stands between the marks."""
    sizes = [size(crowd["viewers"], crowd["offload"], inputs, measured) for crowd in inputs["demand"]["crowds"]]
    return "\n\n".join([table(sizes, inputs), worked(sizes[1], inputs, measured), prices(sizes, inputs)])


def table(sizes: list[Size], inputs: dict[str, Any]) -> str:
    """Machines and money."""
    rows = [
        ("viewers at the peak", [f"{s.viewers:,}" for s in sizes]),
        ("of CloudFront to viewers", [f"{s.edge_gbit:,.0f} Gbit/s" for s in sizes]),
        ("of that out of its caches (assumed)", [f"{s.offload:.0%}" for s in sizes]),
        ("of caudal to CloudFront", [f"{s.origin_gbit:,.1f} Gbit/s" for s in sizes]),
        ("cores that this takes, safety included", [f"{s.cores:.2f}" for s in sizes]),
        (f"nodes ({inputs['node']['type']}) by processor", [f"{s.by_cpu}" for s in sizes]),
        ("nodes by network", [f"{s.by_network}" for s in sizes]),
        ("**nodes**", [f"**{s.nodes}**" for s in sizes]),
        ("GETs of S3", [f"{s.s3_gets:,.0f}/s" for s in sizes]),
        ("a month, to viewers", [f"{s.month_tb:,.0f} TB" for s in sizes]),
        ("nodes, a month", [f"${s.cost_nodes:,.0f}" for s in sizes]),
        ("load balancer", [f"${s.cost_balancer:,.0f}" for s in sizes]),
        ("S3 requests", [f"${s.cost_s3:,.0f}" for s in sizes]),
        ("CloudFront", [f"${s.cost_cdn:,.0f}" for s in sizes]),
        ("**all**", [f"**${s.cost:,.0f}**" for s in sizes]),
        ("of that the origin", [f"{s.origin_cost / s.cost:.1%}" for s in sizes]),
        (
            "an hour of one viewer",
            [f"${s.cost / (s.viewers * inputs['demand']['average_of_peak'] * HOURS):.5f}" for s in sizes],
        ),
    ]
    head, *rest = [f"| {name} | {' | '.join(values)} |" for name, values in rows]
    return "\n".join([head, "|---|" + "---|" * len(sizes), *rest])


def worked(s: Size, inputs: dict[str, Any], m: Measured) -> str:
    """One column in full."""
    demand, origin, node = inputs["demand"], inputs["origin"], inputs["node"]
    hit, mix = origin["hit_ratio"], m.of(origin["hit_ratio"])
    bytes_a_second = s.origin_gbit * 1e9 / 8 / GIB
    lines = [
        f"For {s.viewers:,} viewers, step by step:",
        "",
        "```",
        f"to viewers          {s.viewers:,} × {demand['mbit']} Mbit/s = {s.edge_gbit:,.1f} Gbit/s",
        f"to CloudFront       {s.edge_gbit:,.1f} × (1 - {s.offload}) = {s.origin_gbit:.2f} Gbit/s = {bytes_a_second:.3f} GiB/s",
        f"a GiB, mixed        {hit} × {m.tls} + {1 - hit:.1f} × ({m.miss} + {m.tls} - {m.hit}) = {mix:.3f} CPU s",
        f"cores               {bytes_a_second:.3f} × {mix:.3f} × {origin['safety']} for safety = {s.cores:.2f}",
        f"nodes by processor  {s.cores:.2f} / ({node['vcpus']} × {origin['utilisation']}) → {s.by_cpu}",
        f"nodes by network    {s.origin_gbit:.2f} / ({node['gbit']} × {origin['utilisation']}) → {s.by_network}",
        f"nodes               the most of these and {origin['least']} = {s.nodes}",
        f"GETs of S3          {bytes_a_second:.3f} GiB/s × {1 - hit:.1f} / 1 MiB = {s.s3_gets:.0f}/s",
        f"a month             {s.edge_gbit:,.1f} / 8 GB/s × 3600 × {HOURS} × {demand['average_of_peak']} = {s.month_tb:,.0f} TB",
        "```",
    ]
    return "\n".join(lines)


def prices(sizes: list[Size], inputs: dict[str, Any]) -> str:
    """What the money is made of, and where S3 would say no."""
    price = inputs["price"]
    tiers = ", ".join(f"{tb:,} TB at ${each}" if tb else f"the rest at ${each}" for tb, each in price["cloudfront_tb"])
    prefixes = math.ceil(max(s.s3_gets for s in sizes) / S3_GETS)
    sentences = [
        f"Prices are list prices of us-east-1 as of {price['as_of']}, to be replaced by yours.",
        f"A node costs ${price['node_hour']} an hour;",
        f"the load balancer ${price['balancer_hour']} an hour and ${price['balancer_gb']} a GB;",
        f"1,000 GETs of S3 ${price['s3_get_1000']}; 10,000 requests to CloudFront ${price['cloudfront_request_10000']};",
        f"a GB of CloudFront to viewers, in a month: {tiers}.",
        f"S3 answers {S3_GETS:,} GETs a second and prefix:",
        "one prefix is enough for all of these." if prefixes == 1 else f"the largest needs {prefixes} prefixes.",
    ]
    return "\n".join(sentences)


def main() -> int:
    """Writes or compares."""
    inputs = tomllib.loads(INPUTS.read_text())
    page = PAGE.read_text()
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        sys.exit(f"capacity.py: {PAGE} has not the marks {BEGIN} and {END}")
    wanted = f"{head}{BEGIN}\n\n{calculated(inputs, Measured.read(REPORT.read_text()))}\n\n{END}{tail}"
    if "--write" in sys.argv[1:]:
        PAGE.write_text(wanted)
    elif wanted != page:
        print(f"{PAGE} is not what {INPUTS.name} and the report come to: run loadtest/viewers/capacity.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
