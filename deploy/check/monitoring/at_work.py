"""Dashboards and alerts at work: every query returns something, every metric exists, an alert fires and ends."""

import re
import time
import urllib.error
import urllib.request

import dashboards
import rules
from asking import Prometheus, choices, filled_in
from report import Report, Wrong, none_of
from stack import Stack

# Queries that may return nothing, and why. There are none: what only failures count is failed on purpose here.
MAY_BE_EMPTY: dict[str, str] = {}

WARM = 45  # seconds of load before anything is asked: two sessions of a player, and a rate over 15 s


def check(report: Report, stack: Stack, prometheus: Prometheus) -> None:
    with report.check(f"viewers are served for {WARM} s, certificates and lists change, and a configuration is refused"):
        time.sleep(WARM - 20)
        disturb(stack)
        time.sleep(20)
    for name, dashboard in dashboards.every().items():
        chosen = choices(prometheus, dashboard)
        with report.check(f"each variable of {name} has values: {', '.join(chosen)}"):
            none_of([f"${one} has none" for one, values in chosen.items() if not values])
        asked = [(panel["title"], target) for panel in dashboard["panels"] for target in panel["targets"]]
        with report.check(f"each of {len(asked)} queries of {name} returns data"):
            answers = [(title, empty(prometheus, target, chosen)) for title, target in asked]
            none_of([f"{title}: {why}" for title, why in answers if why])
    with report.check("every metric that a rule names exists"):
        known = set(prometheus.values_of("__name__", ""))
        none_of([f"{name}: no such metric" for name in sorted(named() - known)])
    with report.check("every rule is evaluated without an error"):
        evaluated(prometheus)
    fires_and_ends(report, stack, prometheus)


def disturb(stack: Stack) -> None:
    """What happens in a year: a certificate is renewed, a list is changed, a configuration is good, another is wrong."""
    stack.certify(days=30)
    (stack.place / "revoked.txt").write_text("token somebody-elses\n")
    reload(stack, 0)
    config = stack.place / "caudal-1.toml"
    good = config.read_text()
    config.write_text(good.replace("[cache]", "[cash]"))
    reload(stack, 0, refused=True)
    config.write_text(good)


def reload(stack: Stack, process: int, *, refused: bool = False) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{stack.admins[process]}/reload", method="POST")
    try:
        urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as no:
        if not refused:
            raise Wrong(f"a good configuration is refused: {no.read().decode()[:300]}") from no
    else:
        if refused:
            raise Wrong("a wrong configuration is taken")


def empty(prometheus: Prometheus, target: dict, chosen: dict[str, list[str]]) -> str:
    """The query, where it returns nothing and may not; else nothing."""
    expr = filled_in(target["expr"], "15s", chosen)
    if target["expr"] in MAY_BE_EMPTY or prometheus.has_data(expr, instant=target["instant"]):
        return ""
    return f"nothing for {expr}"


def named() -> set[str]:
    """Metrics and records in the expressions of all rules."""
    text = " ".join(re.sub(r'"[^"]*"|\b(by|on|ignoring) \([^)]*\)', "", rule["expr"]) for rule in rules.every())
    return set(re.findall(r"\b(?:\w+:)?(?:caudal|process)_[\w:]+|\bup\b", text))


def evaluated(prometheus: Prometheus) -> None:
    groups = prometheus.rules()
    faults = [f"{rule['name']}: {rule['lastError']}" for group in groups for rule in group["rules"] if rule.get("lastError")]
    if not groups:
        raise Wrong("Prometheus has no rules")
    none_of(faults)


def fires_and_ends(report: Report, stack: Stack, prometheus: Prometheus) -> None:
    """A storage goes away and comes back, and everybody hears of it whom it concerns."""
    heard, alert = stack.heard, "CaudalStorageNotReady"
    about = lambda what: alert in str(what)  # noqa: E731
    with report.check("the watchdog is heard, with its token"):
        _, authorization = heard.wait("watchdog", lambda what: what["status"] == "firing", 20)
        if authorization != "Bearer the-watchdogs-token":
            raise Wrong(f"it comes with {authorization!r}")
    with report.check("a refused configuration is told to Slack as a ticket, and to PagerDuty not at all"):
        heard.wait("slack", lambda what: "CaudalConfigRefused" in str(what), 20)
        if any(whom == "pagerduty" and "CaudalConfigRefused" in str(what) for whom, what, _ in heard.calls):
            raise Wrong("PagerDuty was called")
    with report.check(f"storage goes away: {alert} fires, and PagerDuty and Slack are told with the runbook"):
        stack.storage.is_gone = True
        prometheus.wait_for(f'ALERTS{{alertname="{alert}", alertstate="firing"}}', 60)
        called, _ = heard.wait("pagerduty", lambda what: about(what) and what["event_action"] == "trigger", 20)
        if called["routing_key"] != "the-integration-key" or f"runbooks/{alert}.md" not in called["client_url"]:
            raise Wrong(f"PagerDuty was told {called}")
        heard.wait("slack", lambda what: about(what) and "danger" in str(what), 20)
    with report.check(f"storage comes back: {alert} ends, and both are told"):
        stack.storage.is_gone = False
        heard.wait("pagerduty", lambda what: about(what) and what["event_action"] == "resolve", 60)
        heard.wait("slack", lambda what: about(what) and "good" in str(what), 20)
        # The other process may have noticed late, and be late to forget.
        prometheus.wait_for(f'absent(ALERTS{{alertname="{alert}"}})', 20)
