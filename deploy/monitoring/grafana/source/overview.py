"""Whether viewers are well served: the first dashboard to look at."""

from asks import HERE, ROUTED, quantile, rate
from panels import BAD_IS_HIGH, GOOD_IS_HIGH, assemble, graph, heatmap, query, stat, table


def dashboard() -> dict:
    says = "Whether viewers are well served, and if not, since when. Start here."
    rows = [figures(), objectives(), traffic(), waiting(), refusals()]
    return assemble("caudal-overview", "caudal / overview", says, rows, route=True)


def figures() -> list:
    requests = rate("caudal_requests_total", chosen=ROUTED)
    failed = rate("caudal_requests_total", more='status="5xx"', chosen=ROUTED)
    waited_for_nobody = rate("caudal_requests_total", more='cache=~"hit|stale|stale_on_error"', chosen=ROUTED)
    asked = rate("caudal_requests_total", more='cache!="bypass"', chosen=ROUTED)
    return [
        (4, stat(
            "Processes up", "The share of processes that answer Prometheus.",
            'avg (up{job=~"$job", instance=~"$instance"})',
            unit="percentunit", steps=[(None, "red"), (0.5, "yellow"), (1, "green")], alert="CaudalFleetDown",
        )),
        (4, stat("Requests", "Answers a second.", requests, unit="reqps")),
        (4, stat(
            "Egress", "Body bytes handed to viewers' connections, in bits a second: what the network card carries.",
            f"8 * {rate('caudal_sent_bytes_total', chosen=ROUTED)}", unit="bps",
        )),
        (4, stat(
            "Hit ratio", "Of the answers that asked the cache, those that waited for nobody.",
            f"{waited_for_nobody} / {asked}", unit="percentunit", steps=GOOD_IS_HIGH, alert="CaudalHitRatioLow",
        )),
        (4, stat(
            "Failures", "The share of answers that are 5xx. The objective is 0.1 % in 30 days.",
            f"({failed} or vector(0)) / {requests}",
            unit="percentunit", steps=BAD_IS_HIGH, alert="CaudalAvailabilityBurnsFast",
        )),
        (4, stat(
            "First byte, p99", "From a request's head to the head of its answer: 99 % are faster. The objective is 0.5 s.",
            quantile(0.99, "caudal_first_byte_seconds", chosen=ROUTED),
            unit="s", steps=[(None, "green"), (0.25, "yellow"), (0.5, "red")], alert="CaudalFirstByteBurnsFast",
        )),
    ]  # fmt: skip


def objectives() -> list:
    burns = [
        query(f'job_slo:caudal_burn:rate{window}{{job=~"$job"}}', f"{{{{slo}}}} {window}") for window in ("5m", "1h", "6h")
    ]
    alerts = 'ALERTS{alertstate="firing", job=~"$job|"}'
    return [
        (16, graph(
            "Burn rates", "How fast error budgets burn: at 1 a budget lasts its 30 days, above 14.4 for an hour (or 6 for six) "
            "somebody is called. The whole fleet, whatever instances and routes are chosen.",
            *burns, unit="none", alert="CaudalAvailabilityBurnsSlowly",
        )),
        (8, table(
            "Alerts that fire", "What Prometheus has sent to Alertmanager. CaudalWatchdog is always there.",
            alerts, columns={"alertname": "Alert", "severity": "Severity", "instance": "Instance"}, unit="none",
        )),
    ]  # fmt: skip


def traffic() -> list:
    return [
        (8, graph(
            "Answers by status", "4xx are mostly refusals and what is not there; 5xx are failures of ours or of storage.",
            query(rate("caudal_requests_total", "status", chosen=ROUTED), "{{status}}"),
            unit="reqps", stack=True, alert="CaudalAvailabilityBurnsFast",
        )),
        (8, graph(
            "Answers by cache", "hit and stale waited for nobody; stale_on_error stands in for a storage that fails.",
            query(rate("caudal_requests_total", "cache", chosen=ROUTED), "{{cache}}"),
            unit="reqps", stack=True, alert="CaudalServesStale",
        )),
        (8, graph(
            "Egress by kind", "Body bytes handed to viewers' connections, in bits a second.",
            query(f"8 * {rate('caudal_sent_bytes_total', 'kind', chosen=ROUTED)}", "{{kind}}"),
            unit="bps", stack=True,
        )),
    ]  # fmt: skip


def waiting() -> list:
    shares = [
        query(quantile(share, "caudal_first_byte_seconds", chosen=ROUTED), f"p{round(share * 100)}")
        for share in (0.5, 0.95, 0.99)
    ]
    return [
        (8, graph(
            "First byte", "From a request's head to the head of its answer, hits and misses together.",
            *shares, unit="s", log=True, least=None, alert="CaudalFirstByteBurnsFast",
        )),
        (8, heatmap(
            "First byte, all of it", "Hits lie at the bottom, what waits for storage above; a band that climbs is a storage "
            "that slows down.", rate("caudal_first_byte_seconds_bucket", "le", chosen=ROUTED),
        )),
        (8, graph(
            "In flight", "Requests whose body has not ended, and connections that are open.",
            query(f"sum (caudal_requests_in_flight{{{HERE}}})", "requests"),
            query(f"sum (caudal_connections_open{{{HERE}}})", "connections"),
            unit="short", alert="CaudalConnectionsNearCap",
        )),
    ]  # fmt: skip


def refusals() -> list:
    return [
        (12, graph(
            "Requests by route", "Where viewers go. What matches no route is the route -.",
            query(rate("caudal_requests_total", "route", chosen=ROUTED), "{{route}}"), unit="reqps",
        )),
        (12, graph(
            "Refusals by reason", "What policies say no to, and why. A new key that nobody signs with shows here, and nowhere "
            "among the failures.",
            query(rate("caudal_access_decisions_total", "access, outcome", 'outcome!="granted"'), "{{access}} {{outcome}}"),
            unit="reqps", alert="CaudalRefusesMost",
        )),
    ]  # fmt: skip
