"""Proves the local stack: it plays, it caches, it is locked, and an alert fires and ends. up.py --check runs it."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from browser import judge, play
from stack import PREFIX, TITLE, TOOLS, Stack, put
from tally import Tally

# Of the sample title.
SECONDS, RENDITIONS = 30, 3
SEGMENT = "v720/seg-3.m4s"
ALERT = "CaudalStorageNotReady"
# caudal looks at its storage every few seconds; scrape, rule and Alertmanager take a second or three each.
ALERT_TAKES = 60.0


class Look:
    """Asks the stack's pieces."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def get(self, url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers, whatever the status."""
        request = urllib.request.Request(
            url, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read(), {name.lower(): value for name, value in answer.headers.items()}
        except urllib.error.HTTPError as error:
            return error.code, error.read(), {name.lower(): value for name, value in error.headers.items()}

    def cdn(self, file: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """A file of the title, through nginx."""
        return self.get(self.stack.url("cdn", f"/{PREFIX}{file}"), **headers)

    def asked(self) -> int:
        """Requests that caudal has answered."""
        requests = json.loads(self.get(self.stack.url("admin", "/status"))[1])["requests"]
        return int(requests["total"])

    def query(self, expression: str) -> float:
        """The one value of a query to Prometheus."""
        words = urllib.parse.urlencode({"query": expression})
        said = json.loads(self.get(self.stack.url("prometheus", f"/api/v1/query?{words}"))[1])
        (found,) = said["data"]["result"]
        return float(found["value"][1])


def run(stack: Stack, tally: Tally, screenshot: Path | None = None) -> None:
    """All checks, in order."""
    look = Look(stack)
    tally.check(
        "the player page plays HLS through the CDN, to the end", lambda: plays(stack, "master.m3u8", screenshot)
    )
    tally.check("and DASH", lambda: plays(stack, "manifest.mpd"))
    tally.check("the CDN keeps what it was sent, and caudal is not asked again", lambda: keeps(look))
    tally.check("a range over three slices has the file's bytes", lambda: ranges(look))
    tally.check("manifests come compressed to who takes that", lambda: compressed(look))
    tally.check("past the CDN caudal refuses", lambda: locked(look))
    tally.check("Prometheus sees caudal, and every rule is good", lambda: scraped(look))
    tally.check(f"the store ends: {ALERT} fires, and what is cached goes on", lambda: fires(stack, look))
    tally.check(f"it is back: {ALERT} is resolved", lambda: resolves(stack, look))
    tally.check("everything still runs", stack.processes.check)


def plays(stack: Stack, manifest: str, screenshot: Path | None = None) -> None:
    """In Chromium."""
    address = stack.url("cdn", f"/{PREFIX}{manifest}")
    seen = play(stack.url("admin", "/player/"), address, TOOLS / "node/node_modules", screenshot)
    wrong = judge(seen, SECONDS, RENDITIONS)
    assert not wrong, "; ".join(wrong)


def keeps(look: Look) -> None:
    """A segment, twice; its headers are caudal's."""
    look.cdn(SEGMENT)
    before = look.asked()
    status, body, head = look.cdn(SEGMENT)
    assert (status, head["x-cache"]) == (200, "HIT"), (status, head)
    assert body == (TITLE / SEGMENT).read_bytes(), f"{len(body)} bytes that are not the file's"
    assert "immutable" in head["cache-control"], head
    assert look.asked() == before, "caudal was asked again"


def ranges(look: Look) -> None:
    """Of a file that has three, put there for this."""
    whole = os.urandom(5 << 19)
    put(look.stack.url("store"), f"{PREFIX}long.mp4", whole)
    first, last = 1_000_000, (2 << 20) + 5
    status, body, head = look.cdn("long.mp4", Range=f"bytes={first}-{last}")
    assert (status, head["content-range"]) == (206, f"bytes {first}-{last}/{len(whole)}"), (status, head)
    assert body == whole[first : last + 1], "other bytes"


def compressed(look: Look) -> None:
    """Both forms are cached, each for its own."""
    for _ in range(2):
        _, plain, head = look.cdn("manifest.mpd")
        assert plain.startswith(b"<?xml") and "content-encoding" not in head, head
        _, packed, head = look.cdn("manifest.mpd", Accept_Encoding="gzip")
        assert packed.startswith(b"\x1f\x8b") and head["content-encoding"] == "gzip", head
    assert head["x-cache"] == "HIT", head


def locked(look: Look) -> None:
    """Without the CDN's secret, and with a wrong one."""
    address = look.stack.url("caudal", f"/{PREFIX}master.m3u8")
    for headers in ({}, {"X_Origin_Verify": "guessed"}):
        status, _, _ = look.get(address, **headers)
        assert status == 403, f"{status} instead of 403"
    status, _, _ = look.get(address, X_Origin_Verify=look.stack.origin_lock)
    assert status == 200, f"{status} with the secret"


def scraped(look: Look) -> None:
    """It is up, it has counted, and Prometheus evaluates all rules without an error."""
    assert look.query('up{job="caudal"}') == 1
    assert look.query("sum(caudal_requests_total)") > 0
    groups = json.loads(look.get(look.stack.url("prometheus", "/api/v1/rules"))[1])["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules, "there are none"
    bad = [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] == "err"]
    assert not bad, "; ".join(bad)


def fires(stack: Stack, look: Look) -> None:
    """Ends the store. Whoever watches notices nothing."""
    stack.processes.stop("store")
    assert stack.pager
    stack.pager.await_ring("firing", ALERT, ALERT_TAKES)
    active = json.loads(look.get(stack.url("alertmanager", "/api/v2/alerts?active=true"))[1])
    assert any(alert["labels"]["alertname"] == ALERT for alert in active), active
    status, body, _ = look.cdn(SEGMENT)
    assert (status, body) == (200, (TITLE / SEGMENT).read_bytes()), status
    # caudal itself still has it, with nginx's cache out of the way.
    address = stack.url("caudal", f"/{PREFIX}{SEGMENT}")
    status, body, _ = look.get(address, X_Origin_Verify=stack.origin_lock)
    assert (status, body) == (200, (TITLE / SEGMENT).read_bytes()), status


def resolves(stack: Stack, look: Look) -> None:
    """Starts the store again."""
    stack.start_store()
    assert stack.pager
    stack.pager.await_ring("resolved", ALERT, ALERT_TAKES)
    assert look.query("min(caudal_storage_ready)") == 1
