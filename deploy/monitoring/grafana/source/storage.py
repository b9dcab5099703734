"""What storage answers, how fast, and whether we may still ask it."""

from asks import HERE, quantile, rate
from panels import BAD_IS_HIGH, assemble, graph, heatmap, query, stat

# That something is absent, unchanged or replaced is an answer, not a failure.
FAILED = 'outcome=~"throttled|timeout_.+|unavailable|interrupted|misconfigured|invalid|denied"'


def dashboard() -> dict:
    says = "What storage answers, how fast, how often it fails, and whether our credentials are good."
    return assemble("caudal-storage", "caudal / storage", says, [figures(), requests(), waiting(), credentials()])


def figures() -> list:
    asked = rate("caudal_storage_requests_total")
    ends = f"min (caudal_storage_credentials_expire_timestamp_seconds{{{HERE}}}) - time()"
    return [
        (4, stat(
            "Ready", "The share of storages, over all processes, whose probe succeeds.",
            f"avg (caudal_storage_ready{{{HERE}}})",
            unit="percentunit", steps=[(None, "red"), (1, "green")], alert="CaudalStorageNotReady",
        )),
        (4, stat("Requests", "Requests to storage a second, each attempt counted.", asked, unit="reqps")),
        (4, stat(
            "Failures", "The share of requests that storage failed to answer. Retries and stale answers hide most of them "
            "from viewers.", f"({rate('caudal_storage_requests_total', more=FAILED)} or vector(0)) / {asked}",
            unit="percentunit", steps=BAD_IS_HIGH, alert="CaudalStorageFails",
        )),
        (4, stat("Received", "Body bytes from storage, in bits a second.",
                 f"8 * {rate('caudal_storage_received_bytes_total')}", unit="bps")),
        (4, stat(
            "First byte, p95", "From a request to the head of its answer. S3 takes 30 to 200 ms.",
            quantile(0.95, "caudal_storage_first_byte_seconds"),
            unit="s", steps=[(None, "green"), (0.5, "yellow"), (1, "red")], alert="CaudalStorageSlow",
        )),
        (4, stat(
            "Credentials end in", "The credentials nearest to their end. They are renewed five minutes before.",
            ends, unit="s", steps=[(None, "red"), (240, "green")], alert="CaudalCredentialsNotRenewed",
        )),
    ]  # fmt: skip


def requests() -> list:
    failures = rate("caudal_storage_requests_total", "storage", FAILED)
    asked = rate("caudal_storage_requests_total", "storage")
    return [
        (12, graph(
            "Requests by outcome", "ok, or why not: not_found, not_modified, changed and range_not_satisfiable are answers; the "
            "others are failures.",
            query(rate("caudal_storage_requests_total", "storage, outcome"), "{{storage}} {{outcome}}"),
            unit="reqps", stack=True, alert="CaudalStorageFails",
        )),
        (12, graph(
            "Failures by storage", "The share of requests that each storage failed to answer.",
            query(f"({failures} or 0 * {asked}) / {asked}", "{{storage}}"), unit="percentunit", alert="CaudalStorageFails",
        )),
    ]  # fmt: skip


def waiting() -> list:
    shares = [
        query(quantile(share, "caudal_storage_first_byte_seconds", "storage"), f"{{{{storage}}}} p{round(share * 100)}")
        for share in (0.5, 0.95)
    ]
    return [
        (8, graph(
            "First byte by storage", "From a request to the head of its answer.",
            *shares, unit="s", log=True, least=None, alert="CaudalStorageSlow",
        )),
        (8, heatmap("First byte, all of it", "Two bands are two kinds of requests, or one storage that is sometimes slow.",
                    rate("caudal_storage_first_byte_seconds_bucket", "le"), alert="CaudalStorageSlow")),
        (8, graph(
            "Tried again", "Requests made again after a failure, and bodies that broke and were read on from there.",
            query(rate("caudal_storage_retries_total", "storage"), "{{storage}} retries"),
            query(rate("caudal_fill_resumes_total"), "bodies read on"), unit="ops", alert="CaudalStorageFails",
        )),
    ]  # fmt: skip


def credentials() -> list:
    stale = rate("caudal_requests_total", more='cache="stale_on_error"')
    return [
        (8, graph(
            "Received and sent", "Bytes from storage beside bytes to viewers, in bits a second: the gap is what the cache "
            "spares.",
            query(f"8 * {rate('caudal_storage_received_bytes_total')}", "received"),
            query(f"8 * {rate('caudal_sent_bytes_total')}", "sent"), unit="bps", alert="CaudalHitRatioLow",
        )),
        (8, graph(
            "Stale answers for want of storage", "Viewers notice nothing yet: freshness.*.stale_if_error says for how long.",
            query(f"({stale} or vector(0)) / {rate('caudal_requests_total')}", "of all answers"),
            unit="percentunit", alert="CaudalServesStale",
        )),
        (8, graph(
            "Readiness and credentials", "Whether each storage's probe succeeds, and the share of an hour that credentials are "
            "good for.",
            query(f"min by (storage) (caudal_storage_ready{{{HERE}}})", "{{storage}} ready"),
            query(
                "clamp_max((min by (storage) (caudal_storage_credentials_expire_timestamp_seconds"
                f"{{{HERE}}}) - time()) / 3600, 1)", "{{storage}} credentials",
            ),
            unit="percentunit", most=1, alert="CaudalStorageNotReady",
        )),
    ]  # fmt: skip
