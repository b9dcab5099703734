"""What players say of themselves in CMCD (CTA-5004): whether viewers see what they came for."""

from asks import ROUTED, quantile, rate
from panels import assemble, graph, heatmap, query, stat

ASKED = rate("caudal_cmcd_requests_total", chosen=ROUTED)
STARVED = f"({rate('caudal_cmcd_starved_total', chosen=ROUTED)} or vector(0)) / {ASKED}"
STARTED = rate("caudal_cmcd_startup_seconds_count", chosen=ROUTED)
SOON = 'le="2"'  # the objective of a start, in seconds
IN_TIME = f"{rate('caudal_cmcd_startup_seconds_bucket', more=SOON, chosen=ROUTED)} / {STARTED}"


def dashboard() -> dict:
    says = (
        "What players say of themselves in CMCD. Only of requests that reach caudal: behind a CDN, those it could not answer "
        "itself. CloudFront's real-time logs have the rest."
    )
    rows = [figures(), starting(), playing(), sending()]
    return assemble("caudal-qoe", "caudal / quality of experience", says, rows, route=True)


def figures() -> list:
    return [
        (4, stat("Requests with CMCD", "Requests a second whose players tell how they fare.", ASKED, unit="reqps")),
        (4, stat("Sessions", "Sessions a second that had their first media segment.", STARTED, unit="ops")),
        (4, stat(
            "Started within 2 s", "Of the sessions that began, those that had their first media segment within 2 s. The "
            "objective is 95 %.", IN_TIME,
            unit="percentunit", steps=[(None, "red"), (0.9, "yellow"), (0.95, "green")], alert="CaudalStartupBurnsFast",
        )),
        (4, stat(
            "Startup, p95", "From a session's first request to the end of its first media segment: 95 % are faster.",
            quantile(0.95, "caudal_cmcd_startup_seconds", chosen=ROUTED),
            unit="s", steps=[(None, "green"), (1, "yellow"), (2, "red")], alert="CaudalStartupBurnsFast",
        )),
        (4, stat(
            "Starved", "The share of requests whose player says that its buffer ran dry (bs).", STARVED,
            unit="percentunit", steps=[(None, "green"), (0.005, "yellow"), (0.02, "red")], alert="CaudalViewersStarve",
        )),
        (4, stat("Bitrate, median", "What the encoded media weighs that players ask for (br).",
                 quantile(0.5, "caudal_cmcd_bitrate_bits_per_second", chosen=ROUTED), unit="bps")),
    ]  # fmt: skip


def starting() -> list:
    shares = [
        query(quantile(share, "caudal_cmcd_startup_seconds", chosen=ROUTED), f"p{round(share * 100)}") for share in (0.5, 0.95)
    ]
    return [
        (8, graph("Startup", "From a session's first request to the end of its first media segment.",
                  *shares, query("vector(2)", "objective"), unit="s", alert="CaudalStartupBurnsFast")),
        (8, heatmap("Startup, all of it", "Above the 2 s line viewers begin to leave.",
                    rate("caudal_cmcd_startup_seconds_bucket", "le", chosen=ROUTED), alert="CaudalStartupBurnsSlowly")),
        (8, graph(
            "Started within 2 s, by route", "The objective is 95 %.",
            query(
                f"{rate('caudal_cmcd_startup_seconds_bucket', 'route', SOON, ROUTED)} / "
                f"{rate('caudal_cmcd_startup_seconds_count', 'route', chosen=ROUTED)}", "{{route}}",
            ),
            query("vector(0.95)", "objective"), unit="percentunit", most=1, alert="CaudalStartupBurnsFast",
        )),
    ]  # fmt: skip


def playing() -> list:
    def shares(metric: str, *which: float) -> list:
        return [query(quantile(share, metric, chosen=ROUTED), f"p{round(share * 100)}") for share in which]

    starved = rate("caudal_cmcd_starved_total", "route", chosen=ROUTED)
    asked = rate("caudal_cmcd_requests_total", "route", chosen=ROUTED)
    return [
        (8, graph(
            "Starved, by route", "The share of requests whose player says that its buffer ran dry.",
            query(f"({starved} or 0 * {asked}) / {asked}", "{{route}}"), unit="percentunit", alert="CaudalViewersStarve",
        )),
        (8, graph("Buffers", "How much media players have ahead of what they show (bl). The lowest tenth starves first.",
                  *shares("caudal_cmcd_buffer_seconds", 0.1, 0.5), unit="s", alert="CaudalViewersStarve")),
        (8, graph(
            "Throughput and bitrate", "What players measure (mtp) beside what they ask for (br), medians. Where they meet, "
            "players step down.",
            query(quantile(0.5, "caudal_cmcd_throughput_bits_per_second", chosen=ROUTED), "throughput"),
            query(quantile(0.1, "caudal_cmcd_throughput_bits_per_second", chosen=ROUTED), "throughput, slowest tenth"),
            query(quantile(0.5, "caudal_cmcd_bitrate_bits_per_second", chosen=ROUTED), "bitrate"), unit="bps",
        )),
    ]  # fmt: skip


def sending() -> list:
    return [
        (12, graph(
            "Whole answers by kind, p95", "From a request's head to the end of its body: what we and the viewer's line take "
            "together.",
            query(quantile(0.95, "caudal_request_duration_seconds", "kind", chosen=ROUTED), "{{kind}}"),
            unit="s", log=True, least=None, alert="CaudalFirstByteBurnsSlowly",
        )),
        (12, graph("Sessions by route", "Sessions a second that had their first media segment.",
                   query(rate("caudal_cmcd_startup_seconds_count", "route", chosen=ROUTED), "{{route}}"), unit="ops")),
    ]  # fmt: skip
